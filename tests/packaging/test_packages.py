# SPDX-License-Identifier: Apache-2.0
import io
import os
import re
import shutil
import subprocess
import tarfile
import zipfile

import pytest

from portieris_app import cli
from portieris_app import packages
from portieris_app import packing
from tests.packaging.conftest import build_packages
from tests.tarball.conftest import Checkout
from tests.tarball.conftest import copy_sources
from tests.tarball.conftest import ROOT

APP = 'stx-portieris-helm'
TARBALL = 'usr/local/share/applications/helm/portieris-2.0-1.tgz'
WHEEL = 'k8sapp_portieris-2.0.1-py2.py3-none-any.whl'


def plugin(kind):
    return 'python%s-k8sapp-portieris' % ('3' if kind == 'deb' else '')


def files(folder):
    return {str(path.relative_to(folder)): path
            for path in folder.rglob('*') if path.is_file()
            and 'usr/share' not in str(path)}


def test_application_holds_the_tarball_where_the_platform_looks(
        built, tmp_path):
    assert set(files(built.unpack(APP, tmp_path / 'app'))) == {TARBALL}


def test_tarball_in_the_package_is_the_one_that_build_makes(built, tmp_path):
    folder = built.unpack(APP, tmp_path / 'app')

    tarball = built.checkout.build('--output', tmp_path / 'dist')

    assert (folder / TARBALL).read_bytes() == tarball.read_bytes()


def test_wheel_package_holds_the_wheel_of_the_tarball(built, tmp_path):
    wheels = files(built.unpack(plugin(built.kind) + '-wheels',
                                tmp_path / 'wheels'))
    app = built.unpack(APP, tmp_path / 'app')
    (tmp_path / 'tarball').mkdir()
    subprocess.run(['tar', '-xf', app / TARBALL, '-C', tmp_path / 'tarball'],
                   check=True)

    assert set(wheels) == {'plugins/' + WHEEL}
    assert wheels['plugins/' + WHEEL].read_bytes() == (
        tmp_path / 'tarball' / 'plugins' / WHEEL).read_bytes()


def test_plugin_package_holds_what_the_wheel_holds(built, tmp_path):
    wheels = built.unpack(plugin(built.kind) + '-wheels', tmp_path / 'wheels')
    installed = files(built.unpack(plugin(built.kind), tmp_path / 'plugin'))

    with zipfile.ZipFile(wheels / 'plugins' / WHEEL) as wheel:
        expected = set(wheel.namelist())

    found = {name.split('-packages/')[1] for name in installed}
    assert found == expected
    assert {os.stat(path).st_mode & 0o777
            for path in installed.values()} == {0o644}


def test_packages_carry_the_version_of_the_application(built):
    for name in (APP, plugin(built.kind), plugin(built.kind) + '-wheels'):
        query = {'deb': ['dpkg-deb', '-f', built.path(name), 'Version'],
                 'rpm': ['rpm', '-qp', '--qf', '%{VERSION}-%{RELEASE}',
                         built.path(name)]}[built.kind]
        said = subprocess.run(query, check=True, stdout=subprocess.PIPE,
                              text=True).stdout
        assert said.strip() == '2.0-1'


@pytest.mark.parametrize('kind', ['rpm'], indirect=True)
def test_rpm_of_the_application_runs_no_scripts(built):
    said = subprocess.run(['rpm', '-qp', '--scripts', built.path(APP)],
                          check=True, stdout=subprocess.PIPE).stdout

    assert said == b''


@pytest.mark.parametrize('kind', ['deb'], indirect=True)
def test_deb_of_the_application_runs_no_scripts(built):
    packed = subprocess.run(['dpkg-deb', '--ctrl-tarfile', built.path(APP)],
                            check=True, stdout=subprocess.PIPE).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as control:
        names = {one.name for one in control if one.isfile()}

    assert names == {'./control', './md5sums'}


def test_another_folder_umask_and_zone_give_the_same_bytes(
        built, kind, tmp_path):
    other = Checkout(shutil.copytree(built.checkout.folder,
                                     tmp_path / 'another place'))

    again = build_packages(kind, other, tmp_path / 'again', umask=0o077,
                           TZ='Asia/Tokyo', LC_ALL='C')

    names = sorted(path.name for path in built.folder.iterdir())
    assert sorted(one.name for one in again.folder.iterdir()) == names
    assert [name for name in names if (again.folder / name).read_bytes()
            != (built.folder / name).read_bytes()] == []


