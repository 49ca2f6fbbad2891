# SPDX-License-Identifier: Apache-2.0
"""What the platform reads: metadata, FluxCD and armada manifests."""

import base64
import importlib
import re
import shutil
import subprocess

import pytest
import yaml

from .conftest import CHART
from .conftest import ROOT
from .conftest import SCENARIOS

FLUXCD = ROOT / 'manifests' / 'fluxcd' / 'fluxcd-manifests'
ARMADA = ROOT / 'manifests' / 'armada' / 'portieris-manifest.yaml'
METADATA = ROOT / 'stx-portieris-helm' / 'files' / 'metadata.yaml'


def load(path):
    return yaml.safe_load(path.read_text())


@pytest.fixture(scope='module')
def version():
    """The version of the component that metadata.yaml stands for."""
    app = load(METADATA)['app_version']
    assert re.fullmatch(r'[0-9]+\.[0-9]+-[0-9]+', app)
    return app.replace('-', '.')


@pytest.fixture(scope='module')
def armada():
    documents = list(yaml.safe_load_all(ARMADA.read_text()))
    assert None not in documents
    return {d['schema'].split('/')[1]: d for d in documents}


@pytest.fixture(scope='module')
def kustomized():
    """What kubectl makes of the manifests, by kind and name."""
    built = ROOT / 'build' / 'bin' / 'kube'
    if built.exists():
        kubectl = [str(built), 'kubectl']
    elif shutil.which('kubectl'):
        kubectl = ['kubectl']
    else:
        pytest.skip('neither build/bin/kube nor kubectl is there')
    done = subprocess.run(kubectl + ['kustomize', str(FLUXCD)],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    # Older releases take any warning for a failure.
    assert done.stderr == ''
    return {(o['kind'], o['metadata']['name']): o
            for o in yaml.safe_load_all(done.stdout)}


def test_every_version_is_that_of_the_application(version, armada):
    chart = load(CHART / 'Chart.yaml')
    release = load(FLUXCD / 'portieris' / 'helmrelease.yaml')
    image = 'docker.io/starlingx/portieris:' + version
    static = load(FLUXCD / 'portieris' / 'portieris-static-overrides.yaml')

    assert chart['version'] == chart['appVersion'] == version
    assert release['spec']['chart']['spec']['version'] == version
    assert armada['Chart']['data']['source']['location'].endswith(
        '/portieris-%s.tgz' % version)
    for values in (load(CHART / 'values.yaml'), static,
                   armada['Chart']['data']['values']):
        assert values['images'] == {'tags': {'portieris': image}}


def test_chart_can_be_read_by_tiller():
    chart = load(CHART / 'Chart.yaml')

    assert chart['apiVersion'] == 'v1'
    assert chart['name'] == 'portieris'


def test_metadata_has_what_every_release_asks_for():
    metadata = load(METADATA)

    assert metadata['app_name'] == 'portieris'
    assert re.fullmatch(r'v1\.[0-9]+\.[0-9]+',
                        metadata['supported_k8s_version']['minimum'])
    assert metadata['maintain_user_overrides'] is True
    assert metadata['maintain_attributes'] is True
    # Even `no` would make it a platform managed application up to 10.0.
    assert 'behavior' not in metadata
    assert 'supported_releases' not in metadata


def test_cert_manager_comes_first():
    (cert_manager,) = load(METADATA)['dependent_apps']

    assert cert_manager['name'] == 'cert-manager'
    assert cert_manager['action'] in ('apply', 'error')
    assert re.fullmatch(cert_manager['version'], '1.0-65')
    assert re.fullmatch(cert_manager['version'], '25.09-12')


def test_one_repository_name_everywhere(armada):
    repository = load(METADATA)['helm_repo']
    flux = load(FLUXCD / 'base' / 'helmrepository.yaml')
    release = load(FLUXCD / 'portieris' / 'helmrelease.yaml')

    assert repository in ('starlingx', 'stx-platform')
    assert flux['spec']['url'].rsplit('/', 1)[1] == repository
    assert flux['metadata']['name'] == repository
    assert release['spec']['chart']['spec']['sourceRef'] == {
        'kind': 'HelmRepository', 'name': repository}
    assert '/helm_charts/%s/' % repository in (
        armada['Chart']['data']['source']['location'])


@pytest.mark.parametrize('path', [
    'kustomization.yaml', 'base/kustomization.yaml',
    'base/helmrepository.yaml', 'portieris/kustomization.yaml',
    'portieris/helmrelease.yaml'])
def test_flux_files_hold_one_document(path):
    documents = list(yaml.safe_load_all((FLUXCD / path).read_text()))

    assert len(documents) == 1
    assert documents[0] is not None


def test_every_resource_but_base_is_a_folder_with_a_release():
    root = load(FLUXCD / 'kustomization.yaml')

    assert root['namespace'] == 'portieris'
    assert root['resources'] == ['base', 'portieris']
    for folder in set(root['resources']) - {'base'}:
        assert (FLUXCD / folder / 'helmrelease.yaml').is_file()


def test_manifests_hold_nothing_that_removal_should_leave(kustomized):
    assert set(kustomized) == {
        ('HelmRepository', 'stx-platform'), ('HelmRelease', 'portieris'),
        ('Secret', 'portieris-static-overrides'),
        ('Secret', 'portieris-system-overrides')}
    assert {o['metadata']['namespace'] for o in kustomized.values()} == {
        'portieris'}


def test_values_come_from_the_static_then_the_system_overrides(kustomized):
    release = kustomized['HelmRelease', 'portieris']['spec']

    assert [v['valuesKey'] for v in release['valuesFrom']] == [
        'portieris-static-overrides.yaml', 'portieris-system-overrides.yaml']
    for source in release['valuesFrom']:
        data = kustomized[source['kind'], source['name']]['data']
        assert source['valuesKey'] in data
        assert (FLUXCD / 'portieris' / source['valuesKey']).is_file()
    system = kustomized['Secret', 'portieris-system-overrides']['data']
    assert base64.b64decode(system['portieris-system-overrides.yaml']) == b''


def test_release_keeps_its_name_and_upgrades_its_crds(kustomized):
    release = kustomized['HelmRelease', 'portieris']['spec']

    assert release['releaseName'] == 'portieris-portieris'
    assert release['chart']['spec']['chart'] == 'portieris'
    assert release['install']['crds'] == 'Create'
    assert release['upgrade']['crds'] == 'CreateReplace'
    assert release['upgrade']['remediation']['strategy'] == 'rollback'


def test_flux_api_versions_are_the_stable_ones(kustomized):
    assert kustomized['HelmRelease', 'portieris']['apiVersion'] == (
        'helm.toolkit.fluxcd.io/v2')
    assert kustomized['HelmRepository', 'stx-platform']['apiVersion'] == (
        'source.toolkit.fluxcd.io/v1')


def test_static_overrides_are_values_the_chart_takes(chart):
    static = load(FLUXCD / 'portieris' / 'portieris-static-overrides.yaml')

    assert chart.render(**static).server['image'] == (
        static['images']['tags']['portieris'])


def test_armada_names_fit_together(armada):
    chart, group, manifest = (armada[k] for k in ('Chart', 'ChartGroup',
                                                  'Manifest'))

    assert manifest['metadata']['name'] == 'portieris-manifest'
    assert manifest['data']['chart_groups'] == [group['metadata']['name']]
    assert group['data']['chart_group'] == [chart['metadata']['name']]
    assert '%s-%s' % (manifest['data']['release_prefix'],
                      chart['data']['release']) == 'portieris-portieris'
    assert chart['data']['chart_name'] == 'portieris'
    assert chart['data']['namespace'] == 'portieris'
    assert re.fullmatch(r'http://[^/]+/helm_charts/[\w-]+/[\w.-]+\.tgz',
                        chart['data']['source']['location'])


def test_armada_waits_for_the_pods_the_chart_makes(armada, chart):
    labels = chart.render().get('Deployment', 'portieris-portieris')[
        'spec']['template']['metadata']['labels']

    assert armada['Chart']['data']['wait']['labels'].items() <= (
        labels.items())


@pytest.fixture
def parser(monkeypatch):
    """The parts of the system command that look for images, as sysinv."""
    monkeypatch.syspath_prepend(str(ROOT / 'lab' / 'sysinv'))
    return (importlib.import_module('stx_system.images'),
            importlib.import_module('stx_system.release'))


def test_every_release_finds_the_image_and_nothing_else(parser, armada,
                                                        version):
    images, releases = parser
    static = load(FLUXCD / 'portieris' / 'portieris-static-overrides.yaml')

    for name in releases.KNOWN:
        for values in (load(CHART / 'values.yaml'), static,
                       armada['Chart']['data']['values']):
            found = images.find(values, releases.Release(name))
            assert images.references(found) == [
                'docker.io/starlingx/portieris:' + version]
            assert images.with_local_registry(found)['images'] == {
                'tags': {'portieris': 'registry.local:9001/docker.io/'
                         'starlingx/portieris:' + version}}


def test_no_value_looks_like_an_image_to_master(parser, scenario):
    images, releases = parser
    values = load(SCENARIOS[scenario])

    found = images.find(values, releases.Release('master'))

    assert 'image' not in found.get('image', {})
    assert set(found) <= {'image', 'images'}
