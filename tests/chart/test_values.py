# SPDX-License-Identifier: Apache-2.0
"""Values become policies, and wrong values a sentence."""

import importlib
import json

import pytest

from .conftest import CHART
from .conftest import Chart
from .conftest import ROOT
from .conftest import run

REJECT = {'simple': {'requirements': [{'type': 'reject'}]}}
SERVER = {'registry': 'registry.local:9001',
          'url': 'https://notary.local:4443'}
TRUST = {'name': 'registry.local:9001/*', 'policy': {'trust': {
    'enabled': True, 'trustServer': 'https://notary.local:4443'}}}


def test_default_admits_what_no_trust_server_is_set_for(chart):
    assert chart.render().entries == [{'name': '*', 'policy': {}}]


@pytest.mark.parametrize('policy, rest', [
    ('allow', [{'name': '*', 'policy': {}}]),
    ('deny', [{'name': '*', 'policy': REJECT}]),
    ('none', [])])
def test_other_registries_get_the_default_policy(chart, policy, rest):
    release = chart.render(trustServers=[SERVER], defaultPolicy=policy)

    assert release.entries == [TRUST] + rest


def test_none_without_trust_servers_makes_no_policy(chart):
    assert not chart.render(defaultPolicy='none').has('ClusterImagePolicy')


def test_signers_are_asked_for(chart):
    (_, team, _) = chart.render('trust-servers').entries

    assert team == {'name': 'registry.local:9001/team/*', 'policy': {
        'trust': {'enabled': True,
                  'trustServer': 'https://notary.local:4443',
                  'signerSecrets': [{'name': 'alice'}, {'name': 'bob'}]}}}


def test_trailing_slashes_are_taken_off(chart):
    release = chart.render(trustServers=[
        {'registry': 'registry.local:9001/',
         'url': 'https://notary.local:4443//'}])

    assert release.entries[0] == TRUST


def test_overrides_of_older_versions_are_taken(chart):
    release = chart.render('legacy-overrides')

    assert release.webhook['failurePolicy'] == 'Ignore'
    assert release.has('Secret', 'portieris-trusted-ca')
    assert release.server['image'] == (
        'registry.local:9001/docker.io/starlingx/portieris:2.0.1')


@pytest.mark.parametrize('key', ['namespace', 'PostUpgradePolicy',
                                 'ReapplyAdmissionWebhook',
                                 'app.starlingx.io/component'])
@pytest.mark.parametrize('value', ['platform', True, False, ''])
def test_keys_of_the_platform_change_nothing(chart, key, value):
    assert chart.render(**{key: value}).objects == chart.render().objects


def test_pods_run_on_the_cpus_that_the_platform_names(chart):
    label = 'app.starlingx.io/component'

    def labels(**values):
        server = chart.render(**values).get('Deployment',
                                            'portieris-portieris')
        return server['spec']['template']['metadata']['labels']

    assert labels()[label] == 'platform'
    assert labels(**{label: 'application'})[label] == 'application'


def without_quotes(text):
    """Return a message of Helm without the quotes it escapes."""
    return text.replace('\\', '')


