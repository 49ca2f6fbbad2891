# SPDX-License-Identifier: Apache-2.0
"""What runs in the lab is real, and nothing of it leaves the machine."""

import json
import shlex
import subprocess
import sys

import pytest

from portieris_app import checkout
from tests.lab.conftest import eventually
from tests.lab import objects

pytestmark = pytest.mark.lab

REGISTRY = 'registry.local:9001'


def waiting_reason(lab, pod):
    return lab.kubectl(
        'get', 'pod', pod, '-o', 'jsonpath={.status.containerStatuses[*]'
        '.state.waiting.message}')


def test_second_up_says_that_the_lab_is_up(lab):
    pid = lab.environment()['initPid']
    done = lab.call('up')
    assert done.returncode == 0
    assert 'is up already' in done.stderr
    assert lab.environment()['initPid'] == pid


def test_up_gives_no_other_addresses_to_a_lab_that_is_up(lab):
    done = lab.call('up', '--ipv6')
    assert done.returncode == 1
    assert "is up with IPv4 addresses; 'portieris-app lab down'" in \
        done.stderr
    assert lab.status()[1]['state'] == 'up'


def test_status_lists_every_service_running(lab):
    code, status = lab.status()
    assert (code, status['state']) == (0, 'up')
    assert {s['name'] for s in status['services']} == {
        'containerd', 'dnsmasq', 'etcd', 'kube-apiserver',
        'kube-controller-manager', 'kube-proxy', 'kube-scheduler',
        'kubelet', 'notary', 'registry'}
    assert {s['state'] for s in status['services']} == {'running'}


def test_pod_runs_from_the_registry_with_its_pull_secret(lab):
    ref = REGISTRY + '/platform/hello:1'
    digest = lab.run('push', '--sample', '--text', 'hello there',
                     ref).strip()
    lab.apply(objects.pull_secret(lab, 'right'),
              objects.pod('hello', ref, secret='right'))
    lab.kubectl('wait', '--for=condition=Ready', 'pod/hello',
                '--timeout=180s')
    assert lab.kubectl('logs', 'hello') == 'hello there\n'
    image_id = lab.kubectl('get', 'pod', 'hello', '-o', 'jsonpath='
                           '{.status.containerStatuses[0].imageID}')
    assert image_id == '%s/platform/hello@%s' % (REGISTRY, digest)


@pytest.mark.parametrize('secret', [None, 'wrong'])
def test_registry_gives_nothing_without_the_password(lab, secret):
    ref = REGISTRY + '/platform/private:1'
    lab.run('push', '--sample', ref)
    name = 'private-%s' % (secret or 'none')
    lab.apply(objects.pull_secret(lab, 'wrong', password='guess'),
              objects.pod(name, ref, secret=secret))
    eventually('the pull is refused', lambda: '401 Unauthorized' in
               waiting_reason(lab, name))


def test_platform_has_its_own_pull_secret(lab):
    text = lab.kubectl('-n', 'kube-system', 'get', 'secret',
                       'default-registry-key', '-o', 'json')
    secret = json.loads(text)
    assert secret['type'] == 'kubernetes.io/dockerconfigjson'
    assert '.dockerconfigjson' in secret['data']


def test_cert_manager_issues_a_certificate(lab):
    group = 'cert-manager.io/v1'
    lab.apply(
        {'apiVersion': group, 'kind': 'Issuer',
         'metadata': {'name': 'self'}, 'spec': {'selfSigned': {}}},
        {'apiVersion': group, 'kind': 'Certificate',
         'metadata': {'name': 'leaf'},
         'spec': {'secretName': 'leaf', 'dnsNames': ['x.default.svc'],
                  'issuerRef': {'name': 'self'}}})
    lab.kubectl('wait', '--for=condition=Ready', 'certificate/leaf',
                '--timeout=180s')
    keys = lab.kubectl('get', 'secret', 'leaf', '-o', 'jsonpath={.data}')
    assert {'tls.crt', 'tls.key', 'ca.crt'} <= set(json.loads(keys))


def test_the_same_text_gives_the_same_sample_image(lab):
    first, again, other = (
        lab.run('push', '--sample', '--text', text, REGISTRY + tag)
        for text, tag in [('a', '/same/a:1'), ('a', '/same/b:1'),
                          ('b', '/same/a:1')])
    assert first == again
    assert first != other


def test_signed_tag_is_in_the_trust_server_with_its_digest(lab):
    ref = REGISTRY + '/signed/app:v1'
    pushed = lab.run('push', '--sample', ref).strip()
    assert lab.run('sign', ref).strip() == pushed
    listed = lab.wrapper('notary', 'list', REGISTRY + '/signed/app').stdout
    line = next(x for x in listed.splitlines() if x.startswith('v1 '))
    assert line.split()[1] == pushed.partition(':')[2]
    assert line.split()[-1] == 'targets'


def test_signer_signs_in_a_delegation_of_the_printed_key(lab):
    ref = REGISTRY + '/signed/team:v1'
    pushed = lab.run('push', '--sample', ref).strip()
    lab.run('sign', '--signer', 'alice', ref)
    listed = lab.wrapper('notary', 'list', '--roles', 'targets/alice',
                         REGISTRY + '/signed/team').stdout
    assert pushed.partition(':')[2] in listed
    key = lab.run('signer', 'alice')
    assert key.startswith('-----BEGIN PUBLIC KEY-----')
    assert key == lab.run('signer', 'alice')
    assert key != lab.run('signer', 'bob')


