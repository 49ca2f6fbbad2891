# SPDX-License-Identifier: Apache-2.0
"""A real API server with its etcd, on loopback, without a node."""

import contextlib
import json
import secrets
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives import serialization

from .conftest import ROOT
from .conftest import run

KUBE = ROOT / 'build' / 'bin' / 'kube'
DEADLINE = 90


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket())
                   for _ in range(count)]
        for one in sockets:
            one.bind(('127.0.0.1', 0))
        return [one.getsockname()[1] for one in sockets]


class Cluster:
    """Kubernetes as far as the API server goes, reached by kubectl."""

    def __init__(self, folder):
        self.folder = folder
        self.kubeconfig = folder / 'kubeconfig'
        self.token = secrets.token_hex(16)
        self.programs = []

    def start(self, name, *arguments):
        log = self.folder / (name + '.log')
        with log.open('w') as stream:
            self.programs.append((subprocess.Popen(
                [str(KUBE), name, *arguments], cwd=self.folder,
                stdout=stream, stderr=stream), log))

    def up(self):
        client, peer, port = free_ports(3)
        etcd = 'http://127.0.0.1:%d' % client
        key = ec.generate_private_key(ec.SECP256R1())
        (self.folder / 'sa.key').write_bytes(key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption()))
        (self.folder / 'tokens').write_text(
            '%s,admin,admin,system:masters\n' % self.token)
        self.start('etcd', '--data-dir', 'etcd', '--client-url', etcd,
                   '--peer-url', 'http://127.0.0.1:%d' % peer)
        self.start('kube-apiserver', '--etcd-servers=' + etcd,
                   '--bind-address=127.0.0.1', '--secure-port=%d' % port,
                   '--cert-dir=certs', '--token-auth-file=tokens',
                   '--service-account-key-file=sa.key',
                   '--service-account-signing-key-file=sa.key',
                   '--service-account-issuer=https://localhost',
                   '--authorization-mode=RBAC',
                   '--service-cluster-ip-range=10.96.0.0/24',
                   '--endpoint-reconciler-type=none')
        self.kubeconfig.write_text(json.dumps({
            'apiVersion': 'v1', 'kind': 'Config', 'current-context': 'it',
            'clusters': [{'name': 'it', 'cluster': {
                'server': 'https://127.0.0.1:%d' % port,
                'insecure-skip-tls-verify': True}}],
            'users': [{'name': 'it', 'user': {'token': self.token}}],
            'contexts': [{'name': 'it', 'context': {
                'cluster': 'it', 'user': 'it'}}]}))
        self.wait('https://127.0.0.1:%d/readyz' % port)

    def wait(self, url):
        deadline = time.monotonic() + DEADLINE
        unverified = ssl.create_default_context()
        unverified.check_hostname = False
        unverified.verify_mode = ssl.CERT_NONE
        request = urllib.request.Request(
            url, headers={'Authorization': 'Bearer ' + self.token})
        while True:
            try:
                urllib.request.urlopen(request, timeout=5,
                                       context=unverified).close()
                return
            except (urllib.error.URLError, OSError) as refused:
                if time.monotonic() > deadline:
                    raise AssertionError('%s: %s' % (url, refused))
            self.keep_running(0.1)

    def keep_running(self, seconds):
        """Let the programs run; one that ends is told of at once."""
        for program, log in self.programs:
            try:
                program.wait(seconds)
            except subprocess.TimeoutExpired:
                continue
            raise AssertionError('%s ended: %s' % (log.stem, tail(log)))

    def down(self):
        for program, _ in reversed(self.programs):
            program.terminate()
        for program, _ in reversed(self.programs):
            try:
                program.wait(20)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()

    def kubectl(self, *arguments, stdin=None):
        return run(str(KUBE), 'kubectl', '--kubeconfig',
                   str(self.kubeconfig), *arguments, stdin=stdin)

    def done(self, *arguments, stdin=None):
        """Run kubectl, which must not fail, and return what it says."""
        result = self.kubectl(*arguments, stdin=stdin)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def get(self, *arguments):
        return json.loads(self.done('get', '-o', 'json', *arguments))


def tail(log):
    return '\n'.join(log.read_text().splitlines()[-5:])
