# SPDX-License-Identifier: Apache-2.0
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import zipfile

import pytest

from portieris_app import checkout as paths
from portieris_app.errors import Failure
from portieris_app import packing
from tests.tarball.conftest import copy_sources


def members(tarball):
    with tarfile.open(tarball) as archive:
        return archive.getmembers()


def content(tarball, name):
    with tarfile.open(tarball) as archive:
        return archive.extractfile('./' + name).read()


def snapshot(folder):
    return {path.relative_to(folder): path.read_bytes()
            for path in folder.rglob('*') if path.is_file()
            and 'dist' not in path.relative_to(folder).parts
            and '__pycache__' not in path.parts}


def test_two_checkouts_give_the_same_bytes(built, tmp_path):
    other = copy_sources(tmp_path / 'another place' / 'with spaces')
    for path in other.folder.rglob('*'):
        os.chmod(path, 0o700)
        os.utime(path, (1000000000, 1000000000))
    subprocess.run(['git', 'init', '-q', other.folder], check=True)
    (other.folder / paths.PLUGIN / 'ChangeLog').write_text('litter')
    (other.folder / paths.CHART / 'values.yaml~').write_text('litter')

    again = other.build(umask=0o077, TZ='Asia/Tokyo', LC_ALL='C')

    assert again.read_bytes() == built.tarball.read_bytes()


def test_members_are_what_the_platform_reads(built):
    found = members(built.tarball)

    assert found[0].name == './metadata.yaml'
    assert [one.name for one in found[1:]] == sorted(
        one.name for one in found[1:])
    assert all(one.name.startswith('./') for one in found)
    assert {(one.uid, one.gid, one.mtime, one.mode) for one in found} == {
        (0, 0, packing.DEFAULT_EPOCH, 0o644),
        (0, 0, packing.DEFAULT_EPOCH, 0o755)}
    assert {one.name for one in found if one.isfile()} >= {
        './checksum.md5', './portieris-manifest.yaml',
        './charts/portieris-2.0.1.tgz',
        './plugins/k8sapp_portieris-2.0.1-py2.py3-none-any.whl',
        './fluxcd-manifests/kustomization.yaml'}


def test_md5sum_agrees_with_the_checksums(built, tmp_path):
    subprocess.run(['tar', '-xf', built.tarball, '-C', tmp_path], check=True)

    subprocess.run(['md5sum', '--strict', '--status', '-c', 'checksum.md5'],
                   cwd=tmp_path, check=True)


def test_chart_is_what_helm_would_package(built, tmp_path):
    helm = paths.helm()
    if not helm:
        pytest.skip('needs helm')
    subprocess.run([*helm, 'package', '-d', tmp_path,
                    built.folder / paths.CHART],
                   check=True, stdout=subprocess.DEVNULL)
    ours = io.BytesIO(content(built.tarball, 'charts/portieris-2.0.1.tgz'))

    with tarfile.open(fileobj=ours) as mine, \
            tarfile.open(tmp_path / 'portieris-2.0.1.tgz') as theirs:
        assert sorted(mine.getnames()) == sorted(theirs.getnames())


def test_wheel_holds_the_plugin_and_no_history(built):
    packed = io.BytesIO(content(
        built.tarball,
        'plugins/k8sapp_portieris-2.0.1-py2.py3-none-any.whl'))
    with zipfile.ZipFile(packed) as wheel:
        names = wheel.namelist()

    assert 'k8sapp_portieris/helm/portieris.py' in names
    assert not [name for name in names if name.endswith('pbr.json')]


def test_another_version_reaches_every_file_and_no_source(checkout):
    before = snapshot(checkout.folder)

    done = checkout.run('build', '--app-version', '2.0-7', '-o', 'json')

    result = json.loads(done.stdout)
    tarball = checkout.folder / result['path']
    assert tarball.name == 'portieris-2.0-7.tgz'
    assert result['sha256'] == hashlib.sha256(
        tarball.read_bytes()).hexdigest()
    assert snapshot(checkout.folder) == before
    verified = checkout.run('verify', tarball)
    assert verified.returncode == 0, verified.stdout
    for name in result['files']:
        assert b'2.0.1' not in content(tarball, name)
    assert b'portieris:2.0.7' in content(tarball, 'portieris-manifest.yaml')
    chart = io.BytesIO(content(tarball, 'charts/portieris-2.0.7.tgz'))
    with tarfile.open(fileobj=chart) as archive:
        assert not [one.name for one in archive
                    if b'2.0.1' in archive.extractfile(one).read()]


