# SPDX-License-Identifier: Apache-2.0
"""The webhook protects, spares the platform, and bears the platform."""

import pytest

KINDS = {
    ('', 'pods'), ('', 'replicationcontrollers'),
    ('apps', 'deployments'), ('apps', 'replicasets'),
    ('apps', 'daemonsets'), ('apps', 'statefulsets'),
    ('batch', 'jobs'), ('batch', 'cronjobs'),
}
SKIP = 'securityenforcement.admission.cloud.ibm.com/namespace'


def selected(webhook, labels):
    """Say whether a namespace with these labels is judged."""
    selector = webhook['namespaceSelector']
    assert set(selector) == {'matchExpressions'}
    for expression in selector['matchExpressions']:
        assert expression['operator'] == 'NotIn'
        if labels.get(expression['key']) in expression['values']:
            return False
    return True


def named(name, **labels):
    return dict(labels, **{'kubernetes.io/metadata.name': name})


def test_webhook_has_the_names_the_platform_knows(chart, scenario):
    release = chart.render(scenario)
    config = release.get('MutatingWebhookConfiguration',
                         'image-admission-config')

    assert release.webhook['name'] == (
        'trust.hooks.securityenforcement.admission.cloud.ibm.com')
    assert config['metadata']['labels']['app'] == 'portieris'
    assert config['metadata']['annotations'] == {
        'cert-manager.io/inject-ca-from': 'portieris/portieris-certs'}


def test_webhook_is_no_hook_and_holds_no_ca(chart, scenario):
    release = chart.render(scenario)

    # The doctor, who comes when he is called, is the one hook there is.
    assert [o['metadata']['name'] for o in release.objects
            if 'helm.sh/hook' in o['metadata'].get('annotations', {})] == [
        'portieris-doctor']
    assert 'caBundle' not in release.webhook['clientConfig']


def test_webhook_judges_the_eight_kinds_and_no_namesakes(chart):
    seen = set()
    for rule in chart.render().webhook['rules']:
        assert rule['apiVersions'] == ['v1']
        assert rule['scope'] == 'Namespaced'
        for group in rule['apiGroups']:
            for resource in rule['resources']:
                seen.add((group, resource, tuple(rule['operations'])))

    both = ('CREATE', 'UPDATE')
    assert seen == {(g, r, both) for g, r in KINDS} | {
        ('', 'pods/ephemeralcontainers', ('UPDATE',))}


def test_webhook_fails_closed_and_without_side_effect_of_dry_runs(chart):
    webhook = chart.render().webhook

    assert webhook['failurePolicy'] == 'Fail'
    assert webhook['sideEffects'] == 'NoneOnDryRun'
    assert webhook['matchPolicy'] == 'Equivalent'
    assert webhook['reinvocationPolicy'] == 'IfNeeded'
    assert webhook['admissionReviewVersions'] == ['v1']
    assert webhook['timeoutSeconds'] == 20


def test_users_set_how_the_api_server_calls(chart):
    webhook = chart.render(webHooks={
        'failurePolicy': 'Ignore', 'timeoutSeconds': 5,
        'reinvocationPolicy': 'Never'}).webhook

    assert webhook['failurePolicy'] == 'Ignore'
    assert webhook['timeoutSeconds'] == 5
    assert webhook['reinvocationPolicy'] == 'Never'


def test_webhook_calls_the_service(chart):
    release = chart.render(into='elsewhere')
    target = release.webhook['clientConfig']['service']
    service = release.get('Service', target['name'])

    assert target == {'name': 'portieris', 'namespace': 'elsewhere',
                      'path': '/admit'}
    assert service['metadata']['namespace'] == 'elsewhere'
    assert 443 in [port['port'] for port in service['spec']['ports']]


@pytest.mark.parametrize('namespace', [
    'kube-system', 'portieris', 'cert-manager', 'flux-helm', 'armada'])
def test_platform_namespaces_are_not_judged(chart, namespace):
    assert not selected(chart.render().webhook, named(namespace))


def test_user_namespaces_are_judged(chart, scenario):
    webhook = chart.render(scenario).webhook

    assert selected(webhook, named('default'))
    assert selected(webhook, {})


def test_namespace_with_the_skip_label_is_not_judged(chart, scenario):
    webhook = chart.render(scenario).webhook

    assert not selected(webhook, named('mine', **{SKIP: 'skip'}))
    assert selected(webhook, named('mine', **{SKIP: 'no'}))


def test_own_namespace_is_exempt_whatever_the_user_lists(chart):
    release = chart.render(into='elsewhere',
                           exemptNamespaces=['monitoring'])

    assert not selected(release.webhook, named('elsewhere'))
    assert not selected(release.webhook, named('monitoring'))
    assert selected(release.webhook, named('kube-system'))


def test_server_knows_the_same_exempt_namespaces(chart, scenario):
    release = chart.render(scenario)
    (names,) = [e['values'] for e in release.webhook['namespaceSelector'][
        'matchExpressions'] if e['key'] == 'kubernetes.io/metadata.name']

    assert release.env['PORTIERIS_EXEMPT_NAMESPACES'].split(',') == names


POLICIES = ('ValidatingWebhookConfiguration', 'portieris-policies')


def test_only_our_image_is_asked_to_review_policies(chart):
    other = {'repository': 'icr.io/portieris/portieris', 'tag': 'v0.14.2'}

    assert chart.render().has(*POLICIES)
    assert not chart.render(image=other).has(POLICIES[0])


def test_review_of_policies_never_blocks_and_asks_for_nothing_else(chart):
    config = chart.render(into='elsewhere').get(*POLICIES)
    (webhook,) = config['webhooks']

    assert config['metadata']['labels']['app'] == 'portieris'
    assert config['metadata']['annotations'] == {
        'cert-manager.io/inject-ca-from': 'elsewhere/portieris-certs'}
    assert webhook['failurePolicy'] == 'Ignore'
    assert webhook['timeoutSeconds'] == 5
    assert webhook['sideEffects'] == 'None'
    assert webhook['clientConfig'] == {'service': {
        'name': 'portieris', 'namespace': 'elsewhere',
        'path': '/validate-policies'}}
    assert webhook['rules'] == [{
        'apiGroups': ['portieris.cloud.ibm.com'], 'apiVersions': ['v1'],
        'operations': ['CREATE', 'UPDATE'], 'scope': '*',
        'resources': ['imagepolicies', 'clusterimagepolicies']}]


def test_review_of_policies_ignores_failures_whatever_the_user_sets(chart):
    config = chart.render(webHooks={'failurePolicy': 'Fail'}).get(*POLICIES)

    assert config['webhooks'][0]['failurePolicy'] == 'Ignore'
