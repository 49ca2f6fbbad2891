# SPDX-License-Identifier: Apache-2.0
"""Plain lines that say what is going on and for how long.

Everything goes to standard error: standard output belongs to the result.
"""

import collections
import contextlib
import os
import shlex
import subprocess
import sys
import tempfile
import threading
import time

from portieris_app.errors import Failure
from portieris_app import programs

HEARTBEAT_SECONDS = 15
LOG_TAIL_LINES = 15


def say(line):
    print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def step(text, heartbeat=HEARTBEAT_SECONDS):
    """Print ``text ...`` now, and ``text: done (1.2 s)`` at the end.

    A step that lasts longer than ``heartbeat`` seconds says so each time
    that many have passed. A step that raises ends with ``text: failed``.
    """
    started = time.monotonic()
    ended = threading.Event()

    def beat():
        while not ended.wait(heartbeat):
            say('%s: %d s so far' % (text, time.monotonic() - started))

    say('%s ...' % text)
    heart = threading.Thread(target=beat, daemon=True)
    heart.start()
    outcome = 'failed'
    try:
        yield
        outcome = 'done'
    finally:
        ended.set()
        heart.join()
        say('%s: %s (%.1f s)' % (text, outcome,
                                 time.monotonic() - started))


def run(cmd, what, log_path=None, cwd=None, env=None):
    """Run ``cmd`` as the step ``what`` with its output in ``log_path``.

    Without a path the output is kept no longer than the command runs. A
    command that cannot start or that fails raises Failure, with the end of
    its output in the sentence.
    """
    with step(what), opened(log_path) as log:
        try:
            process = subprocess.Popen(
                cmd, cwd=cwd, env=env, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT)
        except OSError as error:
            raise Failure('%s: cannot start %s: %s.' % (
                what, cmd[0], error.strerror)) from error
        status = programs.status_of(process)
        if status:
            raise Failure('%s: "%s" ended with %d. The end of %s:\n%s' % (
                what, ' '.join(shlex.quote(str(word)) for word in cmd),
                status, log_path or 'what it said',
                tail(log) or '  (nothing)'))


def opened(log_path):
    """Return a file for the output of a command."""
    if not log_path:
        return tempfile.TemporaryFile()
    try:
        os.makedirs(os.path.dirname(os.path.abspath(log_path)),
                    exist_ok=True)
        return open(log_path, 'w+b')
    except OSError as error:
        raise Failure('Cannot write the log %s: %s.' % (
            log_path, error.strerror)) from error


def tail(log, lines=LOG_TAIL_LINES):
    """Return the last lines of a log, indented."""
    log.seek(0)
    last = collections.deque(log, lines)
    return ''.join('  ' + line.decode(errors='replace')
                   for line in last).rstrip('\n')
