# SPDX-License-Identifier: Apache-2.0
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import types

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
import pytest

from portieris_app.errors import Failure
from portieris_app import licenses
from portieris_app import sbom
from portieris_app.verifying.deep import rebuilt
from portieris_app.verifying import package as packages
from portieris_app.verifying import Wrong

pytestmark = pytest.mark.skipif(
    not shutil.which('go'), reason='the image of these tests needs Go')

MAIN = """\
// SPDX-License-Identifier: Apache-2.0
package main

import _ "gopkg.in/yaml.v3"

func main() {}
"""
DIGEST = hashlib.sha256(b'manifest').hexdigest()


@pytest.fixture(scope='session')
def server(tmp_path_factory):
    """Return a Go program with one dependency, as Go links it."""
    folder = tmp_path_factory.mktemp('server')
    (folder / 'main.go').write_text(MAIN)
    (folder / 'go.mod').write_text(
        'module example.com/portieris\n\ngo 1.26.0\n\n'
        'require gopkg.in/yaml.v3 v3.0.1\n')
    done = subprocess.run(
        ['go', 'build', '-mod=mod', '-buildvcs=false', '-o', 'portieris',
         '.'], cwd=folder, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    return folder / 'portieris'


@pytest.fixture(scope='session')
def image(server, tmp_path_factory):
    """Return an image tar of the shape that portieris-app makes."""
    folder = tmp_path_factory.mktemp('image')
    with tarfile.open(folder / 'layer', 'w:gz') as layer:
        layer.add(server, 'portieris')
    (folder / 'index.json').write_text(json.dumps(
        {'manifests': [{'digest': 'sha256:' + DIGEST}]}))
    (folder / 'manifest.json').write_text(json.dumps([{
        'RepoTags': ['docker.io/starlingx/portieris:2.0.1'],
        'Layers': ['layer']}]))
    with tarfile.open(folder / 'image.tar', 'w') as archive:
        for name in ('layer', 'index.json', 'manifest.json'):
            archive.add(folder / name, name)
    return folder / 'image.tar'


@pytest.fixture(scope='session')
def release(sources, image, tmp_path_factory):
    """Return a folder with a tarball and its bill, and the checkout."""
    folder = tmp_path_factory.mktemp('release')
    sources.build('--output', folder)
    done = sources.run('sbom', '--tarball', folder / 'portieris-2.0-1.tgz',
                       '--image', image, '-o', 'json')
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        'path': str(folder / 'portieris-2.0-1.cdx.json')}
    return folder


@pytest.fixture
def copy(release, tmp_path):
    """Return the tarball of a release that the test may change."""
    return shutil.copytree(release, tmp_path / 'release') / \
        'portieris-2.0-1.tgz'


@pytest.fixture
def bill(release):
    return json.loads((release / 'portieris-2.0-1.cdx.json').read_text())


def listed(bill):
    return {one['bom-ref']: one for one in bill['components']}


def test_bill_is_valid_cyclonedx(release):
    text = (release / 'portieris-2.0-1.cdx.json').read_text()

    validator = JsonStrictValidator(SchemaVersion.V1_6)

    assert validator.validate_str(text) is None
    assert validator.validate_str(text.replace('CycloneDX', 'else')) \
        is not None


def test_bill_covers_python_go_chart_and_image(bill):
    assert set(listed(bill)) >= {
        'pkg:pypi/k8sapp-portieris@2.0.1', 'pkg:helm/portieris@2.0.1',
        'pkg:golang/example.com/portieris@2.0.1',
        'pkg:golang/gopkg.in/yaml.v3@v3.0.1',
        'pkg:oci/portieris@sha256%3A' + DIGEST + '?repository_url=docker.io'
        '%2Fstarlingx%2Fportieris&tag=2.0.1'}
    assert [one for one in listed(bill)
            if one.startswith('pkg:golang/std@1.')]