@pytest.mark.parametrize('values, sentence', [
    ({'trustServers': [{'registry': 'r:9001', 'url': 'notary.local:4443'}]},
     'trustServers[0].url is "notary.local:4443": the URL of a trust server '
     'begins with https://, write https://notary.local:4443'),
    ({'trustServers': [{'registry': 'r:9001', 'url': 'http://n:4443'}]},
     'trustServers[0].url is "http://n:4443": credentials are never sent '
     'unencrypted'),
    ({'trustServers': [{'registry': 'r', 'url': 'https://u:p@n'}]},
     'write https://HOST[:PORT][/PATH], without user'),
    ({'trustServers': [{'registry': 'r', 'url': 'https://'}]},
     'write https://HOST[:PORT][/PATH]'),
    ({'trustServers': [{'registry': 'r', 'url': 'https://fd00::1:4443'}]},
     'trustServers[0].url is "https://fd00::1:4443": write '
     'https://HOST[:PORT][/PATH], without user, query, fragment or blanks, '
     'and an IPv6 address in brackets'),
    ({'trustServers': [{'registry': '[fd00::1]:9001/team', 'url': ''}]},
     'set trustServers[0].url, https://[fd00::1]:4443 for example'),
    ({'trustServers': [SERVER, {'registry': 'r', 'url': ''}]},
     'trustServers[1] (r) has no trust server: set trustServers[1].url'),
    ({'trustServers': [{'registry': '', 'url': 'https://n'}]},
     'trustServers[0] names no registry: set trustServers[0].registry'),
    ({'trustServers': [{'registry': 'https://r:9001/', 'url': 'https://n'}]},
     'trustServers[0].registry is the URL "https://r:9001/": write the host '
     'as image names spell it, "r:9001"'),
    ({'trustServers': [{'registry': 'a b', 'url': 'https://n'}]},
     'trustServers[0].registry is "a b": write HOST[:PORT][/PATH]'),
    ({'trustServers': [{'registry': 'r.io/*', 'url': 'https://n'}]},
     'trustServers[0].registry is "r.io/*": all images below it are meant '
     'without a star, write r.io'),
    ({'trustServers': [{'registry': '*.r.io', 'url': 'https://n'}]},
     'trustServers[0].registry is "*.r.io": a star would take in registries '
     'of others, write an entry for each'),
    ({'trustServers': [SERVER, SERVER]},
     'trustServers[1] names the registry registry.local:9001 a second time'),
    ({'trustedCA': 'hello'},
     'trustedCA is no PEM certificate, neither plain nor in base64'),
    ({'TrustedCACert': 'aGVsbG8='},
     'TrustedCACert is no PEM certificate, neither plain nor in base64'),
    ({'caCert': 'hello'},
     'caCert is no PEM certificate, neither plain nor in base64'),
    ({'trustedCA': '-----BEGIN CERTIFICATE-----\nMIIB'},
     'trustedCA is damaged: 1 certificate(s) begin but only 0 are whole'),
    ({'trustedCA': '-----BEGIN %s-----\nMIIB' % 'PRIVATE KEY'},
     'trustedCA holds a private key'),
    ({'image': {'repository': 'icr.io/portieris/portieris'}},
     'image.repository is icr.io/portieris/portieris but image.tag is empty'),
    ({'images': {'tags': {'portieris': 'registry.local:9001/portieris'}}},
     'the image of the server is "registry.local:9001/portieris": write '
     'NAME:TAG or NAME@sha256:DIGEST'),
    ({'trustFreshness': '2m'},
     'trustFreshness is "2m": write whole seconds from 0s to 60s'),
    ({'trustStaleness': '25h'},
     'trustStaleness is "25h": write 0s for never'),
    ({'tolerations': [{'operator': 'Exists', 'value': 'a'}]},
     'tolerations[0] has the operator Exists and a value'),
    ({'tolerations': [{'effect': 'NoSchedule'}]},
     'tolerations[0] has no key'),
    ({'tolerations': [{'key': 'a', 'tolerationSeconds': 1}]},
     'tolerations[0] has tolerationSeconds, which only the effect NoExecute'),
    ({'certificates': {'duration': '59m'}},
     'certificates.duration is "59m": cert-manager issues nothing for less'),
    ({'certificates': {'duration': '720h', 'renewBefore': '720h'}},
     'certificates.renewBefore is "720h": write at least 5m, and less than '
     'certificates.duration, which is 720h'),
    ({'certificates': {'renewBefore': '4m59s'}},
     'certificates.renewBefore is "4m59s": write at least 5m'),
    ({'certificates': {'caDuration': '52559h59m59s'}},
     'certificates.caDuration is "52559h59m59s": write at least three times '
     'certificates.duration, which is 17520h'),
    ({'proxy': {'https': 'proxy:3128'}},
     'proxy.https is "proxy:3128": write http://HOST:PORT'),
    ({'proxy': {'https': 'http://fd00::1:3128'}},
     'proxy.https is "http://fd00::1:3128": write http://HOST:PORT, and an '
     'IPv6 address in brackets'),
])
def test_wrong_value_gets_a_sentence(chart, values, sentence):
    assert sentence in chart.refusal(**values)


