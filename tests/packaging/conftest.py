# SPDX-License-Identifier: Apache-2.0
"""Packages built once from a checkout that nobody else changes."""

import json
import pathlib
import shutil
import subprocess

import pytest

from portieris_app import packages
from tests.tarball.conftest import checkout  # noqa: F401
from tests.tarball.conftest import copy_sources

# Tools that look at packages, beyond those that build them.
READERS = {'rpm': ('rpm', 'rpm2cpio', 'cpio'), 'deb': ('dpkg-deb',)}


class Packages:
    """The packages of one kind, and what is inside."""

    def __init__(self, kind, made, folder):
        self.kind = kind
        self.checkout = made
        self.folder = folder

    def path(self, name):
        """Return the one binary package of this name."""
        found = [path for path in self.folder.iterdir()
                 if path.name.startswith((name + '-2', name + '_2'))
                 and path.name.endswith(('noarch.rpm', '.deb'))]
        assert len(found) == 1, found
        return found[0]

    def unpack(self, name, target):
        """Unpack a package below ``target`` and return that."""
        target.mkdir()
        if self.kind == 'deb':
            subprocess.run(['dpkg-deb', '-x', self.path(name), target],
                           check=True)
        else:
            packed = subprocess.run(['rpm2cpio', self.path(name)],
                                    check=True, stdout=subprocess.PIPE)
            subprocess.run(['cpio', '-id', '--quiet'], cwd=target,
                           input=packed.stdout, check=True)
        return target


def build_packages(kind, made, output, **settings):
    done = made.run('packages', kind, '--output', output, '-o', 'json',
                    **settings)
    assert done.returncode == 0, done.stderr
    assert {pathlib.Path(path) for path in json.loads(done.stdout)[
        'files']} == set(output.iterdir())
    return Packages(kind, made, output)


@pytest.fixture(scope='session', params=['rpm', 'deb'])
def kind(request):
    lacking = packages.missing(packages.PROGRAMS[request.param]) + [
        tool for tool in READERS[request.param] if not shutil.which(tool)]
    if lacking:
        pytest.skip('%s packages need %s: `make test-tools` installs them'
                    % (request.param, ', '.join(lacking)))
    return request.param


@pytest.fixture(scope='session')
def sources(tmp_path_factory):
    return copy_sources(tmp_path_factory.mktemp('packaging') / 'checkout')


@pytest.fixture(scope='session')
def built(kind, sources, tmp_path_factory):
    return build_packages(kind, sources, tmp_path_factory.mktemp(kind))
