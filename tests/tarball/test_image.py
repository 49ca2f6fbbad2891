# SPDX-License-Identifier: Apache-2.0
import gzip
import io
import json
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile

import pytest

from tests.tarball.conftest import copy_sources
from tests.tarball.conftest import SOURCES


@pytest.fixture(scope='module')
def packed(tmp_path_factory):
    """Return a checkout in which the image is built, and its result."""
    if not shutil.which('go'):
        pytest.skip('needs Go')
    made = copy_sources(tmp_path_factory.mktemp('image') / 'checkout',
                        SOURCES + ('admission',))
    done = made.run('image', '-o', 'json')
    assert done.returncode == 0, done.stderr
    made.result = json.loads(done.stdout)
    made.image = made.folder / made.result['path']
    return made


@pytest.fixture(scope='module')
def config(packed):
    with tarfile.open(packed.image) as archive:
        manifest, = json.load(archive.extractfile('manifest.json'))
        return json.load(archive.extractfile(manifest['Config']))


@pytest.fixture(scope='module')
def layer(packed):
    with tarfile.open(packed.image) as archive:
        manifest, = json.load(archive.extractfile('manifest.json'))
        only, = manifest['Layers']
        content = gzip.decompress(archive.extractfile(only).read())
    return tarfile.open(fileobj=io.BytesIO(content))


def test_another_checkout_gives_the_same_bytes(packed, tmp_path):
    other = tmp_path / 'another place'
    shutil.copytree(packed.folder, other,
                    ignore=shutil.ignore_patterns('dist'))
    shutil.copytree(packed.folder / 'portieris_app', other / 'portieris_app',
                    dirs_exist_ok=True)
    for path in other.rglob('*'):
        os.utime(path, (1000000000, 1000000000))
    again = type(packed)(other).run(
        'image', '--output', tmp_path / 'again.tar', umask=0o077,
        GOFLAGS='-ldflags=-compressdwarf=false', TZ='Asia/Tokyo',
        LC_ALL='C', GOAMD64='v3')

    assert again.returncode == 0, again.stderr
    assert (tmp_path / 'again.tar').read_bytes() == \
        packed.image.read_bytes()


def test_image_is_one_layer_for_nobody(packed, config):
    assert config['config']['User'] == '65532:65532'
    assert config['config']['WorkingDir'] == '/run'
    assert config['config']['Entrypoint'] == ['/portieris']
    assert set(config['config']['ExposedPorts']) == {'8000/tcp', '8080/tcp'}
    assert len(config['rootfs']['diff_ids']) == 1


def test_layer_holds_the_server_and_where_pods_mount(layer):
    assert {entry.name: entry.mode for entry in layer} == {
        'etc': 0o755, 'etc/certs': 0o755, 'run': 0o1777, 'tmp': 0o1777,
        'portieris': 0o755}
    assert {(entry.uid, entry.gid) for entry in layer} == {(0, 0)}


def test_server_in_the_image_is_static_and_knows_its_version(layer,
                                                             tmp_path):
    program = tmp_path / 'portieris'
    program.write_bytes(layer.extractfile('portieris').read())
    program.chmod(0o755)

    said = subprocess.run([program, 'version'], stdout=subprocess.PIPE,
                          env={}, text=True, check=True).stdout

    assert '2.0.1' in said
    # The kernel needs no interpreter for a program without this segment.
    assert b'/lib64/ld-linux' not in program.read_bytes()


@pytest.mark.parametrize('form', ['oci-archive', 'docker-archive'])
def test_skopeo_reads_the_image(packed, form):
    if not shutil.which('skopeo'):
        pytest.skip('needs skopeo')
    raw = subprocess.run(
        ['skopeo', 'inspect', '%s:%s' % (form, packed.image)],
        stdout=subprocess.PIPE, check=True).stdout

    found = json.loads(raw)
    assert found['Labels']['org.opencontainers.image.version'] == '2.0.1'
    assert found['Os'] == 'linux'
    if form == 'oci-archive':
        assert found['Digest'] == packed.result['digest']


def test_skopeo_reads_the_image_without_being_root(packed, tmp_path):
    """It takes folders that the tar only implies for root's."""
    if not shutil.which('skopeo'):
        pytest.skip('needs skopeo')
    words, home = [], tmp_path
    if not os.geteuid():
        # Folders of pytest are root's alone.
        words = ['setpriv', '--reuid=65534', '--regid=65534',
                 '--clear-groups', '--']
        home = pathlib.Path(tempfile.mkdtemp(prefix='nobody-'))
        os.chmod(home, 0o777)
    try:
        image = shutil.copy(packed.image, home)
        os.chmod(image, 0o644)
        subprocess.run(
            [*words, 'skopeo', 'inspect', 'oci-archive:%s' % image],
            env=dict(os.environ, HOME=str(home), TMPDIR=str(home)),
            stdout=subprocess.DEVNULL, check=True)
    finally:
        if home != tmp_path:
            shutil.rmtree(home)


def test_missing_go_gives_a_sentence(packed):
    done = packed.run('image', PATH='/nowhere')

    assert done.returncode == 1
    assert 'The image needs Go' in done.stderr
    assert 'Traceback' not in done.stderr


def test_server_that_does_not_compile_shows_why(packed, tmp_path):
    other = tmp_path / 'broken'
    shutil.copytree(packed.folder, other,
                    ignore=shutil.ignore_patterns('dist'))
    (other / 'admission' / 'cmd' / 'portieris' / 'broken.go').write_text(
        'package main\n\nvar broken int = "text"\n')
    done = type(packed)(other).run('image')

    assert done.returncode == 1
    assert 'broken.go' in done.stderr
    assert not list(other.glob('dist/*'))
