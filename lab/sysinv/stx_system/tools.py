# SPDX-License-Identifier: Apache-2.0
"""The programs the platform runs: helm and kubectl, each call logged."""

import logging
import os
import shlex
import shutil
import subprocess

from stx_system.errors import Failed
from stx_system.errors import Rejected

LOG = logging.getLogger(__name__)
# sysinv looks at a release that often while it waits for it.
POLL_SECONDS = 1
CHECKOUT = os.path.abspath(os.path.join(
    os.path.dirname(__file__), '..', '..', '..'))
BUILT = {'helm': [os.path.join(CHECKOUT, 'build/bin/helm')],
         'kubectl': [os.path.join(CHECKOUT, 'build/bin/kube'), 'kubectl']}


def command(name):
    """``HELM_BIN`` or ``KUBECTL_BIN``, the PATH, or what the lab built."""
    named = os.environ.get('%s_BIN' % name.upper())
    if named:
        return [named]
    if os.path.exists(BUILT[name][0]):
        return list(BUILT[name])
    found = shutil.which(name)
    if found:
        return [found]
    raise Rejected('%s is not there: set %s_BIN, or build the lab with '
                   '"portieris-app lab up".' % (name, name.upper()))


def run(name, *args, **options):
    """Run helm or kubectl; return its standard output.

    ``watch`` is called again and again while the program runs. What it
    raises ends the program.
    """
    watch = options.pop('watch', None)
    words = command(name) + [str(arg) for arg in args]
    LOG.info('running %s', ' '.join(shlex.quote(word) for word in words))
    process = subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, universal_newlines=True, **options)
    try:
        out, err = _communicate(process, watch)
    except BaseException:
        process.terminate()
        process.communicate()
        raise
    for line in err.splitlines():
        LOG.info('%s: %s', name, line)
    if process.returncode:
        raise Failed('"%s %s" ended with %d: %s' % (
            name, ' '.join(str(arg) for arg in args[:2]),
            process.returncode, (err or out).strip()[-2000:]))
    return out


def _communicate(process, watch):
    while True:
        try:
            return process.communicate(timeout=POLL_SECONDS if watch else None)
        except subprocess.TimeoutExpired:
            watch()
