# SPDX-License-Identifier: Apache-2.0
"""What sysinv tells a lifecycle operator about the moment."""

import copy

from sysinv.objects import base


class LifecycleHookInfo(base.SysinvObject):
    """One object for a whole operation: sysinv rewrites it between hooks."""

    VERSION = '1.0'
    fields = {'mode': None, 'lifecycle_type': None, 'relative_timing': None,
              'operation': None, 'extra': None}

    def __init__(self):
        self.init(None, None, None, None)

    def init(self, mode, lifecycle_type, relative_timing, operation):
        self.mode = mode
        self.lifecycle_type = lifecycle_type
        self.relative_timing = relative_timing
        self.operation = operation
        self.extra = {}

    def __getitem__(self, name):
        return getattr(self, name)

    def __setitem__(self, name, value):
        setattr(self, name, value)

    def __copy__(self):
        other = LifecycleHookInfo()
        for field in self.fields:
            other[field] = self[field]
        return other

    def __deepcopy__(self, m):
        other = self.__copy__()
        other.extra = copy.deepcopy(self.extra, m)
        return other

    def __str__(self):
        return 'LifecycleHookInfo(%s)' % ', '.join(
            '%s=%s' % (field, self[field]) for field in sorted(self.fields))
