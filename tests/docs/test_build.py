# SPDX-License-Identifier: Apache-2.0
"""Manual and release notes build without a warning, in good style."""

import subprocess
import sys

import pytest

from tests.docs import manual

pytest.importorskip('sphinx', reason='pip install -r doc/requirements.txt')


def run(*command):
    return subprocess.run([sys.executable, '-m'] + list(command),
                          cwd=manual.ROOT, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.mark.parametrize('source', ['doc/source', 'releasenotes/source'])
def test_it_builds_without_a_warning(source, tmp_path):
    built = run('sphinx', '-q', '-W', '--keep-going', '-b', 'html',
                '-d', str(tmp_path / 'trees'), source,
                str(tmp_path / 'html'))
    assert built.returncode == 0, built.stdout
    assert (tmp_path / 'html' / 'index.html').is_file()


def test_the_sources_are_in_good_style():
    checked = run('doc8.main', '-q', 'doc/source', 'releasenotes/source')
    assert checked.returncode == 0, checked.stdout
