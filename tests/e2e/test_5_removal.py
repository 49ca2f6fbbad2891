# SPDX-License-Identifier: Apache-2.0
"""Out again: nothing left but the user's policies."""

from tests.e2e.conftest import pod
from tests.e2e.conftest import policy


def test_remove_and_delete_leave_nothing_but_the_policies(
        protected, namespace):
    protected.apply(policy(namespace, {'name': '*', 'policy': {}}))
    protected.system('application-remove', 'portieris')
    protected.system('application-delete', 'portieris', '--yes')
    protected.until(
        'the namespace is gone', lambda: 'NotFound' in protected.tries(
            'kubectl', 'get', 'namespace', 'portieris').text)
    left = protected.kubectl(
        'get', 'mutatingwebhookconfigurations,validatingwebhookconfigurations'
        ',clusterroles,clusterrolebindings', '-o', 'name')
    assert 'portieris' not in left and 'image-admission' not in left
    assert 'team' in protected.kubectl('get', 'imagepolicies', '-n',
                                       namespace, '-o', 'name')
    assert 'portieris' not in protected.applications()


def test_unsigned_image_is_admitted_once_the_application_is_gone(
        protected, namespace):
    answer = protected.create(pod('free', namespace, protected.image()))
    assert answer.status == 0, answer
