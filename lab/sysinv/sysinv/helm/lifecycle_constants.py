# SPDX-License-Identifier: Apache-2.0
"""Keys of a hook's extra information."""


class LifecycleConstants(object):
    EXTRA = 'extra'
