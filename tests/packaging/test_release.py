# SPDX-License-Identifier: Apache-2.0
import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import types

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
import pytest
import yaml

from portieris_app import cli
from portieris_app import release
from portieris_app import sbom
from tests.packaging import site
from tests.tarball.conftest import ROOT

TOOLS = ('go', 'gpg', 'skopeo', 'docker-registry')
COSIGN = ROOT / 'build' / 'bin' / 'cosign3'
SIGNER = 'release@example.com'


@pytest.fixture(scope='module')
def published(tmp_path_factory):
    """A signed release in a registry, and the server that is in it."""
    lacking = [tool for tool in TOOLS if not shutil.which(tool)]
    if not COSIGN.exists() and not shutil.which('cosign'):
        lacking.append('cosign (make build/bin/cosign3)')
    if lacking:
        pytest.skip('a signed release needs ' + ', '.join(lacking))
    folder = tmp_path_factory.mktemp('release')
    site.certify(folder)
    # Sockets of the agent want a short path.
    gpg_home = tempfile.mkdtemp(prefix='gpg-')
    env = dict(os.environ, GNUPGHOME=gpg_home, COSIGN_PASSWORD='',
               DOCKER_CONFIG=str(folder), PYTHONPATH=str(ROOT))
    try:
        with site.registry(folder) as registry:
            yield publish(folder, env, registry)
    finally:
        subprocess.run(['gpgconf', '--kill', 'all'], env=env, check=True)
        shutil.rmtree(gpg_home)


def publish(folder, env, registry):
    name = registry + '/starlingx/portieris'
    run(env, folder, 'gpg', '--batch', '--quiet', '--passphrase', '',
        '--quick-generate-key', SIGNER, 'rsa2048', 'sign', '1d')
    run(env, folder, release.find_cosign(), 'generate-key-pair',
        '--output-key-prefix', 'cosign')
    said = run(env, folder, sys.executable, '-m', 'portieris_app', 'release',
               '--output', 'out', '--gpg-key', SIGNER,
               '--push', name + ':2.0.1', '--cosign-key', 'cosign.key',
               '--ca', 'ca.pem')
    with tarfile.open(folder / 'out' / 'portieris-image-2.0.1.tar') as image:
        tags, = json.load(image.extractfile('manifest.json'))
        server = folder / 'portieris'
        server.write_bytes(sbom.binary(image.extractfile(
            tags['Layers'][0]).read()))
    server.chmod(0o755)
    return types.SimpleNamespace(
        folder=folder, out=folder / 'out', env=env, name=name, said=said,
        server=server, keys={
            'gpg': run(env, folder, 'gpg', '--armor', '--export', SIGNER),
            'cosign': (folder / 'cosign.pub').read_text()})


