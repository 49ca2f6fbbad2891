# SPDX-License-Identifier: Apache-2.0
"""Which StarlingX release is being imitated, where behaviour differs."""

from stx_system.errors import Rejected

MASTER = 'master'
# 4.0 to 6.0 install with armada alone, whose part nothing here can play.
KNOWN = ('7.0', '8.0', '9.0', '10.0', '11.0', '12.0', MASTER)


class Release(object):
    """``release.since(10)`` is true on 10.0 and all that came later."""

    def __init__(self, name=MASTER):
        if name not in KNOWN:
            raise Rejected(
                'StarlingX release "%s" cannot be imitated: choose one of '
                '%s.' % (name, ', '.join(KNOWN)))
        self.name = name
        self._number = 99 if name == MASTER else int(name.split('.')[0])

    def since(self, number):
        return self._number >= number

    @property
    def is_master(self):
        return self.name == MASTER