def test_another_trust_directory_is_another_publisher(lab, tmp_path):
    ref = REGISTRY + '/signed/other:v1'
    lab.run('push', '--sample', ref)
    lab.run('sign', ref)
    done = lab.call('sign', '--trust-dir', str(tmp_path), ref)
    assert done.returncode == 1
    assert 'notary addhash' in done.stderr


def test_stopped_service_stays_away_until_it_is_started(lab):
    lab.run('service', 'stop', 'notary')
    health = 'https://notary.local:4443/_notary_server/health'
    assert lab.fetch(health) == 'ConnectionRefusedError'
    states = {s['name']: s['state'] for s in lab.status()[1]['services']}
    assert states['notary'] == 'stopped'
    lab.run('service', 'start', 'notary')
    eventually('the trust server answers again',
               lambda: lab.fetch(health) == '200')


def test_paused_service_accepts_and_does_not_answer(lab):
    url = 'https://registry.local:9001/v2/'
    lab.run('service', 'pause', 'registry')
    frozen = lab.fetch(url, timeout=1)
    lab.run('service', 'resume', 'registry')
    assert frozen == 'TimeoutError'
    assert lab.fetch(url) == '401'


def test_kubeconfig_works_outside_through_the_loopback(lab):
    kubectl = lab.wrapper('kubectl', 'version').args[0]
    assert kubectl.startswith(lab.dir)
    outside = lab.environment()['kubeconfigOutside']
    with open(outside, encoding='utf-8') as file:
        assert 'server: https://127.0.0.1:' in file.read()
    done = subprocess.run(
        ['build/bin/kube', 'kubectl', '--kubeconfig', outside, 'get',
         'nodes', '-o', 'name'], text=True, capture_output=True)
    assert done.stdout == 'node/controller-0\n', done.stderr


def test_commands_keep_the_working_directory(lab, tmp_path):
    text = subprocess.run(
        [lab.dir + '/bin/helm', 'create', 'here'], cwd=tmp_path, text=True,
        capture_output=True)
    assert text.returncode == 0, text.stderr
    assert (tmp_path / 'here' / 'Chart.yaml').is_file()


def test_commands_keep_the_working_directory_in_a_changed_root(
        fresh_lab, tmp_path):
    """As in a container, or in a Debian below a folder."""
    tool = '%s -m portieris_app lab' % shlex.quote(sys.executable)
    done = subprocess.run(
        ['unshare', '--mount', '--propagation', 'private', 'sh', '-c',
         'mount --rbind / "$0" && exec chroot "$0" sh -c "$1"',
         str(tmp_path), 'cd %s && %s up && %s exec -- pwd; %s down' % (
             shlex.quote(checkout.package_parent()), tool, tool, tool)],
        env=fresh_lab.env, text=True, capture_output=True, timeout=600)
    assert done.stdout == checkout.package_parent() + '\n', done.stderr


def test_nothing_inside_has_a_way_out(lab):
    routes = lab.inside('ip', 'route', 'show', 'table', 'main')
    assert 'default' not in routes
    assert '198.18.0.1' not in subprocess.run(
        ['ip', 'address'], text=True, capture_output=True).stdout


def test_names_of_the_platform_resolve_for_pods(lab):
    """Pods ask the name server on the node, and nobody answers others."""
    with open('/proc/%d/root/etc/hosts' % lab.environment()['initPid'],
              encoding='utf-8') as file:
        assert 'registry.local notary.local' in file.read()
    lookup = ('import socket, struct, sys\n'
              'q = struct.pack(">6H", 7, 256, 1, 0, 0, 0)\n'
              'for p in sys.argv[1].split("."):\n'
              '    q += bytes([len(p)]) + p.encode()\n'
              's = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n'
              's.settimeout(5)\n'
              's.sendto(q + struct.pack(">BHH", 0, 1, 1),'
              ' ("198.18.0.1", 53))\n'
              'a = s.recv(512)\n'
              'print(a[3] & 15, ".".join(map(str, a[-4:])))\n')
    answers = {name: lab.inside('python3', '-c', lookup, name).split()
               for name in ('registry.local', 'notary.local', 'example.com')}
    assert answers['registry.local'] == ['0', '198.18.0.1']
    assert answers['notary.local'] == ['0', '198.18.0.1']
    assert answers['example.com'][0] == '3'   # there is no such name


def test_service_that_dies_is_started_again(lab):
    pid = lab.inside('pgrep', '-f', 'docker-registry serve').split()[0]
    lab.inside('kill', '-9', pid)
    registry = eventually(
        'the registry runs again', lambda: restarted(lab, 'registry'))
    assert 'killed' in registry['lastExit']


def restarted(lab, name):
    """Return the status of a service that runs for the second time."""
    for service in lab.status()[1]['services']:
        if service['name'] == name and service['restarts'] == 1:
            return service['state'] == 'running' and service
    return None
