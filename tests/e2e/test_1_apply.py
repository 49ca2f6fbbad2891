# SPDX-License-Identifier: Apache-2.0
"""What upload, overrides and apply do."""

import json

from tests.e2e.conftest import DENIAL
from tests.e2e.conftest import pod


def test_application_is_listed_as_applied(application):
    assert application.applications()['portieris'] == 'applied'


def test_server_runs_from_the_platform_registry(application):
    deployment = application.get(
        'deployment', 'portieris-portieris', 'portieris')
    template = deployment['spec']['template']['spec']
    assert [c['image'] for c in template['containers']] == \
        ['registry.local:9001/docker.io/starlingx/portieris:2.0.1']
    assert deployment['status']['availableReplicas'] == \
        deployment['spec']['replicas'] == 1


def test_webhook_trusts_the_certificate_that_is_served(application):
    # Any review proves it: the API server refuses to talk otherwise.
    webhook = json.loads(application.kubectl(
        'get', 'mutatingwebhookconfiguration', 'image-admission-config',
        '-o', 'json'))['webhooks'][0]
    assert webhook['failurePolicy'] == 'Fail'
    answer = application.probe()
    assert answer.status == 0, answer


def test_without_trust_servers_an_unsigned_image_is_admitted(
        application, namespace):
    unsigned = application.image()
    answer = application.create(pod('free', namespace, unsigned))
    assert answer.status == 0, answer
    application.wait('pod/free', 'condition=Ready', namespace)


def refusal(platform, values):
    """Return what apply says to overrides it must not take."""
    platform.override(values=values)
    try:
        answer = platform.tries('system', 'application-apply', 'portieris')
    finally:
        platform.system('helm-override-delete', 'portieris', 'portieris',
                        'portieris')
    assert answer.status == 1, answer
    return answer.text


def test_unknown_override_is_refused_with_the_nearest_key(application):
    said = refusal(application, {'trustServer': []})
    assert 'trustServer' in said
    assert '"trustServers"' in said


def test_trust_server_without_scheme_is_refused_before_apply(application):
    assert 'https://' in refusal(application, {'trustServers': [
        {'registry': 'registry.local:9001', 'url': 'notary.local:4443'}]})


def test_ca_bundle_that_is_no_pem_is_refused_before_apply(application):
    assert 'PEM' in refusal(application, {'trustedCA': 'no certificate'})


def test_trust_server_override_takes_effect_after_apply(
        protected, namespace):
    answer = protected.create(pod('late', namespace, protected.image()))
    assert answer.status == 1
    assert DENIAL in answer.text, answer
