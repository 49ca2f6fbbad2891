# SPDX-License-Identifier: Apache-2.0
"""The one exception that a user may see, as a sentence."""


class Failure(Exception):
    """Something the user can act on.

    The text says what was tried, what came back and what to do. The
    command line prints it behind the program's name and ends with 1.
    """
