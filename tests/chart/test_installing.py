# SPDX-License-Identifier: Apache-2.0
"""A real API server takes the release, its changes and its removal."""

import json
import pathlib
import shutil

from hypothesis import given
import pytest
import yaml

from .apiserver import Cluster
from .apiserver import KUBE
from .conftest import CHART
from .conftest import fetched
from .conftest import Release
from .conftest import run
from .conftest import SCENARIOS
from .test_properties import bounded
from .test_properties import invented
from .test_properties import narrowed
from .test_properties import rendered

CERT_MANAGER = 'github.com/cert-manager/cert-manager@v1.19.1'
SERVER = 'system:serviceaccount:portieris:portieris'
WEBHOOK = ('mutatingwebhookconfiguration', 'image-admission-config')
POLICY = '''
apiVersion: portieris.cloud.ibm.com/v1
kind: ImagePolicy
metadata:
  name: mine
  namespace: default
spec:
  repositories:
    - name: "registry.local:9001/*"
      policy:
        trust:
          enabled: true
          trustServer: https://notary.local:4443
'''


class Installed:
    """A release that helm installs, upgrades and removes."""

    def __init__(self, cluster, helm):
        self.cluster = cluster
        self.helm = helm

    def run(self, verb, *arguments):
        return run(self.helm, verb, 'portieris-portieris', *arguments,
                   '--namespace', 'portieris', '--kubeconfig',
                   str(self.cluster.kubeconfig))

    def upgrade(self, scenario='default', *arguments):
        done = self.run('upgrade', str(CHART), '--install', '--values',
                        str(SCENARIOS[scenario]), *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def uninstall(self):
        done = self.run('uninstall')
        assert done.returncode == 0, done.stderr

    def webhook(self):
        return self.cluster.get(*WEBHOOK)['webhooks'][0]

    def change_webhook(self, **values):
        """Change it as an outsider does."""
        patch = [{'op': 'add', 'path': '/webhooks/0/' + path.replace(
            '_', '/'), 'value': value} for path, value in values.items()]
        self.cluster.done('patch', *WEBHOOK, '--type=json', '-p',
                          json.dumps(patch))


@pytest.fixture(scope='module')
def cluster(tmp_path_factory):
    if not KUBE.exists():
        pytest.skip('build/bin/kube is not built: make lab builds it')
    made = Cluster(tmp_path_factory.mktemp('apiserver'))
    try:
        made.up()
        yield made
    finally:
        made.down()


@pytest.fixture(scope='module')
def platform(cluster):
    """The API server with cert-manager's CRDs and the namespace."""
    if not shutil.which('go'):
        pytest.skip('go, which fetches the CRDs, is not there')
    done = run('go', 'mod', 'download', '-json', CERT_MANAGER)
    if done.returncode:
        pytest.skip('%s is not to be had: %s' % (CERT_MANAGER, done.stdout))
    folder = pathlib.Path(json.loads(done.stdout)['Dir']) / 'deploy' / 'crds'
    for path in folder.glob('cert-manager.io_*.yaml'):
        cluster.done('create', '-f', str(path))
    cluster.done('create', 'namespace', 'portieris')
    cluster.done('label', 'namespace', 'portieris',
                 'pod-security.kubernetes.io/enforce=restricted')
    cluster.done('wait', '--for=condition=Established', 'crd', '--all',
                 '--timeout=60s')
    return cluster


@pytest.fixture(scope='module')
def release(platform, helm):
    installed = Installed(platform, helm)
    installed.upgrade()
    return installed


def allowed(cluster, *what):
    answer = cluster.kubectl('auth', 'can-i', *what, '--as', SERVER)
    return answer.stdout.strip() == 'yes'


def test_pods_fit_the_restricted_level(release):
    template = release.cluster.get(
        'deployment', 'portieris-portieris', '-n', 'portieris')[
        'spec']['template']
    pod = dict(template, apiVersion='v1', kind='Pod')
    pod['metadata'] = dict(pod['metadata'], name='probe',
                           namespace='portieris')

    created = release.cluster.kubectl('create', '--dry-run=server', '-f',
                                      '-', stdin=json.dumps(pod))

    assert created.returncode == 0, created.stderr
    pod['spec']['containers'][0]['securityContext']['capabilities'] = {}
    refused = release.cluster.kubectl('create', '--dry-run=server', '-f',
                                      '-', stdin=json.dumps(pod))
    assert 'violates PodSecurity "restricted' in refused.stderr


@pytest.mark.parametrize('question', [
    'list clusterimagepolicies', 'watch imagepolicies -A',
    'get secrets -A', 'watch secrets -A', 'watch serviceaccounts -A',
    'get serviceaccounts -A', 'get cronjobs -A',
    'get configmaps/portieris-trust-pins-00 -n portieris',
    'update configmaps/portieris-trust-pins-00 -n portieris',
    'watch configmaps/portieris-trust-pins-00 -n portieris',
    'create configmaps -n portieris',
    'list pods -A', 'list namespaces'])
def test_server_may(release, question):
    assert allowed(release.cluster, *question.split())


@pytest.mark.parametrize('question', [
    'list secrets -A', 'list secrets -n portieris',
    'create clusterimagepolicies', 'update imagepolicies -A',
    'get configmaps/kubeadm-config -n kube-system',
    'update configmaps/kubeadm-config -n kube-system',
    'patch configmaps -n portieris',
    'delete configmaps/portieris-trust-pins-00 -n portieris',
    'update mutatingwebhookconfigurations',
    'create pods -n portieris', 'watch pods -A'])
def test_server_may_not(release, question):
    assert not allowed(release.cluster, *question.split())


@pytest.mark.parametrize('answer, questions', [
    ('yes', ['get secrets/portieris-certs -n portieris',
             'get mutatingwebhookconfigurations/image-admission-config',
             'create pods -n default']),
    ('no', ['get secrets/portieris-ca -n portieris', 'list secrets -A',
            'create pods -n portieris', 'delete pods -n default',
            'update mutatingwebhookconfigurations'])])
def test_doctor_may_ask_and_change_nothing_else(release, answer, questions):
    for question in questions:
        said = release.cluster.kubectl(
            'auth', 'can-i', *question.split(), '--as',
            'system:serviceaccount:portieris:portieris-doctor')
        assert said.stdout.strip() == answer, question


def test_upgrade_puts_the_failure_policy_back_and_leaves_the_ca(release):
    release.change_webhook(failurePolicy='Ignore',
                           clientConfig_caBundle='Q0E=')

    release.upgrade('simplex')

    assert release.webhook()['failurePolicy'] == 'Fail'
    assert release.webhook()['clientConfig']['caBundle'] == 'Q0E='


def test_apply_brings_back_a_webhook_that_was_deleted(release):
    release.cluster.done('delete', *WEBHOOK)

    release.upgrade('default', '--set', 'ReapplyAdmissionWebhook=true')

    assert release.webhook()['failurePolicy'] == 'Fail'
    assert release.webhook()['rules']


def test_webhook_created_anew_without_ca_survives_an_upgrade(release):
    live = release.cluster.get(*WEBHOOK)
    live['metadata'] = {key: live['metadata'][key]
                        for key in ('name', 'labels', 'annotations')}
    live['webhooks'][0]['clientConfig'].pop('caBundle', None)
    release.cluster.done('delete', *WEBHOOK)
    release.cluster.done('create', '-f', '-', stdin=json.dumps(live))

    release.upgrade('trust-servers')

    metadata = release.cluster.get(*WEBHOOK)['metadata']
    assert metadata['annotations']['cert-manager.io/inject-ca-from'] == (
        'portieris/portieris-certs')


def test_notes_say_what_is_asked_for_and_what_is_at_risk(release):
    ignoring = release.upgrade('legacy-overrides')
    asking = release.upgrade('private-ca')
    locking = release.upgrade('default', '--set', 'exemptNamespaces={a}')

    assert 'every namespace but armada, cert-manager' in ignoring
    assert 'kube-system is judged too' not in ignoring
    assert 'every namespace but a, portieris.' in locking
    assert 'kube-system is judged too' in locking
    assert 'No trust server is set' in ignoring
    assert 'webHooks.failurePolicy is Ignore' in ignoring
    assert 'Signatures are asked for registry.local:9001; all other images: ' \
        'allow' in asking
    assert 'Ignore' not in asking
    assert 'helm test portieris-portieris -n portieris --logs' in asking


def test_key_without_value_is_none_in_values_used_again_too(platform):
    oldest = Installed(platform, fetched('v3.8.1'))
    oldest.upgrade('default', '--set', 'imagePullSecrets=null,affinity=null,'
                   'trustedCA=null,keepPolicies=null')

    again = oldest.run('upgrade', str(CHART), '--reuse-values')

    assert again.returncode == 0, again.stderr


def test_policies_follow_the_values(release):
    release.upgrade('deny-all')
    entries = release.cluster.get('clusterimagepolicy', 'portieris-default')[
        'spec']['repositories']
    release.upgrade('own-policies')

    assert [e['name'] for e in entries] == ['registry.local:9001/*', '*']
    assert release.cluster.get('clusterimagepolicies')['items'] == []


def test_wrongly_indented_policy_is_refused_by_strict_validation(release):
    policy = yaml.safe_load(POLICY)
    entry = policy['spec']['repositories'][0]
    entry['trust'] = entry.pop('policy')['trust']

    done = release.cluster.kubectl('create', '--validate=strict',
                                   '--dry-run=server', '-f', '-',
                                   stdin=json.dumps(policy))

    assert 'unknown field "spec.repositories[0].trust"' in done.stderr


def test_newest_helm_takes_over_what_an_older_one_installed(release):
    release.upgrade()
    release.change_webhook(failurePolicy='Ignore')

    Installed(release.cluster, fetched('v4.3.1')).upgrade('simplex')

    assert release.webhook()['failurePolicy'] == 'Fail'


def residue(cluster):
    """Return what is there beside the CRDs and the policies of users."""
    kinds = ('deployments,services,serviceaccounts,roles,rolebindings,'
             'poddisruptionbudgets,issuers,certificates,secrets')
    found = cluster.get(kinds, '-n', 'portieris')['items']
    for kind in ('mutatingwebhookconfigurations',
                 'validatingwebhookconfigurations', 'clusterimagepolicies',
                 'clusterroles', 'clusterrolebindings'):
        found += [o for o in cluster.get(kind)['items']
                  if 'portieris' in o['metadata'].get('labels', {}).get(
                      'app.kubernetes.io/name', '')]
    return [(o['kind'], o['metadata']['name']) for o in found]


def test_removal_leaves_the_policies_of_users_alone(release):
    release.cluster.done('create', '-f', '-', stdin=POLICY)
    assert len(residue(release.cluster)) > 10

    release.uninstall()

    assert residue(release.cluster) == []
    assert release.cluster.get('imagepolicy', 'mine', '-n', 'default')


def test_newest_helm_installs_upgrades_and_removes(platform):
    newest = Installed(platform, fetched('v4.3.1'))
    newest.upgrade()
    newest.change_webhook(failurePolicy='Ignore',
                          clientConfig_caBundle='Q0E=')

    # Helm 4 leaves alone what it installed and somebody else changed.
    refused = newest.run('upgrade', str(CHART))
    newest.upgrade('simplex', '--force-conflicts')
    after = newest.webhook()
    newest.uninstall()

    assert refused.returncode == 1
    assert '.failurePolicy' in refused.stderr
    assert '.caBundle' not in refused.stderr
    assert after['failurePolicy'] == 'Fail'
    assert after['clientConfig']['caBundle'] == 'Q0E='
    assert residue(platform) == []


def placeable():
    """Return the schema of what depends on nothing else in a cluster."""
    schema = narrowed()
    place = schema['properties']
    place['doctor']['properties']['namespace']['enum'] = ['default']
    # No schema can say that a limit is not below its request.
    del place['resources']['properties']['limits']
    return schema


@pytest.fixture(scope='module')
def vacant(platform):
    """The API server with our CRDs, and nothing of a release."""
    platform.done('apply', '-f', str(CHART / 'crds'))
    platform.done('wait', '--for=condition=Established', 'crd', '--all',
                  '--timeout=60s')
    return platform


@bounded(40)
@given(values=invented(placeable()))
def test_api_server_takes_whatever_the_schema_takes(vacant, helm, values):
    done = rendered(helm, values, '1.34.0')
    if done.returncode:
        # A sentence of the chart's own; other tests look at those.
        return
    things = [thing for thing in Release(done.stdout).objects
              if 'helm.sh/hook' not in thing['metadata'].get(
                  'annotations', {})]

    vacant.done('create', '--dry-run=server', '-f', '-', stdin=json.dumps(
        {'apiVersion': 'v1', 'kind': 'List', 'items': things}))
