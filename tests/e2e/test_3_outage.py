# SPDX-License-Identifier: Apache-2.0
"""The trust server or the server itself is gone: images closed, platform
open.
"""

import pytest

from tests.e2e.conftest import DENIAL
from tests.e2e.conftest import pod


@pytest.fixture
def signed(protected):
    return protected.image(signed=True)


def test_silent_trust_server_is_a_denial_within_the_budget(
        protected, signed, namespace):
    protected.lab('service', 'pause', 'notary')
    try:
        answer = protected.create(pod('silent', namespace, signed))
    finally:
        protected.lab('service', 'resume', 'notary')
    assert answer.status == 1
    assert DENIAL in answer.text
    assert 'TRUST-SERVER-TIMEOUT' in answer.text, answer


def test_images_are_admitted_again_when_the_trust_server_is_back(
        protected, signed, namespace):
    protected.lab('service', 'pause', 'notary')
    protected.lab('service', 'resume', 'notary')
    answer = protected.create(pod('again', namespace, signed))
    assert answer.status == 0, answer


def test_webhook_without_pods_fails_closed_and_spares_the_platform(
        protected, signed, namespace):
    try:
        protected.stops_servers()
        refused = protected.create(pod('closed', namespace, signed))
        spared = protected.tries(
            'kubectl', 'run', 'spared', '-n', 'kube-system',
            '--dry-run=server', '--image', signed)
    finally:
        protected.starts_servers()
    assert refused.status == 1
    assert 'failed calling webhook' in refused.text, refused
    assert spared.status == 0, spared


@pytest.fixture
def tolerant(protected):
    """The application, told to bridge an outage of the trust server."""
    def says(staleness, freshness):
        protected.override('--reuse-values',
                           '--set', 'trustStaleness=' + staleness,
                           '--set', 'trustFreshness=' + freshness)
        protected.system('application-apply', 'portieris')
        protected.outlives_old_servers()

    says('1h', '0s')
    yield protected
    says('0s', '10s')


def test_earlier_answers_bridge_an_outage_if_the_operator_says_so(
        tolerant, signed, namespace):
    never_asked = tolerant.image(signed=True)
    before = tolerant.create(pod('before', namespace, signed))
    tolerant.lab('service', 'pause', 'notary')
    try:
        during = tolerant.create(pod('during', namespace, signed))
        refused = tolerant.create(pod('refused', namespace, never_asked))
    finally:
        tolerant.lab('service', 'resume', 'notary')
    assert before.status == 0, before
    assert during.status == 0, during
    assert 'gave no answer' in during.text, during
    assert refused.status == 1
    assert 'TRUST-SERVER-TIMEOUT' in refused.text, refused


def test_trust_server_that_is_down_is_a_denial_and_spares_the_platform(
        protected, signed, namespace):
    # Last of this file: the trust server keeps its data in memory.
    protected.lab('service', 'stop', 'notary')
    try:
        refused = protected.create(pod('down', namespace, signed))
        spared = protected.tries(
            'kubectl', 'run', 'spared', '-n', 'kube-system',
            '--dry-run=server', '--image', signed)
    finally:
        protected.lab('service', 'start', 'notary')
    assert refused.status == 1
    assert 'TRUST-SERVER-UNREACHABLE' in refused.text, refused
    assert spared.status == 0, spared
