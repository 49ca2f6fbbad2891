# SPDX-License-Identifier: Apache-2.0
"""What a signed, an unsigned and a wrongly signed image meet."""

from tests.e2e.conftest import DENIAL
from tests.e2e.conftest import pod
from tests.e2e.conftest import policy
from tests.e2e.conftest import signer_secret


def trusted(platform, *signers):
    return {'name': platform.registry + '/*', 'policy': {'trust': {
        'enabled': True, 'trustServer': platform.trust_server,
        'signerSecrets': [{'name': name} for name in signers]}}}


def test_signed_image_runs_from_its_digest(protected, namespace):
    signed = protected.image(signed=True)
    answer = protected.create(pod('signed', namespace, signed))
    assert answer.status == 0, answer
    protected.wait('pod/signed', 'condition=Ready', namespace)
    digest = protected.digest(signed)
    running = protected.get('pod', 'signed', namespace)
    name = signed.rsplit(':', 1)[0]
    assert running['spec']['containers'][0]['image'] == \
        '%s@%s' % (name, digest)
    assert running['status']['containerStatuses'][0]['imageID'].endswith(
        digest)


def test_unsigned_image_is_denied_with_reason_and_cure(
        protected, namespace):
    unsigned = protected.image()
    answer = protected.create(pod('unsigned', namespace, unsigned))
    assert answer.status == 1
    assert '%sDeny "%s"' % (DENIAL, unsigned) in answer.text
    assert 'NO-TRUST-DATA' in answer.text, answer


def test_tag_that_nobody_signed_is_denied(protected, namespace):
    signed = protected.image(signed=True)
    other = signed.replace(':1.0', ':2.0')
    protected.lab('push', '--sample', other)
    answer = protected.create(pod('other', namespace, other))
    assert answer.status == 1
    assert 'NOT-SIGNED' in answer.text, answer


def test_deployment_with_a_signed_image_runs_from_its_digest(
        protected, namespace):
    signed = protected.image(signed=True)
    template = pod('web', namespace, signed)['spec']
    del template['terminationGracePeriodSeconds']
    answer = protected.create({
        'apiVersion': 'apps/v1', 'kind': 'Deployment',
        'metadata': {'name': 'web', 'namespace': namespace},
        'spec': {'selector': {'matchLabels': {'app': 'web'}},
                 'template': {'metadata': {'labels': {'app': 'web'}},
                              'spec': template}}})
    assert answer.status == 0, answer
    protected.wait('deployment/web', 'condition=Available', namespace)
    deployment = protected.get('deployment', 'web', namespace)
    assert deployment['spec']['template']['spec']['containers'][0]['image'] \
        == '%s@%s' % (signed.rsplit(':', 1)[0], protected.digest(signed))


def test_image_signed_by_the_listed_signer_is_admitted(
        protected, namespace):
    signed = protected.image(signer='alice')
    protected.apply(
        signer_secret(namespace, 'alice', protected.lab('signer', 'alice')),
        policy(namespace, trusted(protected, 'alice')))
    # Until the policy is seen, that of the cluster admits anybody's.
    protected.denies(pod('theirs', namespace, protected.image(signer='bob')))
    answer = protected.create(pod('mine', namespace, signed))
    assert answer.status == 0, answer
    protected.wait('pod/mine', 'condition=Ready', namespace)


def test_image_signed_by_another_signer_is_denied(protected, namespace):
    signed = protected.image(signer='alice')
    protected.apply(
        signer_secret(namespace, 'bob', protected.lab('signer', 'bob')),
        policy(namespace, trusted(protected, 'bob')))
    answer = protected.denies(pod('wrong', namespace, signed))
    assert 'no signature found for role bob' in answer.text, answer


def test_missing_signer_secret_is_named(protected, namespace):
    signed = protected.image(signer='alice')
    protected.apply(policy(namespace, trusted(protected, 'nobody')))
    answer = protected.denies(pod('lost', namespace, signed))
    assert 'nobody' in answer.text
    assert 'SIGNER-MISSING' in answer.text, answer


def test_policy_of_the_namespace_overrides_the_cluster_policy(
        protected, namespace):
    unsigned = protected.image()
    assert protected.create(pod('free', namespace, unsigned)).status == 1
    protected.apply(policy(namespace, {'name': protected.registry + '/*',
                                       'policy': {}}))
    protected.until('the policy is seen', lambda: protected.create(
        pod('free', namespace, unsigned)).status == 0)
    protected.wait('pod/free', 'condition=Ready', namespace)


def test_policy_without_repositories_denies_and_is_named(
        protected, namespace):
    signed = protected.image(signed=True)
    protected.apply(policy(namespace))
    answer = protected.denies(pod('none', namespace, signed))
    assert 'no matching repositories in the ImagePolicies' in \
        answer.text, answer
    assert 'team' in answer.text


def test_image_reference_that_does_not_parse_is_denied(
        protected, namespace):
    answer = protected.create(pod('odd', namespace, 'registry.local:9001/UP'))
    assert answer.status == 1
    assert DENIAL in answer.text, answer


def test_other_registries_follow_the_default_policy(protected, namespace):
    answer = protected.tries(
        'kubectl', 'run', 'elsewhere', '-n', namespace, '--dry-run=server',
        '--image', 'registry.example.com/any:1')
    assert answer.status == 0, answer


def test_exempt_namespace_takes_an_unsigned_image(protected):
    answer = protected.tries(
        'kubectl', 'run', 'exempt', '-n', 'kube-system', '--dry-run=server',
        '--image', protected.image())
    assert answer.status == 0, answer
