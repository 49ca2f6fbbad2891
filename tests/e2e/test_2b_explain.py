# SPDX-License-Identifier: Apache-2.0
"""explain and rehearse, as an operator runs them in the server's pod."""

import json

import yaml

from tests.e2e.conftest import pod
from tests.e2e.conftest import policy


def inside(platform, *words, stdin=None):
    """Run the server's program in its pod; the answer may be a denial."""
    return platform.tries(
        'kubectl', 'exec', '-i', '-n', 'portieris',
        'deploy/portieris-portieris', '--', '/portieris', *words,
        stdin=stdin or '')


def explain(platform, image, namespace, *words):
    return inside(platform, 'explain', image, '--namespace', namespace,
                  '--pull-secret', 'registry', *words)


def test_explain_names_the_digest_that_a_signed_image_runs_from(
        protected, namespace):
    signed = protected.image(signed=True)
    answer = explain(protected, signed, namespace, '-o', 'json')
    assert answer.status == 0, answer
    told = json.loads(answer.text)
    assert told['result'] == 'admitted'
    assert told['policy'] == 'ClusterImagePolicy "portieris-default"'
    assert told['entry'] == protected.registry + '/*'
    assert told['replacement'] == '%s@%s' % (
        signed.rsplit(':', 1)[0], protected.digest(signed))
    (asked,) = told['asked']
    assert asked['address'] == protected.trust_server
    assert asked['credentials'] == ['secret %s/registry' % namespace]


def test_explain_gives_the_reason_and_cure_of_admission(
        protected, namespace):
    unsigned = protected.image()
    denied = protected.create(pod('unsigned', namespace, unsigned))
    answer = explain(protected, unsigned, namespace)
    assert answer.status == 1
    assert 'DENIED [NO-TRUST-DATA]' in answer.text, answer
    (cure,) = [line for line in answer.text.splitlines()
               if line.startswith('Cure ')]
    assert cure[len('Cure '):].strip() in denied.text, (answer, denied)


def test_rehearse_shows_what_a_policy_would_deny_before_it_is_applied(
        protected, namespace):
    unsigned = protected.image()
    protected.apply(policy(namespace, {'name': '*'}))
    protected.until('the policy is seen', lambda: protected.create(
        pod('free', namespace, unsigned)).status == 0)
    rehearsal = inside(protected, 'rehearse', '--namespace', namespace)
    assert rehearsal.status == 0, rehearsal
    assert '1 pod, 1 image: 1 admitted' in rehearsal.text

    planned = policy(namespace, {'name': '*', 'policy': {
        'simple': {'requirements': [{'type': 'reject'}]}}})
    rehearsal = inside(protected, 'rehearse', '--namespace', namespace,
                       '--policies', '-', stdin=yaml.safe_dump(planned))
    assert rehearsal.status == 1
    assert 'DENIED %s [REJECTED]' % unsigned in rehearsal.text, rehearsal
    assert protected.get('pod', 'free', namespace)


def test_rehearse_judges_the_whole_platform(protected):
    rehearsal = inside(protected, 'rehearse')
    assert 'exempt namespaces' in rehearsal.text, rehearsal
