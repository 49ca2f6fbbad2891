# SPDX-License-Identifier: Apache-2.0
"""release: everything that is published, with checksums and signatures."""

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import tempfile

from portieris_app import build
from portieris_app import checkout
from portieris_app.errors import Failure
from portieris_app import image
from portieris_app import packages
from portieris_app import packing
from portieris_app import progress
from portieris_app import sbom
from portieris_app import versions

SUMS = 'SHA256SUMS'
SIGNATURE = '.asc'
# No transparency log, no time stamps, no public roots: a key alone.
SIGNING_CONFIG = ('{"mediaType":"application/vnd.dev.sigstore.signingconfig'
                  '.v0.2+json","rekorTlogConfig":{},"tsaConfig":{}}\n')
TRUSTED_ROOT = ('{"mediaType":"application/vnd.dev.sigstore.trustedroot'
                '+json;version=0.1"}\n')
# A store for signatures, in the words of old and new skopeo.
STORE = 'default-docker:\n  sigstore-staging: %s\n'

EPILOG = """\
Builds tarball, image and bill of materials, and SHA256SUMS over them. A GPG
key signs the checksums. With --push the image goes to a registry and is
signed there: by GPG into the signature store of --store, and by cosign 3
beside the image. Nothing asks the internet. Credentials are those of the
Docker configuration; the password of the cosign key is read from
COSIGN_PASSWORD.

examples:
  portieris-app release
  portieris-app release --packages deb --packages rpm
  portieris-app release --gpg-key release@example.com \\
    --push registry.example.com/starlingx/portieris:2.0.1 \\
    --cosign-key cosign.key --ca registry-ca.pem
"""


def add_parser(subparsers):
    parser = subparsers.add_parser(
        'release', help='build, sum up and sign what is published',
        epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
        description='Build everything that is published; sign it if keys '
                    'are named.')
    parser.add_argument('--output', metavar='FOLDER', default='dist',
                        help='where all of it goes (default: dist)')
    parser.add_argument('--packages', action='append', default=[],
                        choices=sorted(packages.PROGRAMS),
                        help='also build these packages; can be repeated')
    parser.add_argument('--gpg-key', metavar='KEY',
                        help='GPG key that signs checksums and image')
    parser.add_argument('--push', metavar='REGISTRY/NAME:TAG',
                        help='copy the image to this name and sign it there')
    parser.add_argument('--cosign-key', metavar='FILE',
                        help='private key of cosign that signs the image')
    parser.add_argument('--ca', metavar='FILE',
                        help="PEM file of the registry's authority")
    parser.add_argument('--store', metavar='FOLDER',
                        help='signature store for GPG signatures of images '
                             '(default: signatures in the output)')
    parser.add_argument('-o', dest='format', choices=('text', 'json'),
                        default='text', help='form of the result')
    parser.set_defaults(run=run)


def run(args):
    if args.cosign_key and not args.push:
        raise Failure('--cosign-key signs an image in a registry: name it '
                      'with --push.')
    if args.push and not (args.cosign_key or args.gpg_key):
        raise Failure('--push is for an image that is signed: name a key '
                      'with --gpg-key, --cosign-key or both.')
    # Before minutes of building, and not after.
    gpg = args.gpg_key and program('gpg', 'Debian package gpg')
    skopeo = args.push and program('skopeo', 'Debian package skopeo')
    cosign = args.cosign_key and find_cosign()
    made, digest = make(args.output, args.packages)
    with tempfile.TemporaryDirectory(prefix='portieris-app-') as scratch:
        if args.gpg_key:
            made.append(sign_sums(gpg, args.gpg_key, args.output))
        if args.push:
            push(skopeo, args, made[1], scratch)
        if args.cosign_key:
            cosign_image(cosign, args, digest, scratch)
    pushed = '%s@%s' % (name_only(args.push), digest) if args.push else None
    if args.format == 'json':
        print(json.dumps({
            'files': [{'path': path, 'sha256': sha256(path)}
                      for path in made],
            'image_digest': digest, 'pushed': pushed}, indent=2))
    else:
        print('\n'.join(made + ([pushed] if pushed else [])))
    return 0