@pytest.mark.parametrize('kind', ['rpm'], indirect=True)
def test_rpmlint_finds_no_error(built):
    if not shutil.which('rpmlint'):
        pytest.skip('needs rpmlint: `make test-tools` installs it')
    config = ROOT / APP / 'centos' / 'rpmlint.toml'
    for path in sorted(built.folder.iterdir()):
        done = subprocess.run(
            ['rpmlint', '-c', config, path], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)
        assert re.search(r'\b0 errors', done.stdout), done.stdout


@pytest.mark.parametrize('kind', ['deb'], indirect=True)
def test_lintian_finds_no_error(built):
    if not shutil.which('lintian'):
        pytest.skip('needs lintian: `make test-tools` installs it')
    done = subprocess.run(
        ['lintian', '--allow-root', '--fail-on', 'error',
         *sorted(map(str, built.folder.glob('*.dsc'))),
         *sorted(map(str, built.folder.glob('*.deb')))],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize('listing, needed', [
    ('centos_pkg_dirs', 'centos/build_srpm.data'),
    ('debian_pkg_dirs', 'debian/meta_data.yaml')])
def test_the_platform_s_build_finds_plugin_and_application(listing, needed):
    rooms = (ROOT / listing).read_text().split()

    assert set(rooms) == {packages.PLUGIN_ROOM, packages.APP_ROOM}
    assert [room for room in rooms if not (ROOT / room / needed).exists()] \
        == []


@pytest.mark.parametrize('listing', ['centos_iso_image.inc',
                                     'debian_iso_image.inc'])
def test_the_platform_s_image_gets_the_application(listing):
    assert (ROOT / listing).read_text().split() == [APP]


def test_packaging_files_have_the_version_of_the_application():
    assert packages.disagreements(str(ROOT)) == []


def test_another_version_is_named_in_each_packaging_file(checkout):
    metadata = checkout.folder / APP / 'files' / 'metadata.yaml'
    metadata.write_text(metadata.read_text().replace('2.0-1', '3.1-4'))

    done = checkout.run('packages', 'deb')

    assert done.returncode == 1
    for name in ('centos/python-k8sapp-portieris.spec says 2.0, expected 3.1',
                 'centos/stx-portieris-helm.spec says 2.0.1, expected 3.1.4',
                 'build_srpm.data says 1, expected 4',
                 'deb_folder/changelog says 2.0-1, expected 3.1-4',
                 'debian/meta_data.yaml says 2.0-1, expected 3.1-4'):
        assert name in done.stderr


def test_missing_tools_are_named_to_whoever_is_not_root(monkeypatch):
    monkeypatch.setattr(packages.shutil, 'which', lambda name: None)
    monkeypatch.setattr(packages.os, 'geteuid', lambda: 1000)

    with pytest.raises(packages.Failure, match='Debian.s packages rpm, cpio'):
        packages.prepare('rpm', packages.PROGRAMS['rpm'])


def test_linters_are_prepared_with_what_builds(monkeypatch, capsys):
    monkeypatch.setattr(packages.shutil, 'which', lambda name: None)
    monkeypatch.setattr(packages.os, 'geteuid', lambda: 1000)

    assert cli.main(['packages', 'deb', '--prepare']) == 1

    said = capsys.readouterr().err
    assert "Debian's packages dpkg-dev" in said
    assert 'lintian' in said


def test_wheel_of_another_version_is_refused(checkout, tmp_path):
    wheel = tmp_path / WHEEL.replace('2.0.1', '2.0.2')
    wheel.write_bytes(b'')

    done = checkout.run('build', '--wheel', wheel)

    assert done.returncode == 1
    assert 'this application holds ' + WHEEL in done.stderr


def test_the_platform_s_build_lays_out_the_same_sources(tmp_path):
    copy_sources(tmp_path / 'stx' / 'portieris-armada-app')

    subprocess.run(
        [ROOT / APP / 'debian' / 'dl_hook', tmp_path / 'package'],
        env=dict(os.environ, MY_REPO=str(tmp_path)), check=True)

    packages.app_tree(str(ROOT), str(tmp_path / 'ours'))
    assert packing.files_below(tmp_path / 'package') == \
        packing.files_below(tmp_path / 'ours')
