# SPDX-License-Identifier: Apache-2.0
"""Lifecycle hooks of one operation."""

import logging

from sysinv.helm.lifecycle_hook import LifecycleHookInfo

LOG = logging.getLogger(__name__)


def hook_info(mode, lifecycle_type, timing, operation, **extra):
    info = LifecycleHookInfo()
    info.init(mode, lifecycle_type, timing, operation)
    info.extra = dict(extra)
    return info


class Hooks(object):
    """One hook_info, rewritten between the hooks of an operation.

    sysinv does the same: type and timing change, and what was put into
    ``extra`` is still there in later hooks. Hooks called from AppOperator
    get neither context nor conductor.
    """

    def __init__(self, app_op, app, info, context=None, conductor=None):
        self._app_op = app_op
        self.app = app
        self.info = info
        self._context = context
        self._conductor = conductor

    @classmethod
    def fresh(cls, app_op, app, operation):
        """Request hooks: a new object without mode, with empty extra."""
        return cls(app_op, app, hook_info(None, None, None, operation))

    def call(self, lifecycle_type, timing, **extra):
        self.info.lifecycle_type = lifecycle_type
        self.info.relative_timing = timing
        self.info.extra.update(extra)
        self._app_op.app_lifecycle_actions(
            self._context, self._conductor, self.app, self.info)

    def call_and_forgive(self, lifecycle_type, timing, **extra):
        """For hooks whose exceptions are only logged."""
        try:
            self.call(lifecycle_type, timing, **extra)
        except Exception as error:
            LOG.error('hook %s/%s of %s failed: %s', lifecycle_type, timing,
                      self.app.name, error)