def test_all_that_is_shipped_has_its_license(bill):
    shipped = [one for one in listed(bill).values()
               if one['scope'] == 'required'
               and 'brought by the platform' not in
               one.get('description', '')]

    assert [one['name'] for one in shipped if not one.get('licenses')] == []
    assert listed(bill)['pkg:golang/gopkg.in/yaml.v3@v3.0.1'][
        'licenses'] == [{'expression': 'Apache-2.0 AND MIT'}]


def test_cache_that_a_build_has_filled_is_enough(tmp_path, monkeypatch):
    """A build holds modules against go.sum and asks for no other sums."""
    module = 'gopkg.in/yaml.v3@v3.0.1'
    full = subprocess.run(['go', 'env', 'GOMODCACHE'], text=True, check=True,
                          stdout=subprocess.PIPE).stdout.strip()
    monkeypatch.setenv('GOMODCACHE', str(tmp_path / 'mod'))
    subprocess.run(
        ['go', 'mod', 'download', '-modcacherw', module], check=True,
        cwd=tmp_path, env=dict(
            os.environ, GOPROXY='file://%s/cache/download' % full,
            GOSUMDB='off', GOFLAGS=''))

    assert licenses.of_modules([module]) == {module: 'Apache-2.0 AND MIT'}


def test_module_that_is_not_in_the_cache_is_named():
    with pytest.raises(Failure, match='does not hold example.com/no@v1.0.0'):
        licenses.of_modules(['example.com/no@v1.0.0'])


@pytest.mark.parametrize('name, text, sentence', [
    ('LICENSE', 'All rights reserved.', 'is none that portieris_app/licen'),
    ('README', 'MIT', 'has no file with its license')])
def test_license_that_nobody_has_read_is_an_error(tmp_path, name, text,
                                                  sentence):
    (tmp_path / name).write_text(text)

    with pytest.raises(Failure, match=sentence):
        licenses.expression(str(tmp_path), 'example.com/new')


@pytest.mark.parametrize('text, identifiers', [
    ('Apache License\n   Version 2.0, January 2004', {'Apache-2.0'}),
    ('Redistribution and use in source and\nbinary forms, with or without',
     {'BSD-2-Clause'}),
    ('Redistribution and use in source and binary forms ... may be used to '
     'endorse or\npromote products', {'BSD-3-Clause'}),
    ('Mozilla Public License, version 2.0', {'MPL-2.0'}),
    ('MIT License', set())])
def test_license_is_recognized_by_its_sentence(text, identifiers):
    assert licenses.recognized(text) == identifiers


def test_bill_tells_what_is_not_shipped(bill):
    parts = listed(bill)

    assert parts['pkg:pypi/setuptools@80.9.0']['scope'] == 'excluded'
    assert 'brought by the platform' in \
        parts['pkg:pypi/pyyaml']['description']


def test_every_part_is_reached_from_the_application(bill):
    links = {link['ref']: link['dependsOn']
             for link in bill['dependencies']}
    reached, waiting = set(), [bill['metadata']['component']['bom-ref']]
    while waiting:
        one = waiting.pop()
        reached.add(one)
        waiting += set(links.get(one, [])) - reached

    assert {name for name, one in listed(bill).items()
            if one['scope'] != 'excluded'} <= reached


def test_hashes_are_those_of_the_files(release, bill):
    tarball = release / 'portieris-2.0-1.tgz'
    wheel = packages.Package(str(tarball)).files[
        'plugins/k8sapp_portieris-2.0.1-py2.py3-none-any.whl']

    assert bill['metadata']['component']['hashes'][0]['content'] == \
        hashlib.sha256(tarball.read_bytes()).hexdigest()
    assert listed(bill)['pkg:pypi/k8sapp-portieris@2.0.1']['hashes'][0][
        'content'] == hashlib.sha256(wheel).hexdigest()


def test_same_files_give_the_same_bill(release, image, tmp_path):
    again = sbom.make(str(release / 'portieris-2.0-1.tgz'), str(image),
                      str(tmp_path / 'again'))

    with open(again, encoding='utf-8') as text:
        assert text.read() == \
            (release / 'portieris-2.0-1.cdx.json').read_text()


