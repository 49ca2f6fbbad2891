# SPDX-License-Identifier: Apache-2.0
"""Images: the shapes that are found, their names, and the registry."""

import datetime
import http.server
import ipaddress
import ssl
import threading

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization
from cryptography import x509
import pytest

from stx_system.errors import Failed
from stx_system import images
from stx_system.release import Release

MASTER = Release('master')


@pytest.mark.parametrize('values, found', (
    ({'images': {'tags': {'a': 'docker.io/a/b:1'}}}, ['docker.io/a/b:1']),
    ({'images': {'a': 'docker.io/a/b:1'}}, ['docker.io/a/b:1']),
    ({'deep': {'er': {'image': 'docker.io/a/b:1'}}}, ['docker.io/a/b:1']),
    ({'image': {'repository': 'docker.io/a/b', 'tag': '1'}},
     ['docker.io/a/b:1']),
    ({'image': {'registry': 'r.io', 'repository': 'a/b', 'tag': '1'}},
     ['r.io/a/b:1']),
    ({'image': 'docker.io/a/b', 'imageTag': '1'}, ['docker.io/a/b:1']),
    ({'Image': 'docker.io/a/b', 'tag': '1'}, ['docker.io/a/b:1']),
    ({'image': {'repository': '', 'tag': ''}}, []),
    ({'image': {'repository': 'docker.io/a/b', 'tag': 1.0}}, []),
    ({'image': 'b:1'}, []),
    ({'list': [{'image': 'docker.io/a/b:1'}]}, []),
    (None, []),
))
def test_shapes_that_name_an_image(values, found):
    assert images.references(images.find(values, MASTER)) == found


def test_a_registry_of_its_own_counts_from_10_on():
    values = {'image': {'registry': 'r.io', 'repository': 'a/b', 'tag': '1'}}
    assert images.references(images.find(values, Release('9.0'))) == ['a/b:1']


@pytest.mark.parametrize('release, found', (
    ('12.0', {'image': {'tag': '1'}}),
    ('master', {'image': {'image': 'portieris', 'tag': '1'}})))
def test_an_image_below_an_image_is_taken_by_master_alone(release, found):
    values = {'image': {'host': 'icr.io', 'image': 'portieris', 'tag': '1'}}
    assert images.find(values, Release(release)) == found


def test_a_tag_stays_as_it_is_where_names_are_prefixed():
    assert images.with_local_registry({'image': {
        'repository': 'docker.io/a/b', 'tag': '1'}}) == {'image': {
            'repository': 'registry.local:9001/docker.io/a/b', 'tag': '1'}}


@pytest.mark.parametrize('name, local', (
    ('a/b:1', 'registry.local:9001/docker.io/a/b:1'),
    ('docker.io/a/b:1', 'registry.local:9001/docker.io/a/b:1'),
    ('registry.local:9001/docker.io/a/b:1',
     'registry.local:9001/docker.io/a/b:1'),
    ('r.example.com:5000/a:1', 'r.example.com:5000/a:1'),
))
def test_names_below_the_local_registry(name, local):
    assert images.local(name) == local


class Answers(http.server.BaseHTTPRequestHandler):
    """A registry with one image, for one person."""

    def do_HEAD(self):
        if self.headers.get('Authorization') != 'Basic bWU6c2VjcmV0':
            status = 401
        elif self.path == '/v2/docker.io/a/b/manifests/1':
            status = 200
        else:
            status = 404
        self.send_response(status)
        self.end_headers()

    def log_message(self, *args):
        """Keep quiet."""


@pytest.fixture(scope='module')
def authority(tmp_path_factory):
    """A certificate for 127.0.0.1 that is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, 'test')])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name)
        .public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(True, None), True)
        .add_extension(x509.SubjectAlternativeName([
            x509.IPAddress(ipaddress.ip_address('127.0.0.1'))]), False)
        .sign(key, hashes.SHA256()))
    path = tmp_path_factory.mktemp('authority') / 'both.pem'
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()))
    return str(path)


@pytest.fixture(scope='module')
def registry_host(authority):
    server = http.server.HTTPServer(('127.0.0.1', 0), Answers)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield '127.0.0.1:%d' % server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_image_that_is_there_is_no_matter(authority, registry_host):
    images.Registry('me', 'secret', authority).require(
        [registry_host + '/docker.io/a/b:1'])


def test_a_missing_image_says_how_to_push_it(authority, registry_host):
    reference = registry_host + '/docker.io/a/c:1'
    with pytest.raises(Failed) as failure:
        images.Registry('me', 'secret', authority).require([reference])
    assert str(failure.value) == (
        'images download failed: %s is not in the registry. Push it with '
        '"portieris-app lab push --tar FILE %s".' % (reference, reference))


def test_refused_credentials_are_no_missing_image(authority, registry_host):
    with pytest.raises(Failed, match='answered 401'):
        images.Registry('me', 'wrong', authority).require(
            [registry_host + '/docker.io/a/b:1'])


def test_a_registry_of_another_authority_is_not_believed(registry_host):
    with pytest.raises(Failed, match='images download failed'):
        images.Registry('me', 'secret').require(
            [registry_host + '/docker.io/a/b:1'])