def run(env, folder, *command):
    done = subprocess.run(command, cwd=folder, env=env, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_all_that_is_published_is_summed_up(published):
    names = {line.split('  ')[1] for line in
             (published.out / 'SHA256SUMS').read_text().splitlines()}

    assert names == {'portieris-2.0-1.tgz', 'portieris-2.0-1.cdx.json',
                     'portieris-image-2.0.1.tar'}
    run(published.env, published.out, 'sha256sum', '--check', '--strict',
        'SHA256SUMS')


def test_gpg_signs_the_checksums(published):
    run(published.env, published.out, 'gpg', '--verify', 'SHA256SUMS.asc',
        'SHA256SUMS')


def test_bill_of_the_release_is_valid_and_names_what_is_linked(published):
    text = (published.out / 'portieris-2.0-1.cdx.json').read_text()
    linked = run(published.env, published.folder, 'go', 'version', '-m',
                 published.server)
    names = {words[1] for words in map(str.split, linked.splitlines())
             if words[0] == 'dep'}

    validator = JsonStrictValidator(SchemaVersion.V1_6)

    assert validator.validate_str(text) is None
    assert 'k8s.io/client-go' in names
    assert names <= {one['name'] for one in json.loads(text)['components']}


def explain(published, store, requirements, keys):
    """Return what the released server says of its own image."""
    objects = [{
        'apiVersion': 'portieris.cloud.ibm.com/v1', 'kind': 'ImagePolicy',
        'metadata': {'name': 'own', 'namespace': 'default'},
        'spec': {'repositories': [{
            'name': published.name,
            'policy': {'simple': {'storeURL': store,
                                  'requirements': requirements}}}]}}]
    objects += [{
        'apiVersion': 'v1', 'kind': 'Secret', 'type': 'Opaque',
        'metadata': {'name': name, 'namespace': 'default'},
        'data': {'key': base64.b64encode(key.encode()).decode()}}
        for name, key in keys.items()]
    path = pathlib.Path(published.folder, 'policies.yaml')
    path.write_text(yaml.safe_dump_all(objects))
    return subprocess.run(
        [published.server, 'explain', published.name + ':2.0.1', '-policies',
         path, '-ca-file', published.folder / 'ca.pem', '-o', 'json'],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={name: value for name, value in published.env.items()
             if name != 'KUBECONFIG'})


BOTH = [{'type': 'signedBy', 'keySecret': 'gpg'},
        {'type': 'sigstoreSigned', 'keySecret': 'cosign'}]


def test_the_server_admits_its_own_image_by_both_signatures(published):
    with site.store(published.out / 'signatures',
                    published.folder) as store:
        done = explain(published, store, BOTH, published.keys)

    assert done.returncode == 0, done.stdout + done.stderr
    digest = published.said.split('@')[1].strip()
    assert digest in done.stdout


@pytest.mark.parametrize('kind', ['gpg', 'cosign'])
def test_the_server_denies_its_own_image_to_another_key(published, kind,
                                                        tmp_path):
    keys = dict(published.keys)
    if kind == 'gpg':
        run(published.env, tmp_path, 'gpg', '--batch', '--quiet',
            '--passphrase', '', '--quick-generate-key',
            'other@example.com', 'rsa2048', 'sign', '1d')
        keys['gpg'] = run(published.env, tmp_path, 'gpg', '--armor',
                          '--export', 'other@example.com')
    else:
        run(published.env, tmp_path, release.find_cosign(),
            'generate-key-pair', '--output-key-prefix', 'other')
        keys['cosign'] = (tmp_path / 'other.pub').read_text()

    with site.store(published.out / 'signatures',
                    published.folder) as store:
        done = explain(published, store, BOTH, keys)

    assert done.returncode == 1, done.stdout + done.stderr


@pytest.mark.parametrize('arguments, sentence', [
    (['--cosign-key', 'k'], 'name it with --push'),
    (['--push', 'r.example.com/p:1'], 'name a key with --gpg-key')])
def test_keys_without_an_image_are_refused(arguments, sentence, capsys):
    assert cli.main(['release', *arguments]) == 1
    assert sentence in capsys.readouterr().err


def test_missing_signer_is_named_before_anything_is_built(
        monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(release.shutil, 'which', lambda name: None)

    assert cli.main(['release', '--output', str(tmp_path / 'out'),
                     '--gpg-key', SIGNER]) == 1

    assert 'Signing needs gpg' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """A folder into which a release is built of nothing."""
    def file(name):
        (tmp_path / name).write_text(name)
        return str(tmp_path / name)

    monkeypatch.setattr(release.build, 'make_tarball',
                        lambda output: file('portieris-2.0-1.tgz'))
    monkeypatch.setattr(release.image, 'make', lambda path: {
        'path': file('image.tar'), 'digest': 'sha256:0'})
    monkeypatch.setattr(release.sbom, 'make', lambda *_: file('bill'))
    return tmp_path


def test_signature_of_earlier_sums_does_not_stay_beside_new_ones(quick):
    (quick / 'SHA256SUMS.asc').write_text('of other sums')

    release.make(str(quick))

    assert (quick / 'SHA256SUMS').exists()
    assert not (quick / 'SHA256SUMS.asc').exists()


def test_scripts_get_files_sums_and_digest_as_json(quick, capsys):
    assert cli.main(['release', '--output', str(quick), '-o', 'json']) == 0

    said = json.loads(capsys.readouterr().out)
    assert said['image_digest'] == 'sha256:0'
    assert said['pushed'] is None
    sums = [line.split('  ') for line in
            (quick / 'SHA256SUMS').read_text().splitlines()]
    assert {(one['sha256'], pathlib.Path(one['path']).name)
            for one in said['files']} > set(map(tuple, sums))


@pytest.mark.parametrize('reference, name', [
    ('registry.local:9001/starlingx/portieris:2.0.1',
     'registry.local:9001/starlingx/portieris'),
    ('localhost:5000/portieris', 'localhost:5000/portieris')])
def test_port_of_a_registry_is_not_taken_for_a_tag(reference, name):
    assert release.name_only(reference) == name
