# SPDX-License-Identifier: Apache-2.0
"""From an application of before 2.0 to this one."""

import base64
import json
import threading
import uuid

import pytest
import yaml

from portieris_app import image
from tests.e2e.conftest import DENIAL
from tests.e2e.conftest import pod
from tests.e2e.conftest import policy
from tests.e2e import older

CRD = 'imagepolicies.portieris.cloud.ibm.com'
WEBHOOK = ('mutatingwebhookconfiguration', 'image-admission-config',
           'default')
DEPLOYMENT = ('deployment', 'portieris-portieris', 'portieris')
SECRET = ('secret', 'portieris-certs', 'portieris')
# No node has that much.
TOO_MUCH = {'resources': {'requests': {'memory': '64Ti'},
                          'limits': {'memory': '64Ti'}}}
ENOUGH = {'resources': {'requests': {'memory': '64Mi'},
                        'limits': {'memory': '512Mi'}}}


class Questions(threading.Thread):
    """Ask for a pod again and again; keep the answers that are no pod."""

    def __init__(self, platform):
        super().__init__(daemon=True)
        self.platform = platform
        self.asked = 0
        self.refused = []
        self._enough = threading.Event()

    def run(self):
        while not self._enough.is_set():
            answer = dry_run(self.platform, 'default')
            self.asked += 1
            if answer.status:
                self.refused.append(answer)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *error):
        self._enough.set()
        self.join()


def dry_run(platform, namespace):
    return platform.tries(
        'kubectl', 'run', 'asked', '-n', namespace, '--dry-run=server',
        '--image', 'registry.local:9001/any/image:1')


def uid(platform, *what):
    return platform.get(*what)['metadata']['uid']


def shown(platform):
    found = json.loads(platform.system(
        'application-show', 'portieris', '--format', 'json'))
    return found['app_version'], found['status']


def older_one_judges(platform):
    """Tell whether a server of before 2.0 answers: it spares no namespace."""
    return (DENIAL in dry_run(platform, 'portieris').text
            and dry_run(platform, 'default').status == 0)


@pytest.fixture(scope='module', params=[
    older.ONE_CHART, older.TWO_CHARTS, older.HOOKS])
def before(request, platform, tmp_path_factory):
    """An older application, applied, with the CA where it took one."""
    shape = request.param
    scratch = tmp_path_factory.mktemp('older')
    server = image.make_image()
    for reference in (older.platform_reference(shape),
                      image.platform_reference()):
        platform.lab('push', '--tar', server, reference)
    platform.system('application-upload', older.make_tarball(scratch, shape))
    with open(platform.environment['ca'], 'rb') as pem:
        bundle = base64.b64encode(pem.read()).decode('ascii')
    chart, key = older.CA[shape]
    platform.override('--reuse-values', values={key: bundle}, chart=chart)
    platform.system('application-apply', 'portieris')
    platform.until('the older server judges',
                   lambda: older_one_judges(platform))
    yield platform
    platform.system('application-remove', 'portieris')
    platform.system('application-delete', 'portieris', '--yes')
    # Two groups with the same plurals confuse whoever names no group.
    platform.kubectl('delete', '--ignore-not-found', '-f', '-',
                     stdin=older.definitions(older.OLD_GROUP, 'v1beta1'))


@pytest.fixture(scope='module')
def failed(before, tarball, tmp_path_factory):
    """An update that failed after Helm had changed everything."""
    before.override('--reuse-values', values=TOO_MUCH)
    releases = before.does('helm', 'list', '-n', 'portieris', '-q')
    was = uid(before, *DEPLOYMENT)
    answer = before.tries(
        'system', 'application-update', older.with_timeout(
            tarball, tmp_path_factory.mktemp('impatient'), '10s'))
    assert answer.status == 1, answer
    assert uid(before, *DEPLOYMENT) == was
    assert before.does('helm', 'list', '-n', 'portieris', '-q') == releases
    return before


