# SPDX-License-Identifier: Apache-2.0
"""What kubectl says of a policy that surprises, or that can never work."""

import pytest
import yaml

from tests.e2e.conftest import policy


@pytest.fixture
def reviewed(protected):
    """The application, once cert-manager has made its webhook callable."""
    protected.until('policies are reviewed', lambda: 'caBundle' in
                    protected.kubectl(
                        'get', 'validatingwebhookconfiguration',
                        'portieris-policies', '-o', 'yaml'))
    return protected


def applied(platform, document, *words):
    """Apply a policy; the answer may be a refusal."""
    return platform.tries('kubectl', 'apply', '-f', '-', *words,
                          stdin=yaml.safe_dump(document))


def test_surprising_policy_is_taken_with_warnings(reviewed, namespace):
    answer = applied(reviewed, policy(namespace, {
        'name': reviewed.registry + '/app*', 'policy': {'trust': {
            'enabled': True, 'trustServer': reviewed.trust_server,
            'signerSecrets': [{'name': 'alice'}]}}}))
    assert answer.status == 0, answer
    warnings = [line for line in answer.text.splitlines()
                if line.startswith('Warning: ImagePolicy "team"')]
    assert any('matches "%s/app-other" too' % reviewed.registry in line
               for line in warnings), answer
    assert any('"alice" in the namespace "%s" does not exist' % namespace
               in line for line in warnings), answer
    assert any('ClusterImagePolicies (1) no longer count there' in line
               for line in warnings), answer
    assert 'imagepolicy.portieris.cloud.ibm.com/team created' in answer.text


def test_policy_that_can_never_work_is_refused_with_a_sentence(
        reviewed, namespace):
    answer = applied(reviewed, policy(namespace, {
        'name': 'https://%s/*' % reviewed.registry, 'policy': {}}))
    assert answer.status == 1, answer
    assert 'policies.portieris.cloud.ibm.com" denied the request: ' in \
        answer.text, answer
    assert 'begins with a scheme' in answer.text
    assert '[POLICY-INVALID]' in answer.text
    assert reviewed.list('imagepolicies', namespace) == []


def test_field_that_kubernetes_drops_is_named(reviewed, namespace):
    document = policy(namespace, {'name': reviewed.registry + '/*',
                                  'trust': {'enabled': True}})
    strict = applied(reviewed, document)
    assert strict.status == 1, strict
    assert 'unknown field "spec.repositories[0].trust"' in strict.text
    dropped = applied(reviewed, document, '--validate=false')
    assert dropped.status == 0, dropped
    assert 'Kubernetes has dropped the unknown field ' \
        '"spec.repositories[0].trust"; it belongs below policy' in \
        dropped.text, dropped
    assert 'admitted unseen' in dropped.text, dropped


def test_policies_are_taken_while_the_server_is_away(reviewed, namespace):
    try:
        reviewed.stops_servers()
        answer = applied(reviewed, policy(namespace, {
            'name': 'https://anything/', 'policy': {}}))
    finally:
        reviewed.starts_servers()
    assert answer.status == 0, answer
