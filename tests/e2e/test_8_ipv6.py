# SPDX-License-Identifier: Apache-2.0
"""The main story on a node that has IPv6 addresses only."""

import json
import os

import pytest

from tests.e2e.conftest import DENIAL
from tests.e2e.conftest import pod
from tests.e2e.conftest import running
from tests.e2e.conftest import uploaded

pytestmark = pytest.mark.skipif(
    not os.path.exists('/proc/sys/net/ipv6'),
    reason='this kernel has no IPv6')


@pytest.fixture(scope='module')
def platform(tmp_path_factory):
    """A lab beside the one of the other tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('PORTIERIS_LAB_DIR',
                     '/var/tmp/portieris-lab-ipv6-%d' % os.getpid())
        with running(tmp_path_factory, ipv6=True) as platform:
            yield platform


@pytest.fixture(scope='module')
def by_address(platform):
    """The registry of the lab by its address."""
    return '[%s]:9001' % platform.environment['nodeIP']


@pytest.fixture(scope='module')
def protected(platform, by_address, tarball):
    """The application, with the registry under trust by name and address."""
    uploaded(platform, tarball)
    with open(platform.environment['ca'], encoding='ascii') as pem:
        platform.override(values={'trustedCA': pem.read(), 'trustServers': [
            {'registry': platform.registry, 'url': platform.trust_server},
            {'registry': by_address, 'url': 'https://%s' %
             by_address.replace('9001', '4443')}]})
    platform.system('application-apply', 'portieris')
    platform.until('the override is seen', lambda: DENIAL in
                   platform.probe().text)
    return platform


@pytest.fixture
def namespace(platform, by_address):
    """A namespace with credentials for the registry under both names."""
    with platform.namespace() as name:
        platform.kubectl(
            'create', 'secret', 'docker-registry', 'by-address', '-n', name,
            '--docker-server', by_address, '--docker-username',
            platform.environment['registryUser'], '--docker-password',
            platform.environment['registryPassword'])
        yield name


def at(by_address, name):
    """Return the name of an image with the address of its registry."""
    return by_address + name[name.index('/'):]


def test_every_address_is_of_ipv6(protected):
    nodes, services, pods = (protected.list(kind, 'portieris') for kind in (
        'nodes', 'services', 'pods'))
    addresses = [a['address'] for node in nodes for a in
                 node['status']['addresses'] if a['type'] == 'InternalIP']
    addresses += [service['spec']['clusterIP'] for service in services]
    addresses += [one['ip'] for each in pods
                  for one in each['status']['podIPs']]
    assert len(addresses) >= 3
    assert all(':' in address for address in addresses), addresses
    links = json.loads(protected.lab('exec', '--', 'ip', '-4', '-json',
                                     'address'))
    assert [link['ifname'] for link in links if link] == ['lo']


def test_signed_image_runs_from_its_digest_and_unsigned_is_denied(
        protected, namespace):
    image = protected.image()
    answer = protected.create(pod('hello', namespace, image))
    assert DENIAL in answer.text and 'NO-TRUST-DATA' in answer.text, answer
    protected.lab('sign', image)
    answer = protected.create(pod('hello', namespace, image))
    assert answer.status == 0, answer
    protected.wait('pod/hello', 'condition=Ready', namespace)
    container, = protected.get('pod', 'hello', namespace)['spec'][
        'containers']
    assert container['image'] == '%s@%s' % (
        image.rpartition(':')[0], protected.digest(image))


def test_registry_may_be_named_by_its_address(
        protected, namespace, by_address):
    """Judged only: this node's container runtime pulls from no address."""
    named = protected.image()
    image = at(by_address, named)

    def ask(what):
        return protected.tries(
            'kubectl', 'run', 'hello', '-n', namespace, '--image', what,
            '--overrides', json.dumps({'spec': {
                'imagePullSecrets': [{'name': 'by-address'}]}}),
            '--dry-run=server', '-o', 'jsonpath={.spec.containers[*].image}')
    answer = ask(image)
    assert 'NO-TRUST-DATA' in answer.text, answer
    protected.lab('sign', image)
    answer = ask(image)
    assert answer.text == '%s@%s' % (image.rpartition(':')[0],
                                     protected.digest(named))
    # Another text of the address is no way around the entry.
    answer = ask(image.replace('::', ':0:0:0:0:0:'))
    assert 'NO-TRUST-DATA' in answer.text, answer
