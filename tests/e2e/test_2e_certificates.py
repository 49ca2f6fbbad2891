# SPDX-License-Identifier: Apache-2.0
"""Certificates and servers are replaced, and no call fails meanwhile."""

import base64
import concurrent.futures
import json

import pytest

from tests.docs import manual
from tests.e2e.conftest import pod

# An upper bound, not a duration: the calls end with what they accompany.
CALLS = 2000


@pytest.fixture
def signed(protected):
    return protected.image(signed=True)


def stored_certificate(platform):
    """Return the certificate in the Secret, or None while there is none."""
    answer = platform.tries(
        'kubectl', 'get', 'secret', 'portieris-certs', '-n', 'portieris',
        '-o', r'jsonpath={.data.tls\.crt}')
    return answer.text if answer.status == 0 and answer.text else None


def doctor(platform):
    return platform.does('helm', 'test', 'portieris-portieris', '-n',
                         'portieris', '--logs', '--timeout', '5m')


def calls_during(platform, asked, does):
    """Ask for a pod, in dry runs, as long as ``does`` runs.

    Return what it returned, the answers that were failures and the number
    of the others.
    """
    failed, good = [], 0
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(does)
        for _ in range(CALLS):
            answer = platform.tries('kubectl', 'create', '--dry-run=server',
                                    '-f', '-', stdin=asked)
            if answer.status:
                failed.append(answer)
            else:
                good += 1
            if running.done():
                break
        return running.result(), failed, good


@pytest.fixture
def asked(namespace, signed):
    return json.dumps(pod('asked', namespace, signed))


def test_doctor_finds_a_healthy_release(protected):
    text = doctor(protected)
    assert text.count('ok      ') == 4, text
    assert 'FAILED' not in text


def test_renewed_certificate_is_served_without_a_failed_call(
        protected, asked):
    before = stored_certificate(protected)

    def renew():
        protected.kubectl('delete', 'secret', 'portieris-certs', '-n',
                          'portieris')
        protected.until('cert-manager has issued another certificate',
                        lambda: stored_certificate(protected)
                        not in (None, before))
        # The kubelet brings it within two minutes; a change of the pod
        # makes it look at once.
        protected.kubectl('annotate', 'pods', '-n', 'portieris', '-l',
                          'app=portieris', '--overwrite', 'looked=again')
        # The doctor waits until what is stored is what is served.
        return doctor(protected)

    text, failed, good = calls_during(protected, asked, renew)

    assert failed == []
    assert good > 1
    assert text.count('ok      ') == 4, text


def test_restarted_servers_serve_the_renewed_certificate_without_a_gap(
        protected, asked):
    # Every new connection of the API server is made with it.
    def restart():
        protected.kubectl('rollout', 'restart',
                          'deployment/portieris-portieris', '-n',
                          'portieris')
        protected.kubectl('rollout', 'status',
                          'deployment/portieris-portieris', '-n',
                          'portieris', '--timeout=180s')
        protected.outlives_old_servers()

    _, failed, good = calls_during(protected, asked, restart)

    assert failed == []
    assert good > 1


def trusted_authorities(platform):
    webhook = json.loads(platform.kubectl(
        'get', 'mutatingwebhookconfiguration', 'image-admission-config',
        '-o', 'json'))['webhooks'][0]
    return base64.b64decode(webhook['clientConfig']['caBundle']).decode()


def test_commands_of_the_manual_replace_the_ca_without_a_failed_call(
        protected, asked):
    (typed,) = [block for block in manual.blocks(
        manual.read('platform/certificates.rst'), 'console')
        if 'delete secret portieris-ca' in block]
    script = '\n'.join(line.removeprefix('$ ')
                       for line in typed.splitlines())
    before = trusted_authorities(protected)

    said, failed, good = calls_during(
        protected, asked,
        lambda: protected.does('bash', '-euo', 'pipefail', stdin=script))

    assert failed == []
    assert good > 1
    assert said.count('ok      ') == 4, said
    after = trusted_authorities(protected)
    assert after.count('BEGIN CERTIFICATE') == 1
    assert after.strip() not in before
