# SPDX-License-Identifier: Apache-2.0
"""Debian packages that the lab runs on."""

import contextlib
import os
import shutil
import subprocess

from portieris_app.errors import Failure
from portieris_app import progress

# A program of each package; what is there already is not installed again.
PROGRAMS = {
    'containerd': 'containerd',
    'runc': 'runc',
    'containernetworking-plugins': '/usr/lib/cni/bridge',
    'iptables': 'iptables',
    'conntrack': 'conntrack',
    'dnsmasq-base': 'dnsmasq',
    'docker-registry': 'docker-registry',
    'notary': 'notary',
    'skopeo': 'skopeo',
    'gnupg': 'gpg',
    'util-linux': 'nsenter',
    'iproute2': 'ip',
    'procps': 'sysctl',
}
POLICY = '/usr/sbin/policy-rc.d'
SYSTEM_PATH = '/usr/local/sbin:/usr/sbin:/sbin'


def missing():
    path = os.environ.get('PATH', os.defpath) + ':' + SYSTEM_PATH
    return [package for package, program in PROGRAMS.items()
            if not shutil.which(program, path=path)]


def install(log_path):
    """Install what is missing, without starting any service."""
    packages = missing()
    if not packages:
        return
    if not shutil.which('apt-get'):
        raise Failure(
            'The lab needs programs of the Debian packages %s, and there '
            'is no apt-get to install them. Install them and try again.' %
            ', '.join(packages))
    env = dict(os.environ, DEBIAN_FRONTEND='noninteractive')
    apt = ['apt-get', '-o', 'DPkg::Lock::Timeout=300', '-q']
    progress.run(apt + ['update'], 'read the package lists', log_path,
                 env=env)
    with no_services():
        progress.run(
            apt + ['install', '-y', '--no-install-recommends'] + packages,
            'install %s' % ' '.join(packages), log_path, env=env)


@contextlib.contextmanager
def no_services():
    """Keep package scripts from starting the daemons they bring."""
    if os.path.lexists(POLICY):
        yield
        return
    with open(POLICY, 'w', encoding='ascii') as script:
        script.write('#!/bin/sh\nexit 101\n')
    os.chmod(POLICY, 0o755)
    try:
        yield
    finally:
        os.remove(POLICY)


def go_version():
    """Return the text of 'go version', or say what to install."""
    try:
        return subprocess.run(
            ['go', 'version'], check=True, capture_output=True,
            text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise Failure(
            'The lab is compiled with Go, and "go version" failed: %s. '
            'Install Go 1.26 or newer and put it into PATH.' %
            error) from error
