# SPDX-License-Identifier: Apache-2.0
"""image: the admission server's container image, without an engine."""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import tempfile

from portieris_app import checkout
from portieris_app.errors import Failure
from portieris_app import packing
from portieris_app import progress
from portieris_app import versions

REPOSITORY = 'docker.io/starlingx/portieris'
# Where the platform's image service keeps what it mirrored.
PLATFORM_REGISTRY = 'registry.local:9001'

EPILOG = """\
The image is one layer on nothing: the static server, no shell, user 65532.
The tar is an OCI layout that docker loads as well. The same sources and the
same Go give the same bytes, and the digest that is printed.

examples:
  portieris-app image
  portieris-app image --output /tmp/portieris.tar -o json
  skopeo copy oci-archive:dist/portieris-image-2.0.1.tar \\
    docker://registry.local:9001/docker.io/starlingx/portieris:2.0.1
"""


def add_parser(subparsers):
    parser = subparsers.add_parser(
        'image', help="build the admission server's container image",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description='Build the admission server from the sources of this '
                    'checkout and pack it as a container image, without a '
                    'container engine. Needs Go.')
    parser.add_argument('--output', metavar='FILE',
                        help='the tar to write '
                             '(default: dist/portieris-image-X.Y.Z.tar)')
    parser.add_argument('-o', dest='format', choices=('text', 'json'),
                        default='text', help='form of the result')
    parser.set_defaults(run=run)


def run(args):
    result = make(args.output)
    if args.format == 'json':
        print(json.dumps(result, indent=2))
    else:
        print('%(path)s\n  image   %(reference)s\n  digest  %(digest)s\n'
              '  size    %(size)d bytes\n  sha256  %(sha256)s' % result)
    return 0


def make_image(output=None):
    """Build the image and return the path of its tar."""
    return make(output)['path']


def reference():
    """Return the image's name as the chart has it."""
    return '%s:%s' % (REPOSITORY, versions.component(
        versions.of_sources(checkout.root())))


def platform_reference():
    """Return the image's name in the platform's own registry."""
    return '%s/%s' % (PLATFORM_REGISTRY, reference())


def make(output=None):
    """Build the image and return what there is to say about it."""
    name = reference()
    version = name.rpartition(':')[2]
    path = output or os.path.join('dist', 'portieris-image-%s.tar' % version)
    with packing.replacing(path) as new, \
            tempfile.TemporaryDirectory(prefix='portieris-app-') as scratch:
        compile_server(os.path.join(checkout.root(), checkout.ADMISSION),
                       version, scratch)
        with progress.step('pack the image'):
            digest = pack(scratch, name, new)
        with open(new, 'rb') as packed:
            content = packed.read()
    return {'path': path, 'reference': name, 'digest': digest,
            'size': len(content),
            'sha256': hashlib.sha256(content).hexdigest()}


def compile_server(module, version, scratch):
    if not shutil.which('go'):
        raise Failure('The image needs Go 1.26 or later, and there is no '
                      '"go" on the PATH.')
    # -mod and GOAMD64 pin what a user's settings could change.
    env = dict(os.environ, CGO_ENABLED='0', GOFLAGS='-mod=readonly',
               GOAMD64='v1', GOWORK='off')
    progress.run(
        ['go', 'build', '-trimpath', '-buildvcs=false',
         '-tags', 'containers_image_openpgp',
         '-ldflags', '-s -w -buildid= -X main.version=' + version,
         '-o', scratch + os.sep, './cmd/portieris', './cmd/portieris-image'],
        'compile the admission server', cwd=module, env=env)


def pack(scratch, name, path):
    done = subprocess.run(
        [os.path.join(scratch, 'portieris-image'),
         '-binary', os.path.join(scratch, 'portieris'), '-reference', name,
         '-output', path, '-epoch', str(packing.epoch())],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise Failure('The image was not packed: %s' % done.stderr.strip())
    return done.stdout.strip()