@pytest.mark.parametrize('content', [b'', b'no image'])
def test_what_is_no_image_gives_a_sentence(release, tmp_path, content):
    (tmp_path / 'image.tar').write_bytes(content)

    with pytest.raises(Failure, match='is not the image that'):
        sbom.describe(str(release / 'portieris-2.0-1.tgz'),
                      str(tmp_path / 'image.tar'))


def test_tarball_that_is_not_there_gives_a_sentence(image, tmp_path):
    with pytest.raises(Failure, match='cannot read .*portieris-app build'):
        sbom.describe(str(tmp_path / 'none.tgz'), str(image))


def deep(sources, tarball):
    done = sources.run('verify', '--deep', '-o', 'json', tarball)
    return {one['check']: (one['status'], one['detail'])
            for one in json.loads(done.stdout)['checks']}


def test_deep_verify_rebuilds_the_same_bytes(sources, copy):
    checks = deep(sources, copy)

    assert checks['rebuild from this checkout'][0] == 'ok'
    assert checks['bill of materials'][0] == 'ok'


def test_deep_verify_takes_version_and_date_from_the_tarball(
        sources, tmp_path):
    tarball = sources.build('--output', tmp_path, '--app-version', '2.0-9',
                            SOURCE_DATE_EPOCH='1234567890')

    checks = deep(sources, tarball)

    assert checks['rebuild from this checkout'][0] == 'ok'
    assert checks['bill of materials'][0] == 'skip'


def test_deep_verify_says_of_a_version_that_it_cannot_be_built():
    foreign = types.SimpleNamespace(metadata={'app_version': '2.0.1'})

    with pytest.raises(Wrong, match='its version is 2.0.1, which cannot'):
        rebuilt(foreign)


def test_deep_verify_names_what_another_checkout_built(sources, checkout,
                                                       copy):
    plugin = checkout.folder / (
        'python-k8sapp-portieris/k8sapp_portieris/k8sapp_portieris')
    (plugin / 'common' / 'constants.py').write_text('CHANGED = True\n')
    values = checkout.folder / 'stx-portieris-helm/helm-charts/portieris'
    (values / 'values.yaml').open('a').write('# changed\n')
    checkout.build('--output', copy.parent)

    checks = deep(sources, copy)

    status, detail = checks['rebuild from this checkout']
    assert status == 'FAIL'
    assert 'k8sapp_portieris/common/constants.py in plugins/' in detail
    assert 'portieris/values.yaml in charts/' in detail
    status, detail = checks['bill of materials']
    assert status == 'FAIL'
    assert 'pkg:helm/portieris@2.0.1 has another SHA-256' in detail


def test_deep_verify_names_a_bill_of_another_version(sources, copy):
    path = copy.parent / 'portieris-2.0-1.cdx.json'
    path.write_text(path.read_text().replace(
        'pkg:helm/portieris@2.0.1', 'pkg:helm/portieris@2.0.0'))

    status, detail = deep(sources, copy)['bill of materials']

    assert status == 'FAIL'
    assert 'pkg:helm/portieris@2.0.1 is not in' in detail


def test_deep_verify_names_a_bill_that_cannot_be_read(sources, copy):
    (copy.parent / 'portieris-2.0-1.cdx.json').unlink()
    (copy.parent / 'portieris-2.0-1.cdx.json').mkdir()

    status, detail = deep(sources, copy)['bill of materials']

    assert status == 'FAIL'
    assert 'cdx.json: Is a directory' in detail


@pytest.mark.parametrize('text', ['', '[]', '{"components": 1}', '\x00'])
def test_deep_verify_refuses_what_is_no_bill(sources, copy, text):
    (copy.parent / 'portieris-2.0-1.cdx.json').write_text(text)

    status, detail = deep(sources, copy)['bill of materials']

    assert status == 'FAIL'
    assert 'is no CycloneDX bill of materials' in detail
