# SPDX-License-Identifier: Apache-2.0
"""What a person reads when the system command does not do as asked."""


class Rejected(Exception):
    """Nothing was done; the sentence says why and what to do."""


class Failed(Exception):
    """Something was begun and did not come to its end."""


class Aborted(BaseException):
    """The person at the terminal, or a signal, ended the operation.

    No Exception: code that forgives what a plugin does must not forgive
    this one.
    """
