# SPDX-License-Identifier: Apache-2.0
"""What the plugin takes over from older applications is what the chart has."""

import importlib

import pytest

from tests.chart.conftest import ROOT

KINDS = {'mutatingwebhookconfigurations': 'MutatingWebhookConfiguration',
         'serviceaccounts': 'ServiceAccount', 'clusterroles': 'ClusterRole',
         'clusterrolebindings': 'ClusterRoleBinding', 'services': 'Service',
         'deployments': 'Deployment'}


@pytest.fixture
def adoption(monkeypatch):
    monkeypatch.syspath_prepend(
        str(ROOT / 'python-k8sapp-portieris' / 'k8sapp_portieris'))
    return importlib.import_module('k8sapp_portieris.lifecycle.adoption')


def test_each_object_is_one_of_the_chart_and_known_by_its_label(
        chart, adoption):
    for path in adoption.OUTSIDE + adoption.INSIDE:
        plural, name = path.split('/')[-2:]
        found = chart.render().get(KINDS[plural], name)
        assert adoption.CHART_LABEL in found['metadata']['labels']


def test_pods_of_the_chart_are_told_from_older_ones(chart, adoption):
    spec = chart.render().get('Deployment', 'portieris-portieris')['spec']

    assert spec['selector']['matchLabels'] == adoption.SELECTOR
    assert adoption.OUR_PODS in spec['template']['metadata']['labels']