@pytest.fixture
def checks(monkeypatch):
    """What the plugin says before an apply; it has the chart's rule too."""
    monkeypatch.syspath_prepend(
        str(ROOT / 'python-k8sapp-portieris' / 'k8sapp_portieris'))
    return importlib.import_module('k8sapp_portieris.common.sentences')


@pytest.mark.parametrize('registry', [
    '/r.io', 'r.io//team', 'r.io/team:v1', 'r.io@sha256', 'r.io:port',
    'r.io/Team', '.r.io', 'r.io/-a', '[2001:db8::1', 'r_.io',
    '[::ffff:10.0.0.1]:9001'])
def test_registry_that_begins_no_image_is_refused(chart, checks, registry):
    # Its entry would match nothing, and the default policy would judge.
    servers = [dict(SERVER, registry=registry)]
    assert 'as image names begin' in chart.refusal(trustServers=servers)
    assert checks.about_trust_servers(servers)


@pytest.mark.parametrize('registry', [
    'localhost', 'Harbor.example.com', '[2001:db8::1]:9001', '10.0.0.1:5000',
    'r.io/team_a/b--c/d.e'])
def test_registry_that_begins_images_becomes_an_entry(
        chart, checks, registry):
    servers = [dict(SERVER, registry=registry)]
    release = chart.render(trustServers=servers)

    assert release.entries[0]['name'] == registry + '/*'
    assert checks.about_trust_servers(servers) == []


def test_signers_without_value_are_none(every_helm):
    release = Chart(every_helm).render(
        trustServers=[dict(SERVER, signerSecrets=None)])

    assert release.entries[0] == TRUST


@pytest.mark.parametrize('certificates', [
    {'caDuration': '52560h'}, {'caDuration': '52559h59m60s'},
    {'duration': '1h', 'renewBefore': '59m59s'},
    {'duration': '3600s', 'renewBefore': '300s', 'caDuration': '180m'}])
def test_certificates_may_live_up_to_the_bounds(every_helm, certificates):
    leaf = Chart(every_helm).render(certificates=certificates).get(
        'Certificate', 'portieris-certs')

    assert leaf['spec']['duration'] == certificates.get('duration', '17520h')


@pytest.mark.parametrize('values, sentence', [
    ({'webHooks': None}, 'webHooks is given without the keys below it'),
    ({'proxy': None}, 'proxy is given without the keys below it'),
    ({'images': {'tags': None}}, 'images.tags is given without a value'),
    ({'images': {'tags': {'portieris': None}}},
     'images.tags.portieris is given without a value'),
    ({'replicaCount': None}, 'replicaCount is given without a value'),
    ({'exemptNamespaces': None}, 'exemptNamespaces is given without a value'),
    ({'trustServers': None}, 'trustServers is given without a value'),
    ({'webHooks': {'timeoutSeconds': None}},
     'webHooks.timeoutSeconds is given without a value'),
    ({'podDisruptionBudget': {'enabled': None}},
     'podDisruptionBudget.enabled is given without a value')])
def test_key_without_value_gets_a_sentence(every_helm, values, sentence):
    assert sentence in Chart(every_helm).refusal(**values)


def test_values_that_an_older_chart_lacked_are_told_of_at_an_upgrade(chart):
    # As helm upgrade --reuse-values hands them over.
    lacking = ['--set', 'trustStaleness=null']
    command = [chart.helm, 'template', 'portieris-portieris', str(CHART)]

    assert '--reset-then-reuse-values' in run(
        *command, *lacking, '--is-upgrade').stderr
    assert '--reset-then-reuse-values' not in run(*command, *lacking).stderr


@pytest.mark.parametrize('key', [
    'trustedCA', 'TrustedCACert', 'caCert', 'imagePullSecrets', 'resources',
    'priorityClassName', 'nodeSelector', 'tolerations', 'affinity',
    'podAnnotations', 'namespace', 'PostUpgradePolicy'])
def test_key_without_value_is_taken_for_none(chart, key):
    assert chart.render(**{key: None}).pod['containers']


def test_scheme_may_be_written_in_capitals(chart):
    release = chart.render(trustServers=[dict(
        SERVER, url='HTTPS://notary.local:4443')])

    assert release.entries[0] == TRUST