def program(name, hint):
    found = shutil.which(name)
    if not found:
        raise Failure('Signing needs %s (%s), which is not on the PATH.' % (
            name, hint))
    return found


def find_cosign():
    built = os.path.join(checkout.package_parent(), 'build', 'bin',
                         'cosign3')
    if os.access(built, os.X_OK):
        return built
    return program('cosign', 'version 3; "make build/bin/cosign3" builds it')


def make(output, kinds=()):
    """Build what is published; return the paths and the image's digest."""
    version = versions.of_sources(checkout.root())
    made = [build.make_tarball(output)]
    packed = image.make(os.path.join(
        output, 'portieris-image-%s.tar' % versions.component(version)))
    made.append(packed['path'])
    made.append(sbom.make(made[0], packed['path'], sbom.beside(made[0])))
    for kind in kinds:
        made += packages.make(kind, output)
    sums = os.path.join(output, SUMS)
    with contextlib.suppress(FileNotFoundError):
        os.remove(sums + SIGNATURE)  # it was of other sums
    with packing.replacing(sums) as new:
        build.put('', new, ''.join(
            '%s  %s\n' % (sha256(path), os.path.basename(path))
            for path in sorted(made, key=os.path.basename)).encode())
    return made + [sums], packed['digest']


def sha256(path):
    return hashlib.sha256(packing.read('', path)).hexdigest()


def sign_sums(gpg, key, output):
    sums = os.path.join(output, SUMS)
    with packing.replacing(sums + SIGNATURE) as new:
        progress.run(
            [gpg, '--batch', '--yes', '--local-user', key, '--armor',
             '--output', new, '--detach-sign', sums],
            'sign the checksums')
    return sums + SIGNATURE


def name_only(reference):
    """Return an image's name without its tag."""
    before, _, last = reference.rpartition('/')
    return '/'.join(filter(None, [before, last.partition(':')[0]]))


def push(skopeo, args, tar, scratch):
    """Copy the image, with a GPG signature if there is a key for it."""
    command = [skopeo, '--insecure-policy']
    options = []
    if args.gpg_key:
        store = os.path.abspath(args.store or os.path.join(
            args.output, 'signatures'))
        folder = os.path.join(scratch, 'registries.d')
        build.put(folder, 'store.yaml',
                  (STORE % ('file://' + store)).encode())
        command += ['--registries.d', folder]
        options += ['--sign-by', args.gpg_key]
    if args.ca:
        authorities = os.path.join(scratch, 'certs')
        os.mkdir(authorities)
        try:
            shutil.copy(args.ca, os.path.join(authorities, 'ca.crt'))
        except OSError as error:
            raise Failure('Cannot read %s: %s.' % (
                args.ca, error.strerror)) from error
        options += ['--dest-cert-dir', authorities]
    config = os.path.join(
        os.environ.get('DOCKER_CONFIG') or os.path.expanduser('~/.docker'),
        'config.json')
    if os.path.exists(config):
        options += ['--authfile', config]
    progress.run(
        [*command, 'copy', *options, 'oci-archive:' + tar,
         'docker://' + args.push],
        'copy the image to %s' % args.push)


def cosign_image(cosign, args, digest, scratch):
    for name, content in (('signing-config.json', SIGNING_CONFIG),
                          ('trusted-root.json', TRUSTED_ROOT)):
        build.put(scratch, name, content.encode())
    command = [
        cosign, 'sign', '--yes', '--key', args.cosign_key,
        '--signing-config', os.path.join(scratch, 'signing-config.json'),
        '--trusted-root', os.path.join(scratch, 'trusted-root.json')]
    if args.ca:
        command += ['--registry-cacert', args.ca]
    progress.run(
        command + ['%s@%s' % (name_only(args.push), digest)],
        'sign the image with cosign')