@pytest.mark.parametrize('version', ['2.0.1', '2.0', 'v2.0-1', '2.0-1-rc'])
def test_version_of_another_form_is_refused(built, version):
    done = built.run('build', '--app-version', version)

    assert done.returncode == 2
    assert '"%s" is not of the form X.Y-Z' % version in done.stderr


def test_sources_that_disagree_are_named(checkout):
    chart = checkout.folder / paths.CHART / 'Chart.yaml'
    chart.write_text(chart.read_text().replace('version: 2.0.1',
                                               'version: 2.0.9'))

    done = checkout.run('build')

    assert done.returncode == 1
    assert 'chart/Chart.yaml: version is "2.0.9", expected "2.0.1"' in \
        done.stderr
    assert not (checkout.folder / 'dist').exists()


@pytest.mark.parametrize('text, sentence', [
    ('app_name: portieris\n', 'does not say its app_version'),
    ('app_version: [\n', 'does not say its app_version'),
    ('app_version: "3.1"\n', 'app_version is "3.1", not of the form X.Y-Z'),
])
def test_metadata_without_a_version_gives_a_sentence(checkout, text,
                                                     sentence):
    (checkout.folder / paths.METADATA).write_text(text)

    done = checkout.run('build')

    assert done.returncode == 1
    assert sentence in done.stderr
    assert 'Traceback' not in done.stderr


def test_link_among_the_sources_is_refused(checkout):
    (checkout.folder / paths.CHART / 'templates' / 'link.yaml').symlink_to(
        'service.yaml')

    done = checkout.run('build')

    assert done.returncode == 1
    assert 'link.yaml is a symbolic link' in done.stderr


def test_copy_that_fails_names_both_ends(tmp_path, monkeypatch):
    def fails(source, *_, **__):
        raise shutil.Error([(source + '/a', '/full/a', 'no space'),
                            (source + '/b', '/full/b', 'no space')])

    monkeypatch.setattr(shutil, 'copytree', fails)

    with pytest.raises(Failure, match='^Cannot copy /s/a to /full/a: no spa'):
        packing.export('/s', str(tmp_path / 'target'))


def test_plugin_that_does_not_build_shows_why(checkout):
    (checkout.folder / paths.PLUGIN / 'setup.py').write_text(
        'raise SystemExit("no such luck")\n')

    done = checkout.run('build')

    assert done.returncode == 1
    assert 'did not build' in done.stderr
    assert 'no such luck' in done.stderr
    assert 'Traceback' not in done.stderr


@pytest.mark.parametrize('epoch', [
    'yesterday', '-1', '0', '', '٢٠٢٦000000', '4354819200', '9' * 99])
def test_date_that_no_wheel_can_hold_is_refused(built, epoch):
    done = built.run('build', SOURCE_DATE_EPOCH=epoch)

    assert done.returncode == 1
    assert 'SOURCE_DATE_EPOCH is "%s"' % epoch in done.stderr


def test_date_of_the_members_can_be_set(built, tmp_path):
    built.build('--output', tmp_path, SOURCE_DATE_EPOCH='1234567890')

    found = members(tmp_path / 'portieris-2.0-1.tgz')
    assert {one.mtime for one in found} == {1234567890}


def test_output_that_cannot_be_a_folder_gives_a_sentence(built, tmp_path):
    (tmp_path / 'file').write_text('in the way')

    done = built.run('build', '--output', tmp_path / 'file')

    assert done.returncode == 1
    assert 'Cannot write' in done.stderr
    assert 'Traceback' not in done.stderr
    assert [one.name for one in tmp_path.iterdir()] == ['file']


def test_file_that_cannot_be_finished_leaves_the_old_one(tmp_path):
    target = tmp_path / 'portieris-2.0-1.tgz'
    target.write_text('old')

    with pytest.raises(Failure, match='No space left'):
        with packing.replacing(target) as new:
            with open(new, 'w') as half:
                half.write('half of the new')
            raise OSError(28, 'No space left on device')

    assert target.read_text() == 'old'
    assert [one.name for one in tmp_path.iterdir()] == [target.name]


def test_helmignore_beyond_plain_patterns_is_refused(checkout):
    (checkout.folder / paths.CHART / '.helmignore').write_text('!keep\n')

    done = checkout.run('build')

    assert done.returncode == 1
    assert '.helmignore: "!keep"' in done.stderr