@pytest.mark.parametrize('values, key', [
    ({'trustServer': []}, 'trustServers'),
    ({'trustservers': []}, 'trustServers'),
    ({'TrustServers': []}, 'trustServers'),
    ({'trust_servers': []}, 'trustServers'),
    ({'turstServers': []}, 'trustServers'),
    ({'truseServers': []}, None),
    ({'webhooks': {}}, 'webHooks'),
    ({'webHooks': {'failurepolicy': 'Fail'}}, 'failurePolicy'),
    ({'exemptNamespace': []}, 'exemptNamespaces'),
    ({'replicas': 2}, None),
    ({'TrustedCaCert': ''}, 'TrustedCACert'),
    ({'trustedCa': ''}, 'trustedCA'),
    ({'images': {'tags': {'Portieris': 'x'}}}, 'portieris'),
])
def test_unknown_key_is_refused_by_name(chart, values, key):
    message = without_quotes(chart.refusal(**values))

    if key:
        assert 'unknown key, write %s' % key in message
    else:
        assert "additional properties '%s' not allowed" % next(
            iter(values)) in message


def test_chart_may_be_a_dependency(every_helm, tmp_path):
    (tmp_path / 'charts').mkdir()
    (tmp_path / 'charts' / 'portieris').symlink_to(CHART)
    (tmp_path / 'values.yaml').write_text('portieris: {enabled: true}')
    (tmp_path / 'Chart.yaml').write_text(json.dumps({
        'apiVersion': 'v2', 'name': 'platform', 'version': '1.0.0',
        'dependencies': [{'name': 'portieris', 'version': '2.x.x',
                          'condition': 'portieris.enabled'}]}))

    done = run(every_helm, 'template', 'all', str(tmp_path))

    assert done.returncode == 0, done.stderr
    assert 'name: image-admission-config' in done.stdout


@pytest.mark.parametrize('values, cure', [
    ({'UseCertManager': True}, 'remove it, cert-manager is always used'),
    ({'PolicySet': 'IKS'}, 'write defaultPolicy'),
    ({'image': {'host': 'icr.io'}}, 'write repository'),
])
def test_key_of_ibms_chart_is_refused_with_its_cure(chart, values, cure):
    message = without_quotes(chart.refusal(**values))

    assert "key of IBM's chart, " + cure in message


@pytest.mark.parametrize('values', [
    {'replicaCount': 0}, {'replicaCount': 'two'},
    {'webHooks': {'timeoutSeconds': 31}},
    {'webHooks': {'timeoutSeconds': '31'}},
    {'webHooks': {'failurePolicy': 'fail'}},
    {'defaultPolicy': 'permit'}, {'logLevel': 'trace'},
    {'trustServers': {'registry': 'r'}},
    {'trustServers': [{'registry': 'r', 'url': 'https://n', 'ca': 'x'}]},
    {'certificates': {'duration': '2 years'}},
    {'podDisruptionBudget': {'maxUnavailable': 0}},
    {'resources': {'limit': {'memory': '1Gi'}}},
    {'resources': {'limits': {'memory': '1 GiB'}}},
    {'exemptNamespaces': ['Team']}, {'exemptNamespaces': ['a.b']},
    {'imagePullSecrets': ['a_b']}, {'priorityClassName': 'High'},
    {'doctor': {'namespace': ''}}, {'nodeSelector': {'a b': 'c'}},
    {'nodeSelector': {'a': '-'}}, {'podAnnotations': {'/a': 'b'}},
    {'probes': {'periodSeconds': 1000}},
    {'probes': {'periodSeconds': '1000'}},
    {'podDisruptionBudget': {'maxUnavailable': 101}},
    {'resources': {'limits': {'memory': -1}}},
    {'resources': {'requests': {'disk': 1}}},
    {'nodeSelector': {'ssd': True}}, {'podAnnotations': {'tier': 1}},
    {'tolerations': [{'keys': 'a'}]}, {'affinity': {'pods': {}}}])
def test_schema_bounds_the_values(chart, values):
    assert 'schema' in chart.refusal(**values)
