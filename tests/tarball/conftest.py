# SPDX-License-Identifier: Apache-2.0
"""A checkout that tests may change, and the tarball built from it once."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
SOURCES = ('portieris_app', 'stx-portieris-helm', 'manifests',
           'python-k8sapp-portieris', 'lab/sysinv')


class Checkout:
    """A copy of the sources, and portieris-app as it runs there."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def run(self, *arguments, umask=0o022, **environment):
        return subprocess.run(
            [sys.executable, '-m', 'portieris_app', *map(str, arguments)],
            cwd=self.folder, umask=umask, stdin=subprocess.DEVNULL,
            env=dict(os.environ, PYTHONPATH=str(self.folder),
                     **environment),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def build(self, *arguments, umask=0o022, **environment):
        """Build and return the path of the tarball."""
        done = self.run('build', *arguments, umask=umask, **environment)
        assert done.returncode == 0, done.stderr
        return self.folder / done.stdout.splitlines()[0]


def copy_sources(folder, sources=SOURCES):
    for name in sources:
        shutil.copytree(ROOT / name, pathlib.Path(folder) / name,
                        ignore=shutil.ignore_patterns(
                            '__pycache__', '*.egg-info'))
    return Checkout(folder)


@pytest.fixture
def checkout(tmp_path):
    return copy_sources(tmp_path / 'checkout')


@pytest.fixture(scope='session')
def built(tmp_path_factory):
    """Return a checkout with its tarball built; tests leave it alone."""
    made = copy_sources(tmp_path_factory.mktemp('built') / 'checkout')
    made.tarball = made.build()
    return made
