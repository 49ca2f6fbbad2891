# SPDX-License-Identifier: Apache-2.0
"""An apply that is given up half way, with the server that is there."""

import concurrent.futures

from tests.e2e.conftest import DENIAL
from tests.e2e.conftest import pod


def wants_cpus(platform, number):
    platform.override('--reuse-values', '--set',
                      'resources.requests.cpu=%s' % number)


def test_an_aborted_apply_keeps_the_protection_and_can_be_taken_back(
        protected, namespace):
    # No node has that many: the new server is waited for until the abort.
    wants_cpus(protected, '1000')
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        applying = pool.submit(protected.tries, 'system',
                               'application-apply', 'portieris')
        protected.until('the new server has no node', lambda: any(
            each['status']['phase'] == 'Pending'
            for each in protected.servers()))
        protected.system('application-abort', 'portieris')
        answer = applying.result()
    assert answer.status == 1
    assert 'operation aborted by user' in answer.text, answer
    assert protected.applications()['portieris'] == 'apply-failed'
    webhook, = protected.get('mutatingwebhookconfiguration',
                             'image-admission-config', 'default')['webhooks']
    assert webhook['failurePolicy'] == 'Fail'
    assert DENIAL in protected.create(
        pod('meanwhile', namespace, protected.image())).text
    protected.system('application-remove', 'portieris')
    assert protected.applications()['portieris'] == 'uploaded'
    wants_cpus(protected, '100m')
    protected.system('application-apply', 'portieris')
    assert DENIAL in protected.denies(
        pod('afterwards', namespace, protected.image())).text
