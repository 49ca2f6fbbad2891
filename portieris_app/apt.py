# SPDX-License-Identifier: Apache-2.0
"""Debian packages, installed without starting the services they bring."""

import contextlib
import fcntl
import os
import shutil

from portieris_app.errors import Failure
from portieris_app import progress

POLICY = '/usr/sbin/policy-rc.d'
# By its second line a script is known that a killed run has left there.
NO_SERVICES = b'#!/bin/sh\n# Of portieris-app, while it installs.\nexit 101\n'
OUR_LOCK = '/run/portieris-app-apt.lock'
LISTS_LOCK = '/var/lib/apt/lists/lock'
APT = ('apt-get', '-o', 'DPkg::Lock::Timeout=300', '-q')


def install(packages, what_for, log_path=None):
    """Install packages, if there are any, or say what to install."""
    if packages and (os.geteuid() or not shutil.which('apt-get')):
        raise Failure(
            "%s needs Debian's packages %s. Install them, or run this as "
            'root on Debian.' % (what_for, ', '.join(packages)))
    if os.geteuid():
        return
    with alone():
        remove_what_a_killed_run_left()
        if not packages:
            return
        env = dict(os.environ, DEBIAN_FRONTEND='noninteractive')
        wait_for_the_lists()
        progress.run([*APT, 'update'], 'read the package lists', log_path,
                     env=env)
        with no_services():
            progress.run(
                [*APT, 'install', '-y', '--no-install-recommends',
                 *packages],
                'install %s' % ' '.join(packages), log_path, env=env)


@contextlib.contextmanager
def alone():
    """Keep another run from removing the script that this one needs."""
    with open(OUR_LOCK, 'a') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def remove_what_a_killed_run_left():
    """Let the machine start services again.

    A run that is killed by force cannot; without this no service of any
    package would start any more.
    """
    try:
        with open(POLICY, 'rb') as script:
            if script.read(len(NO_SERVICES) + 1) != NO_SERVICES:
                return
    except OSError:
        return
    os.remove(POLICY)


@contextlib.contextmanager
def no_services():
    """Keep package scripts from starting the daemons they bring."""
    if os.path.lexists(POLICY):
        yield
        return
    try:
        with open(POLICY, 'wb') as script:
            script.write(NO_SERVICES)
        os.chmod(POLICY, 0o755)
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(POLICY)


def wait_for_the_lists():
    """Wait for whoever reads them: apt waits for dpkg's lock alone."""
    if not os.path.exists(LISTS_LOCK):
        return
    with open(LISTS_LOCK, 'a') as lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with progress.step('wait for another apt-get'):
                fcntl.lockf(lock, fcntl.LOCK_EX)
