# SPDX-License-Identifier: Apache-2.0
"""Other programs, and signals that are meant for them too."""

import contextlib
import signal


class Stopped(KeyboardInterrupt):
    """The signal that ends this program, as a Ctrl-C does."""

    def __init__(self, number):
        super().__init__(number)
        self.number = number


def end_as_by_interrupt():
    """Let what Ctrl-C cleans up be cleaned up after a kill too.

    A signal that the caller has switched off, as nohup does, stays so.
    """
    def stop(number, _):
        raise Stopped(number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, stop)


@contextlib.contextmanager
def attended(process):
    """Let a program clean up what it has begun when we are interrupted.

    A terminal tells both, and a kill only us, so the program is told again.
    A second interrupt kills it.
    """
    try:
        yield
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        if process.stdout:
            process.stdout.close()  # full, it would hold the program back
        try:
            process.wait()
        except KeyboardInterrupt:
            process.kill()
            process.wait()
        raise


def status_of(process):
    """Wait for a program and return its exit status."""
    with attended(process):
        return process.wait()
