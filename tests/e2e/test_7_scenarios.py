# SPDX-License-Identifier: Apache-2.0
"""Each scenario of the chart that renders otherwise, installed on the node.

They follow one another in one release, as the overrides of one operator do.
"""

import json
import pathlib

import pytest
import yaml

from portieris_app import checkout
from portieris_app import image
from tests.e2e.conftest import DENIAL
from tests.e2e.conftest import pod

CHART = pathlib.Path(checkout.root(), checkout.CHART)
RELEASE = ('portieris-portieris', '-n', 'portieris')
# What becomes of an unsigned image, and of one that is signed.
EVERYWHERE = ('admitted', 'admitted')
SIGNED = ('denied', 'admitted')
NOWHERE = ('denied', 'denied')
OUTCOMES = {
    'default': EVERYWHERE,
    'simplex': EVERYWHERE,
    'legacy-overrides': EVERYWHERE,
    'everything': EVERYWHERE,
    'digest': EVERYWHERE,
    'private-ca': SIGNED,
    'deny-all': SIGNED,
    # Two signers must have signed, whose Secrets are not there.
    'trust-servers': NOWHERE,
    'own-policies': NOWHERE,
}
# Its image is not to be had here: the API server looks at it, no kubelet.
NOT_STARTED = {'ibm-image'}


def scenario_file(name):
    return str(CHART / 'ci' / (name + '-values.yaml'))


class Release:
    """The chart, as a user of Helm installs, upgrades and tests it."""

    def __init__(self, platform, namespace):
        self.platform = platform
        self.namespace = namespace
        self.reference = image.platform_reference()
        self.unsigned = platform.image()
        self.signed = platform.image(signed=True)

    def values(self, name):
        """Return what a scenario cannot know of this node."""
        values = {'images': {'tags': {'portieris': self.reference}},
                  'doctor': {'namespace': self.namespace}}
        if OUTCOMES[name] != NOWHERE:
            values['doctor']['admits'] = self.signed
        if name in ('private-ca', 'deny-all'):
            with open(self.platform.environment['ca'],
                      encoding='ascii') as pem:
                values['trustedCA'] = pem.read()
        if name == 'digest':
            values['image'] = {'tag': self.platform.digest(self.reference)}
        return json.dumps(values)

    def upgrade(self, name):
        self.platform.does(
            'helm', 'upgrade', '--install', *RELEASE, str(CHART), '--values',
            scenario_file(name), '--values', '-', '--wait', '--timeout',
            '3m', stdin=self.values(name))
        self.platform.outlives_old_servers()

    def outcomes(self):
        return tuple(self.outcome(name)
                     for name in (self.unsigned, self.signed))

    def outcome(self, image_name):
        answer = self.platform.tries(
            'kubectl', 'create', '--dry-run=server', '-f', '-',
            stdin=yaml.safe_dump(pod('asked', self.namespace, image_name)))
        if answer.status == 0:
            return 'admitted'
        return 'denied' if DENIAL in answer.text else answer.text


@pytest.fixture(scope='module')
def release(platform):
    platform.lab('push', '--tar', image.make_image(),
                 image.platform_reference())
    # A removal before this one may still be at it.
    platform.until(
        'the namespace of before is gone', lambda: 'NotFound' in
        platform.tries('kubectl', 'get', 'namespace', 'portieris').text,
        timeout=120)
    platform.kubectl('create', 'namespace', 'portieris')
    platform.pulls_into('portieris', 'default-registry-key')
    try:
        with platform.namespace() as team:
            # The doctor's pods are pods of this account.
            platform.kubectl(
                'patch', 'serviceaccount', 'default', '-n', team, '-p',
                '{"imagePullSecrets": [{"name": "registry"}]}')
            yield Release(platform, team)
    finally:
        platform.tries('helm', 'uninstall', *RELEASE)
        platform.kubectl('delete', 'namespace', 'portieris')


@pytest.mark.parametrize('name', OUTCOMES)
def test_scenario_judges_as_its_values_say(release, name):
    release.upgrade(name)

    # The server hears of a policy a moment after the API server has it.
    release.platform.until(
        'an unsigned and a signed image are %s and %s' % OUTCOMES[name],
        lambda: release.outcomes() == OUTCOMES[name])
    text = release.platform.does('helm', 'test', *RELEASE, '--logs',
                                 '--timeout', '5m')
    assert text.count('ok      ') == 4, text
    assert 'FAILED' not in text


@pytest.mark.parametrize('name', sorted(NOT_STARTED))
def test_api_server_takes_the_scenario_that_cannot_start_here(
        release, name):
    rendered = release.platform.does(
        'helm', 'template', *RELEASE, str(CHART), '--values',
        scenario_file(name), '--no-hooks', '--validate')

    release.platform.kubectl('apply', '--dry-run=server', '-f', '-',
                             stdin=rendered)


def test_every_scenario_is_installed_or_looked_at():
    found = {path.name[:-len('-values.yaml')]
             for path in (CHART / 'ci').glob('*-values.yaml')}

    assert set(OUTCOMES) | NOT_STARTED == found
    assert not set(OUTCOMES) & NOT_STARTED
