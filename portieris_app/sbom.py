# SPDX-License-Identifier: Apache-2.0
"""sbom: what tarball and image are made of, as CycloneDX JSON."""

import argparse
import ast
import datetime
import gzip
import hashlib
import io
import json
import os
import posixpath
import shutil
import subprocess
import tarfile
import tempfile
import urllib.parse
import uuid

from portieris_app import build
from portieris_app import checkout
from portieris_app.errors import Failure
from portieris_app import licenses
from portieris_app import packing
from portieris_app.verifying import package as packages
from portieris_app.verifying import Wrong
from portieris_app import versions

SUFFIX = '.cdx.json'
LICENSE = [{'license': {'id': 'Apache-2.0'}}]
# Modules that the platform has and the plugin imports.
PLATFORM = {'cryptography': 'cryptography', 'kubernetes': 'kubernetes',
            'oslo_log': 'oslo.log', 'six': 'six', 'yaml': 'PyYAML'}

EPILOG = """\
Covers the tarball, its wheel and chart, the image, the server in it and every
Go module that was linked in, as the server itself tells, with its license as
Go's cache has it. What the platform brings, and what only builds, is marked
so. The same files give the same bytes, and nothing is fetched.

examples:
  portieris-app sbom
  portieris-app sbom --tarball dist/portieris-2.0-1.tgz \\
    --image dist/portieris-image-2.0.1.tar --output /tmp/portieris.cdx.json
"""


def add_parser(subparsers):
    parser = subparsers.add_parser(
        'sbom', help='write the software bill of materials', epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description='Write the software bill of materials of a tarball and '
                    'an image that were built, in CycloneDX 1.6. Needs Go.')
    parser.add_argument('--tarball', metavar='FILE',
                        help='default: dist/portieris-X.Y-Z.tgz')
    parser.add_argument('--image', metavar='FILE',
                        help='default: dist/portieris-image-X.Y.Z.tar')
    parser.add_argument('--output', metavar='FILE',
                        help="default: beside the tarball, with the suffix "
                             '%s' % SUFFIX)
    parser.add_argument('-o', dest='format', choices=('text', 'json'),
                        default='text', help='form of the result')
    parser.set_defaults(run=run)


def run(args):
    version = versions.of_sources(checkout.root())
    tarball = args.tarball or 'dist/portieris-%s.tgz' % version
    path = make(tarball, args.image or 'dist/portieris-image-%s.tar'
                % versions.component(version),
                args.output or beside(tarball))
    print(path if args.format == 'text'
          else json.dumps({'path': path}, indent=2))
    return 0


def beside(tarball):
    """Return where the bill of a tarball is kept."""
    return (tarball[:-len('.tgz')] if tarball.endswith('.tgz')
            else tarball) + SUFFIX


def make(tarball, image_tar, output):
    """Write the bill of tarball and image; return its path."""
    bill = describe(tarball, image_tar)
    with packing.replacing(output) as new:
        with open(new, 'w', encoding='utf-8') as target:
            json.dump(bill, target, indent=2, sort_keys=True)
            target.write('\n')
    return output


def describe(tarball, image_tar):
    """Return the bill of tarball and image, as CycloneDX has it."""
    try:
        package = packages.Package(tarball)
        top, *parts = of_tarball(package)
    except Wrong as wrong:
        raise Failure('%s: %s. Build it with "portieris-app build".' % (
            tarball, '; '.join(wrong.args))) from wrong
    platform = of_platform(package)
    container, server, modules = of_image(image_tar)
    builders = [python(*one.split('=='), scope='excluded',
                       why='builds the wheel; not shipped')
                for one in build.WHEEL_BUILDERS]
    wheel, chart = parts
    links = [
        (top, [wheel, chart, container]), (wheel, platform),
        (chart, [container]), (container, [server]), (server, modules)]
    components = [*parts, container, server, *modules, *platform, *builders]
    bill = {
        'bomFormat': 'CycloneDX', 'specVersion': '1.6', 'version': 1,
        'metadata': {
            'timestamp': datetime.datetime.fromtimestamp(
                packing.epoch(), datetime.timezone.utc).strftime(
                    '%Y-%m-%dT%H:%M:%SZ'),
            'component': top,
            'tools': {'components': [{
                'type': 'application', 'name': 'portieris-app',
                'version': versions.component(top['version'])}]}},
        'components': sorted(components, key=reference),
        'dependencies': sorted(
            ({'ref': reference(one),
              'dependsOn': sorted(map(reference, others))}
             for one, others in links), key=lambda link: link['ref'])}
    # The bill of the same things has the same name.
    digest = json.dumps(bill, sort_keys=True)
    return dict(bill, serialNumber='urn:uuid:%s' % uuid.uuid5(
        uuid.NAMESPACE_URL, 'portieris:' + digest))


def reference(component):
    return component['bom-ref']


def component(kind, name, version, purl, **more):
    found = {'type': kind, 'bom-ref': purl, 'name': name,
             'version': version, 'purl': purl}
    found.update((key, value) for key, value in more.items() if value)
    return found


def sha256(content):
    return [{'alg': 'SHA-256', 'content': hashlib.sha256(
        content).hexdigest()}]


