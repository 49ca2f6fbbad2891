# SPDX-License-Identifier: Apache-2.0
"""Plugin, chart and manifests call the same things by the same names."""

import configparser
import pathlib

import yaml

from k8sapp_portieris.common import constants
from k8sapp_portieris.common import definitions
from k8sapp_portieris.common import placement

ROOT = pathlib.Path(__file__).parents[2]
MANIFESTS = ROOT / 'manifests'
# What HelmRelease v2beta1, of StarlingX 7.0 to 9.0, has in common with v2.
# A field more would be refused there, because the plugin changes nothing
# but the version.
FIELDS = {'spec': {
    'releaseName', 'targetNamespace', 'chart', 'interval', 'timeout',
    'install', 'upgrade', 'uninstall', 'rollback', 'test', 'suspend',
    'dependsOn', 'maxHistory', 'values', 'valuesFrom'},
    'chart': {'chart', 'version', 'sourceRef', 'interval',
              'reconcileStrategy', 'valuesFile', 'valuesFiles'},
    'install': {'crds', 'createNamespace', 'disableHooks', 'disableWait',
                'disableWaitForJobs', 'remediation', 'replace', 'timeout'},
    'upgrade': {'crds', 'cleanupOnFail', 'disableHooks', 'disableWait',
                'disableWaitForJobs', 'force', 'preserveValues',
                'remediation', 'timeout'},
}


def documents(path):
    return list(yaml.safe_load_all((MANIFESTS / path).read_text()))


def release():
    return documents('fluxcd/fluxcd-manifests/portieris/helmrelease.yaml')[0]


def test_the_plugin_knows_the_values_and_crds_of_the_chart():
    import generate_from_chart as generate
    for path, text in generate.MODULES.items():
        assert pathlib.Path(path).read_text() == text(), (
            'run python-k8sapp-portieris/generate_from_chart.py')


def test_the_plugin_s_definitions_are_those_of_the_chart():
    import generate_from_chart as generate
    charts = [yaml.safe_load(path.read_text()) for path in sorted(
        (ROOT / 'stx-portieris-helm/helm-charts/portieris/crds').iterdir())]
    assert definitions.DEFINITIONS == generate.without_texts(charts)


def test_the_plugin_asks_for_the_kubernetes_of_the_metadata():
    metadata = yaml.safe_load((
        ROOT / 'stx-portieris-helm/files/metadata.yaml').read_text())
    assert constants.KUBERNETES_MINIMUM == metadata[
        'supported_k8s_version']['minimum']


def test_the_plugin_knows_the_labels_of_the_servers():
    helpers = (ROOT / 'stx-portieris-helm/helm-charts/portieris/templates'
               / '_helpers.tpl').read_text()
    for name, value in placement.LABELS.items():
        assert '%s: %s\n' % (name, value.replace(
            'portieris-portieris', '{{ .Release.Name }}')) in helpers


def test_the_plugin_labels_the_namespaces_that_the_chart_exempts():
    values = yaml.safe_load((
        ROOT / 'stx-portieris-helm/helm-charts/portieris/values.yaml'
    ).read_text())
    assert set(constants.EXEMPT_NAMESPACES) == set(
        values['exemptNamespaces'])


def test_the_chart_is_known_by_the_name_of_its_release():
    setup = configparser.ConfigParser()
    setup.read(ROOT / 'python-k8sapp-portieris' / 'k8sapp_portieris'
               / 'setup.cfg')
    group = setup['entry_points']['systemconfig.helm_applications'].strip()
    app, group = group.split(' = ')
    entry = setup['entry_points'][group].strip().split(' = ')[0]
    assert app == constants.HELM_APP_PORTIERIS
    assert entry == '001_' + constants.HELM_RELEASE_PORTIERIS
    assert release()['metadata']['name'] == constants.HELM_RELEASE_PORTIERIS


def test_the_armada_documents_have_the_names_that_disabling_uses():
    by_schema = {doc['schema']: doc for doc in documents(
        'armada/portieris-manifest.yaml')}
    chart = by_schema['armada/Chart/v1']
    group = by_schema['armada/ChartGroup/v1']
    manifest = by_schema['armada/Manifest/v1']
    assert manifest['metadata']['name'] == constants.ARMADA_MANIFEST_PORTIERIS
    assert group['metadata']['name'] == constants.ARMADA_CHART_GROUP_PORTIERIS
    assert chart['metadata']['name'] == constants.ARMADA_CHART_PORTIERIS
    assert chart['data']['chart_name'] == constants.HELM_CHART_PORTIERIS
    assert chart['data']['namespace'] == constants.HELM_NS_PORTIERIS


def test_the_release_holds_only_what_every_fluxcd_knows():
    spec = release()['spec']
    assert set(spec) <= FIELDS['spec']
    assert set(spec['chart']['spec']) <= FIELDS['chart']
    assert set(spec['install']) <= FIELDS['install']
    assert set(spec['upgrade']) <= FIELDS['upgrade']
