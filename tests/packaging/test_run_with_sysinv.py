# SPDX-License-Identifier: Apache-2.0
import configparser
import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.packaging import run_with_sysinv
from tests.tarball.conftest import ROOT

NEW = ('config/sysinv/sysinv/sysinv', 'config/tsconfig/tsconfig',
       'fault/fm-api/source', 'fault/python-fmclient/fmclient',
       'utilities/ceph/python-cephclient/python-cephclient')
OLD = ('config/sysinv/sysinv/sysinv', 'config/tsconfig/tsconfig',
       'fault/fm-api', 'fault/python-fmclient/fmclient',
       'update/cgcs-patch/cgcs-patch',
       'utilities/ceph/python-cephclient/python-cephclient')


def check_out(folder, parts):
    for part in parts:
        (folder / part).mkdir(parents=True)
        (folder / part / 'setup.py').write_text('')
    return {'STX_CONFIG': str(folder / 'config')}


def test_unset_variable_gives_a_sentence():
    environ = {name: value for name, value in os.environ.items()
               if not name.startswith('STX_')}

    done = subprocess.run(
        [sys.executable, 'tests/packaging/run_with_sysinv.py'], cwd=ROOT,
        env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True)

    assert done.returncode == 1
    assert done.stderr.startswith('py39-sysinv: STX_CONFIG is not set: let')


@pytest.mark.parametrize('parts', [NEW, OLD], ids=['new', 'old'])
def test_each_release_s_parts_are_found_beside_config(tmp_path, parts):
    environ = check_out(tmp_path, parts)

    assert run_with_sysinv.folders(environ) == [
        str(tmp_path / part) for part in parts]


def test_another_place_can_be_named(tmp_path):
    environ = check_out(tmp_path, NEW)
    check_out(tmp_path / 'other', OLD)
    environ['STX_FAULT'] = str(tmp_path / 'other' / 'fault')

    assert str(tmp_path / 'other/fault/fm-api') in \
        run_with_sysinv.folders(environ)


def test_missing_repository_is_named(tmp_path):
    environ = check_out(tmp_path, NEW[:2])

    with pytest.raises(run_with_sysinv.Missing, match='STX_FAULT name'):
        run_with_sysinv.folders(environ)


def test_pip_gets_the_constraints_of_the_platform_s_build(tmp_path):
    environ = dict(check_out(tmp_path, NEW), UPPER_CONSTRAINTS_FILE='upper')

    words = run_with_sysinv.installation(environ)

    assert words[:4] == ['install', '-q', '-c', 'upper']
    assert words.count('-e') == len(NEW)


@pytest.fixture(scope='module')
def checked_out(tmp_path_factory):
    """The double, laid out as the checkout of one release, with a Python."""
    folder = tmp_path_factory.mktemp('checkout')
    check_out(folder, NEW[:3])
    for part in NEW[:3]:
        (folder / part / 'setup.py').write_text(
            'import setuptools\n'
            "setuptools.setup(name='%s', packages=setuptools.find_packages(),"
            " install_requires=['oslo.log'])\n" % part.split('/')[1])
    double = folder / NEW[0] / 'sysinv'
    shutil.copytree(ROOT / 'lab' / 'sysinv' / 'sysinv', double,
                    ignore=shutil.ignore_patterns('__pycache__'))
    # By its name the tests would know it.
    (double / 'double.py').rename(double / 'shape.py')
    for path in double.glob('*/*.py'):
        path.write_text(path.read_text().replace(
            'from sysinv import double', 'from sysinv import shape as double'))
    (double / '__init__.py').write_text(
        'import os\nfrom sysinv import shape\n'
        "shape.emulate(os.environ['CHECKED_OUT'])\n")
    subprocess.run([sys.executable, '-m', 'venv', folder / 'venv'],
                   check=True)
    return folder


@pytest.mark.parametrize('release', ['stx.8.0', 'stx.9.0', 'master'])
def test_plugin_s_tests_run_on_the_sysinv_that_is_checked_out(
        checked_out, release):
    done = subprocess.run(
        [checked_out / 'venv' / 'bin' / 'python',
         'tests/packaging/run_with_sysinv.py'], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=dict(os.environ, STX_CONFIG=str(checked_out / 'config'),
                 CHECKED_OUT=release,
                 SYSINV_API_DIR=str(ROOT / 'tests/contract/sysinv-api')))

    assert done.returncode == 0, done.stdout[-3000:]
    assert re.search('Ran [0-9]{3,} tests', done.stdout)


def test_tox_has_the_environment():
    tox = configparser.RawConfigParser()
    tox.read(ROOT / 'tox.ini')

    section = tox['testenv:py39-sysinv']
    assert 'tests/packaging/run_with_sysinv.py' in section['commands']
    for name in ('STX_*', 'UPPER_CONSTRAINTS_FILE'):
        assert name in section['passenv'].split()
