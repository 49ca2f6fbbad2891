# SPDX-License-Identifier: Apache-2.0
"""Where sysinv's own code finds the database.

Nothing of sysinv's database is here: whoever uses the double brings an
object with the methods that are asked of it, by sysinv.double.set_dbapi.
"""

from sysinv import double


def get_instance():
    return double.dbapi()
