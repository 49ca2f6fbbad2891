# SPDX-License-Identifier: Apache-2.0
"""The base of objects that sysinv sends over RPC."""


class SysinvObject(object):
    """Named fields, readable as attributes and as items."""

    VERSION = '1.0'
    fields = {}
