# SPDX-License-Identifier: Apache-2.0
"""Images signed with GPG, cosign keys and notation, by the real tools."""

import os
import shutil
import subprocess
import sys
import tempfile
import textwrap

import pytest

from tests.e2e.conftest import pod
from tests.e2e.conftest import policy

PROGRAMS = os.path.join(os.path.dirname(__file__), '..', '..', 'build', 'bin')
COSIGN = os.path.abspath(os.path.join(PROGRAMS, 'cosign3'))
NOTATION = os.path.abspath(os.path.join(PROGRAMS, 'notation'))
STORE = 'https://registry.local:9444'

# The node has the certificate of registry.local, and the server's pod trusts
# the authority that signed it.
SERVE = textwrap.dedent('''
    import http.server, socket, ssl, sys
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=sys.argv[1])
        def log_message(self, *args):
            pass
    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *args):
            pass  # the caller has hung up, as it may
    node = socket.getaddrinfo(sys.argv[4], 9444, type=socket.SOCK_STREAM)[0]
    Server.address_family = node[0]
    server = Server(node[4], Quiet)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    server.socket = context.wrap_socket(server.socket, server_side=True)
    print('serving', flush=True)
    server.serve_forever()
''')


class Gpg:
    """A GnuPG home with one key pair, and the store for what it signs."""

    def __init__(self, platform, store):
        self.platform = platform
        # Short, since the agent's socket lies in it.
        self.home = tempfile.mkdtemp(prefix='gpg')
        self.store = store
        self.run('gpg', '--batch', '--quiet', '--passphrase', '',
                 '--quick-generate-key', 'ci@example.com', 'rsa2048',
                 'sign', 'never')
        self.key = self.run('gpg', '--armor', '--export')
        self.fingerprint = next(
            line.split(':')[9] for line in self.run(
                'gpg', '--with-colons', '--fingerprint').splitlines()
            if line.startswith('fpr:'))
        with open(os.path.join(self.home, 'store.yaml'), 'w',
                  encoding='utf-8') as out:
            out.write('docker: {%s: {lookaside-staging: "file://%s"}}\n' % (
                platform.registry, store))

    def run(self, *command):
        return self.platform.does('env', 'GNUPGHOME=' + self.home, *command)

    def sign(self, name):
        self.run('skopeo', '--registries.d', self.home, 'copy', '--quiet',
                 '--authfile', self.platform.environment['dockerConfig'],
                 '--sign-by', self.fingerprint, 'docker://' + name,
                 'docker://' + name)

    def close(self):
        self.run('gpgconf', '--kill', 'all')
        shutil.rmtree(self.home)


@pytest.fixture(scope='module')
def store(protected, tmp_path_factory):
    """A signature store beside the registry; return its directory."""
    directory = str(tmp_path_factory.mktemp('store'))
    pki = os.path.join(os.path.dirname(protected.environment['bin']), 'pki')
    server = subprocess.Popen(
        [sys.executable, '-m', 'portieris_app', 'lab', 'exec', '--',
         sys.executable, '-c', SERVE, directory,
         os.path.join(pki, 'registry.crt'), os.path.join(pki, 'registry.key'),
         protected.environment['nodeIP']],
        stdout=subprocess.PIPE, text=True)
    assert server.stdout.readline() == 'serving\n'
    yield directory
    server.terminate()
    server.wait(timeout=10)
    server.stdout.close()


@pytest.fixture
def gpg(protected, store):
    signer = Gpg(protected, store)
    yield signer
    signer.close()


class Cosign:
    """The real cosign with one key pair, asking nobody outside the lab."""

    def __init__(self, platform, directory):
        self.platform, self.directory = platform, directory
        self.run('generate-key-pair')
        with open(os.path.join(directory, 'cosign.pub'),
                  encoding='ascii') as key:
            self.key = key.read()

    def run(self, *words):
        environment = self.platform.environment
        return self.platform.lab(
            'exec', '--', 'env', '-C', self.directory, 'COSIGN_PASSWORD=',
            'HOME=' + self.directory, 'SSL_CERT_FILE=' + environment['ca'],
            'DOCKER_CONFIG=' + os.path.dirname(environment['dockerConfig']),
            COSIGN, *words)

    def sign(self, name, *flags):
        self.run('sign', '--key', 'cosign.key', '-y',
                 '--use-signing-config=false', '--tlog-upload=false', *flags,
                 '%s@%s' % (name.rsplit(':', 1)[0],
                            self.platform.digest(name)))


@pytest.fixture
def cosign(protected, tmp_path):
    if not os.path.exists(COSIGN):
        pytest.skip('cosign is not built: make build/bin/cosign3')
    return Cosign(protected, str(tmp_path))