def python(name, version=None, scope='required', why=''):
    purl = 'pkg:pypi/%s' % name.lower()
    found = component('library', name, version,
                      purl + ('@' + version if version else ''), scope=scope,
                      description=why)
    if not version:
        del found['version']
    return found


def of_tarball(package):
    """Return the components of application, wheel and chart."""
    version = str(package.metadata.get('app_version'))
    name = str(package.metadata.get('app_name'))
    found = [component(
        'application', name, version, 'pkg:generic/%s@%s' % (name, version),
        hashes=sha256(package.packed), licenses=LICENSE,
        description='Application for StarlingX: ' + package.name)]
    for path in package.below('plugins', '.whl'):
        base = posixpath.basename(path).split('-')
        distribution = base[0].replace('_', '-')
        found.append(component(
            'library', distribution, base[1],
            'pkg:pypi/%s@%s' % (distribution, base[1]),
            hashes=sha256(package.files[path]), licenses=LICENSE,
            scope='required', description='Plugins of sysinv: ' + path))
    for path in package.below('charts', '.tgz'):
        base, _, chart_version = posixpath.basename(
            path)[:-len('.tgz')].rpartition('-')
        found.append(component(
            'application', base, chart_version,
            'pkg:helm/%s@%s' % (base, chart_version),
            hashes=sha256(package.files[path]), licenses=LICENSE,
            scope='required', description='Helm chart: ' + path))
    if len(found) != 3:
        raise Wrong('expected one wheel and one chart in it')
    return found


def of_platform(package):
    """Return what the plugin imports and the platform brings."""
    imported = set()
    for path in package.below('plugins', '.whl'):
        for name, content in package.wheel(path).items():
            if name.endswith('.py') and '/tests/' not in name:
                imported |= imports(content)
    return [python(PLATFORM[name], why='brought by the platform; not shipped')
            for name in sorted(imported & set(PLATFORM))]


def imports(source):
    """Return the top-level names that a module imports."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split('.')[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module.split('.')[0])
    return found


def of_image(path):
    """Return the components of image, server and linked Go modules."""
    try:
        with tarfile.open(path) as archive:
            entry, = json.load(archive.extractfile('index.json'))['manifests']
            tags, = json.load(archive.extractfile('manifest.json'))
            layer, = tags['Layers']
            packed = archive.extractfile(layer).read()
            tag, = tags['RepoTags']
        server = binary(packed)
    except (OSError, KeyError, ValueError, tarfile.TarError) as error:
        raise Failure(
            '%s is not the image that "portieris-app image" makes: %s.' % (
                path, ' '.join(str(error).split()))) from error
    repository, _, version = tag.rpartition(':')
    digest = entry['digest']
    query = urllib.parse.urlencode(
        {'repository_url': repository, 'tag': version})
    container = component(
        'container', repository, version,
        'pkg:oci/%s@%s?%s' % (posixpath.basename(repository),
                              urllib.parse.quote(digest, safe=''), query),
        hashes=[{'alg': 'SHA-256', 'content': digest.partition(':')[2]}],
        licenses=LICENSE, scope='required')
    info = build_information(server)
    linked = [one.get('Replace') or one for one in info['Deps']]
    found = licenses.of_modules(
        ['%(Path)s@%(Version)s' % one for one in linked])
    modules = [module(one, found['%(Path)s@%(Version)s' % one])
               for one in linked]
    modules.append(component(
        'library', 'std', info['GoVersion'][2:],
        'pkg:golang/std@' + info['GoVersion'][2:], scope='required',
        licenses=[{'expression': 'BSD-3-Clause'}],
        description="Go's standard library"))
    return container, component(
        'application', info['Main']['Path'], version,
        'pkg:golang/%s@%s' % (info['Main']['Path'], version),
        hashes=sha256(server), licenses=LICENSE, scope='required'), modules


def binary(layer):
    """Return the server's bytes out of the image's one layer."""
    if layer[:2] == b'\x1f\x8b':
        layer = gzip.decompress(layer)
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        return archive.extractfile(next(
            one for one in archive
            if posixpath.basename(one.name) == 'portieris' and one.isfile()
        )).read()


def build_information(server):
    """Return what the Go linker wrote into the server."""
    if not shutil.which('go'):
        raise Failure('The bill of materials needs Go, which reads from the '
                      'server what was linked into it.')
    with tempfile.TemporaryDirectory(prefix='portieris-app-') as scratch:
        path = os.path.join(scratch, 'portieris')
        with open(path, 'wb') as target:
            target.write(server)
        done = subprocess.run(
            ['go', 'version', '-m', '-json', path], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
    try:
        return json.loads(done.stdout)
    except ValueError as error:
        raise Failure('"go version -m -json" cannot tell what the server is '
                      'made of: %s' % done.stderr.strip()) from error


def module(one, license_expression):
    version = one['Version']
    return component(
        'library', one['Path'], version,
        'pkg:golang/%s@%s' % (one['Path'],
                              urllib.parse.quote(version, safe='')),
        scope='required', licenses=[{'expression': license_expression}],
        properties=[{'name': 'go:sum', 'value': one['Sum']}]
        if 'Sum' in one else [])
