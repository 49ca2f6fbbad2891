# SPDX-License-Identifier: Apache-2.0
"""A registry and a signature store with TLS of a private authority."""

import contextlib
import datetime
import functools
import http.server
import ipaddress
import pathlib
import socket
import ssl
import subprocess
import threading
import time

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization
from cryptography import x509

SECONDS = 20
CONFIG = """\
version: 0.1
storage: {filesystem: {rootdirectory: %(folder)s/images}}
http:
  addr: 127.0.0.1:%(port)d
  tls: {certificate: %(folder)s/tls.crt, key: %(folder)s/tls.key}
"""


def certify(folder):
    """Write tls.crt and tls.key, and the authority's ca.pem."""
    names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
             for name in ('authority', 'localhost')]
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in names]
    now = datetime.datetime.now(datetime.timezone.utc)
    alternatives = x509.SubjectAlternativeName(
        [x509.DNSName('localhost'),
         x509.IPAddress(ipaddress.ip_address('127.0.0.1'))])
    for name, key, is_authority, path in (
            (names[0], keys[0], True, 'ca.pem'),
            (names[1], keys[1], False, 'tls.crt')):
        certificate = x509.CertificateBuilder().subject_name(
            name).issuer_name(names[0]).public_key(
            key.public_key()).serial_number(
            x509.random_serial_number()).not_valid_before(
            now - datetime.timedelta(hours=1)).not_valid_after(
            now + datetime.timedelta(days=1)).add_extension(
            x509.BasicConstraints(is_authority, None), True).add_extension(
            alternatives, False).sign(keys[0], hashes.SHA256())
        (folder / path).write_bytes(certificate.public_bytes(
            serialization.Encoding.PEM))
    (folder / 'tls.key').write_bytes(keys[1].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()))


@contextlib.contextmanager
def registry(folder):
    """Run a registry; yield its host and port."""
    with socket.create_server(('127.0.0.1', 0)) as free:
        port = free.getsockname()[1]
    config = pathlib.Path(folder, 'registry.yml')
    config.write_text(CONFIG % {'folder': folder, 'port': port})
    with open(folder / 'registry.log', 'wb') as log, subprocess.Popen(
            ['docker-registry', 'serve', config], stdout=log,
            stderr=log) as process:
        try:
            wait_for(port, process)
            yield 'localhost:%d' % port
        finally:
            process.terminate()


def wait_for(port, process):
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            socket.create_connection(('127.0.0.1', port), 1).close()
            return
        except OSError:
            assert process.poll() is None, 'the registry ended'
            assert time.monotonic() < deadline, 'the registry does not start'


class Quiet(http.server.SimpleHTTPRequestHandler):

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def store(folder, certificates):
    """Serve the files of a signature store; yield its URL."""
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0),
                                         handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates / 'tls.crt',
                                certificates / 'tls.key')
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield 'https://localhost:%d' % server.server_port
        finally:
            server.shutdown()
            thread.join()
