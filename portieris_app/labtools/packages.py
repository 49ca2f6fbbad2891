# SPDX-License-Identifier: Apache-2.0
"""Programs that the lab runs on, and Go, which compiles its own."""

import os
import shutil
import subprocess

from portieris_app.errors import Failure

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
SYSTEM_PATH = '/usr/local/sbin:/usr/sbin:/sbin'


def missing():
    path = os.environ.get('PATH', os.defpath) + ':' + SYSTEM_PATH
    return [package for package, program in PROGRAMS.items()
            if not shutil.which(program, path=path)]


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
