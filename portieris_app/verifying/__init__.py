# SPDX-License-Identifier: Apache-2.0
"""The checks of ``verify``.

A check takes a Package and returns what it found to be right, as text. It
raises Wrong with one sentence for each fault, or Skipped when a tool that
it needs is not there.
"""


class Wrong(Exception):
    """The tarball breaks a rule; the arguments are sentences."""


class Skipped(Exception):
    """The check could not be made; the text says what it needs."""


def require(faults):
    """Raise Wrong when there are faults."""
    if faults:
        raise Wrong(*faults)