class Notation:
    """The real notation with a signer who vouches for himself."""

    def __init__(self, platform, directory):
        self.platform, self.directory = platform, directory
        self.run('cert', 'generate-test', '--default', 'ci')
        with open(os.path.join(directory, 'notation', 'localkeys', 'ci.crt'),
                  encoding='ascii') as certificate:
            self.key = certificate.read()

    def run(self, *words):
        environment = self.platform.environment
        return self.platform.lab(
            'exec', '--', 'env', '-C', self.directory,
            'HOME=' + self.directory, 'XDG_CONFIG_HOME=' + self.directory,
            'SSL_CERT_FILE=' + environment['ca'],
            'NOTATION_USERNAME=' + environment['registryUser'],
            'NOTATION_PASSWORD=' + environment['registryPassword'],
            NOTATION, *words)

    def sign(self, name, *flags):
        self.run('sign', *flags, '%s@%s' % (name.rsplit(':', 1)[0],
                                            self.platform.digest(name)))


@pytest.fixture
def notation(protected, tmp_path):
    if not os.path.exists(NOTATION):
        pytest.skip('notation is not built: make build/bin/notation')
    return Notation(protected, str(tmp_path))


def key_secret(namespace, name, key):
    return {'apiVersion': 'v1', 'kind': 'Secret',
            'metadata': {'name': name, 'namespace': namespace},
            'stringData': {'key': key}}


def requiring(platform, namespace, kind, **more):
    return policy(namespace, {
        'name': platform.registry + '/*',
        'policy': dict({'simple': {
            'requirements': [{'type': kind, 'keySecret': 'keys'}],
            'storeURL': STORE}}, **more)})


def runs(platform, namespace, name):
    """Assert that a pod of the image starts, and runs the digest signed."""
    platform.settles(pod('signed', namespace, name),
                     lambda answer: answer.status == 0)
    platform.wait('pod/signed', 'condition=Ready', namespace)
    running = platform.get('pod', 'signed', namespace)
    digest = platform.digest(name)
    assert running['spec']['containers'][0]['image'].endswith('@' + digest)
    assert running['status']['containerStatuses'][0]['imageID'].endswith(
        digest)


def denied(platform, namespace, name, code):
    """Assert that the image is denied for that reason."""
    platform.settles(pod('denied', namespace, name), lambda answer:
                     answer.status == 1 and code in answer.text)


def test_image_signed_with_gpg_runs_from_its_digest(
        protected, namespace, gpg):
    signed, unsigned = protected.image(), protected.image()
    gpg.sign(signed)
    protected.apply(key_secret(namespace, 'keys', gpg.key),
                    requiring(protected, namespace, 'signedBy'))
    denied(protected, namespace, unsigned, 'NOT-SIGNED')
    runs(protected, namespace, signed)


def test_image_signed_with_another_gpg_key_is_denied(
        protected, namespace, gpg, store):
    signed = protected.image()
    gpg.sign(signed)
    other = Gpg(protected, store)
    try:
        protected.apply(key_secret(namespace, 'keys', other.key),
                        requiring(protected, namespace, 'signedBy'))
        denied(protected, namespace, signed, 'SIGNATURE-REFUSED')
    finally:
        other.close()


@pytest.mark.parametrize('flags', [[], ['--new-bundle-format=false']],
                         ids=['bundle', 'tag'])
def test_image_signed_with_cosign_runs_from_its_digest(
        protected, namespace, cosign, flags):
    signed, unsigned = protected.image(), protected.image()
    cosign.sign(signed, *flags)
    protected.apply(key_secret(namespace, 'keys', cosign.key),
                    requiring(protected, namespace, 'sigstoreSigned'))
    denied(protected, namespace, unsigned, 'NOT-SIGNED')
    runs(protected, namespace, signed)


def test_image_must_have_both_signatures_if_both_are_required(
        protected, namespace, cosign):
    both, one = protected.image(signed=True), protected.image(signed=True)
    cosign.sign(both)
    protected.apply(
        key_secret(namespace, 'keys', cosign.key),
        requiring(protected, namespace, 'sigstoreSigned', trust={
            'enabled': True, 'trustServer': protected.trust_server}))
    denied(protected, namespace, one, 'NOT-SIGNED')
    runs(protected, namespace, both)


@pytest.mark.parametrize('envelope', ['jws', 'cose'])
def test_image_signed_with_notation_runs_from_its_digest(
        protected, namespace, notation, envelope):
    signed, unsigned = protected.image(), protected.image()
    notation.sign(signed, '--signature-format', envelope)
    protected.apply(key_secret(namespace, 'keys', notation.key),
                    requiring(protected, namespace, 'notation'))
    denied(protected, namespace, unsigned, 'NOT-SIGNED')
    runs(protected, namespace, signed)


def test_image_signed_by_another_signer_of_notation_is_denied(
        protected, namespace, notation, tmp_path_factory):
    signed = protected.image()
    notation.sign(signed)
    other = Notation(protected, str(tmp_path_factory.mktemp('other')))
    protected.apply(key_secret(namespace, 'keys', other.key),
                    requiring(protected, namespace, 'notation'))
    denied(protected, namespace, signed, 'SIGNATURE-REFUSED')