def old_policy(platform):
    """Apply a policy of the group of before 8.0; return its name."""
    platform.apply(*yaml.safe_load_all(older.definitions(
        older.OLD_GROUP, 'v1beta1')))
    platform.wait('crd/imagepolicies.' + older.OLD_GROUP,
                  'condition=Established', 'default')
    name = 'old-' + uuid.uuid4().hex[:8]
    platform.apply({
        'apiVersion': older.OLD_GROUP + '/v1beta1', 'kind': 'ImagePolicy',
        'metadata': {'name': name, 'namespace': 'kube-public'},
        'spec': {'repositories': [{'name': '*', 'policy': {}}]}})
    return name


@pytest.fixture(scope='module')
def updated(failed, tarball):
    """The same update, with what made it fail mended."""
    failed.old_policy = old_policy(failed)
    failed.override('--reuse-values', values=ENOUGH)
    failed.was = {what: uid(failed, *what) for what in (DEPLOYMENT, SECRET)}
    failed.was['definition'] = uid(failed, 'crd', CRD, 'default')
    with Questions(failed) as failed.questions:
        failed.system('application-update', tarball)
    return failed


def test_failed_update_leaves_the_older_application_serving(failed):
    assert shown(failed) == ('1.0-50', 'applied')
    failed.until('the older server judges again',
                 lambda: older_one_judges(failed))
    assert failed.get(*WEBHOOK)['webhooks'][0]['failurePolicy'] == 'Fail'


def test_update_refuses_no_pod_at_any_time(updated):
    assert shown(updated) == ('2.0-1', 'applied')
    assert updated.questions.asked > 3
    assert not updated.questions.refused, updated.questions.refused[0]


def test_update_replaces_pods_and_no_object_that_others_need(updated):
    for what in (DEPLOYMENT, SECRET):
        assert uid(updated, *what) == updated.was[what], what
    assert uid(updated, 'crd', CRD, 'default') == updated.was['definition']


def test_update_restores_the_failure_policy_everywhere(updated):
    assert updated.get(*WEBHOOK)['webhooks'][0]['failurePolicy'] == 'Fail'
    overrides = updated.system('helm-override-show', 'portieris',
                               'portieris', 'portieris')
    assert 'PostUpgradePolicy' not in overrides
    assert 'Ignore' not in overrides


def test_ca_of_before_is_trusted_after_the_update(
        updated, namespace):
    updated.apply(policy(namespace, {
        'name': updated.registry + '/*', 'policy': {'trust': {
            'enabled': True, 'trustServer': updated.trust_server}}}))
    unsigned = yaml.safe_dump(pod('unsigned', namespace, updated.image()))
    updated.until('an unsigned image is denied', lambda: DENIAL in (
        updated.tries('kubectl', 'create', '--dry-run=server', '-f', '-',
                      stdin=unsigned).text))
    answer = updated.create(pod('signed', namespace,
                                updated.image(signed=True)))
    assert answer.status == 0, answer


def test_policies_of_the_old_group_are_converted(updated):
    found = updated.get('imagepolicies.portieris.cloud.ibm.com',
                        updated.old_policy, 'kube-public')
    assert found['spec']['repositories'] == [{'name': '*', 'policy': {}}]


def test_nothing_of_the_older_application_is_left(updated):
    assert updated.does('helm', 'list', '-n', 'portieris', '-q').split() == [
        'portieris-portieris']
    names = updated.kubectl(
        'get', 'clusterimagepolicies.portieris.cloud.ibm.com,'
        'imagepolicies.portieris.cloud.ibm.com,issuers,configmaps,'
        'poddisruptionbudgets,secrets', '-n', 'portieris', '-o', 'name')
    for name in ('policy.portieris.cloud.ibm.com/default', 'stx-portieris',
                 'issuer.cert-manager.io/portieris\n', 'trusted-cert',
                 'image-policy-crds', 'portieris-before-update',
                 'poddisruptionbudget.policy/portieris-portieris'):
        assert name not in names


def test_later_apply_finds_the_certificate_still_there(updated):
    updated.system('application-apply', 'portieris')
    assert uid(updated, *SECRET) == updated.was[SECRET]
    certificate = updated.get('certificate', 'portieris-certs', 'portieris')
    assert certificate['spec']['issuerRef']['name'] == 'portieris-ca'
