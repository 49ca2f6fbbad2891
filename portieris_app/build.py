# SPDX-License-Identifier: Apache-2.0
"""build: the tarball that ``system application-upload`` takes."""

import argparse
import fnmatch
import hashlib
import json
import os
import pathlib
import posixpath
import shutil
import subprocess
import sys
import tempfile

from portieris_app import checkout
from portieris_app.errors import Failure
from portieris_app import packing
from portieris_app import progress
from portieris_app import versions

# Other builders write other bytes: these make every wheel.
WHEEL_BUILDERS = ('pbr==7.1.3', 'setuptools==80.9.0')

WHEEL_NAME = 'k8sapp_portieris-%s-py2.py3-none-any.whl'

EPILOG = """\
The same sources give the same bytes, whatever the folder, umask, clock or
git history. SOURCE_DATE_EPOCH sets the date of the members.

examples:
  portieris-app build
  portieris-app build --app-version 2.0-2 --output /tmp/out
  portieris-app build -o json
"""


def add_parser(subparsers):
    parser = subparsers.add_parser(
        'build', help='build the application tarball', epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description='Build portieris-X.Y-Z.tgz from the sources of this '
                    'checkout: metadata, chart, plugin wheel, armada and '
                    'FluxCD manifests, checksums.')
    parser.add_argument('--output', metavar='FOLDER', default='dist',
                        help='where the tarball goes (default: dist)')
    parser.add_argument('--app-version', metavar='X.Y-Z', type=app_version,
                        help='build this version instead of the one in '
                             'metadata.yaml; the sources stay as they are')
    parser.add_argument('--wheel', metavar='FILE',
                        help='put this wheel of the plugin in, instead of '
                             'building it, as the packages do')
    parser.add_argument('-o', dest='format', choices=('text', 'json'),
                        default='text', help='form of the result')
    parser.set_defaults(run=run)


def app_version(text):
    if not versions.is_app_version(text):
        raise argparse.ArgumentTypeError(
            '"%s" is not of the form X.Y-Z, for example 2.0-1; StarlingX '
            'removes the plugins of any other version' % text)
    return text


def run(args):
    result = make(args.output, args.app_version, args.wheel)
    if args.format == 'json':
        print(json.dumps(result, indent=2))
    else:
        print('%(path)s\n  size    %(size)d bytes\n  sha256  %(sha256)s'
              % result)
    return 0


def make_tarball(output='dist', wanted_version=None):
    """Build the tarball and return its path."""
    return make(output, wanted_version)['path']


def make(output, wanted_version, ready_wheel=None):
    """Build the tarball and return what there is to say about it."""
    with tempfile.TemporaryDirectory(prefix='portieris-app-') as scratch:
        version, content, names = build(checkout.root(), scratch,
                                        wanted_version, ready_wheel)
    path = os.path.join(output, 'portieris-%s.tgz' % version)
    with packing.replacing(path) as new:
        with open(new, 'wb') as target:
            target.write(content)
    return {'path': path, 'app_version': version,
            'component_version': versions.component(version),
            'size': len(content),
            'sha256': hashlib.sha256(content).hexdigest(), 'files': names}


def build(source, scratch, wanted_version, ready_wheel=None, when=None):
    """Return version, bytes and file names of the tarball."""
    when = packing.epoch() if when is None else when
    staging = os.path.join(scratch, 'staging')
    with progress.step('stage the sources'):
        version = stage(source, staging, wanted_version)
    chart = os.path.join(staging, 'chart')
    package = os.path.join(scratch, 'package')
    shutil.copytree(staging, package,
                    ignore=shutil.ignore_patterns('chart'))
    with progress.step('pack the chart'):
        put(package, 'charts/portieris-%s.tgz' % versions.component(version),
            chart_archive(chart, 'portieris', when))
    if ready_wheel:
        name, content = taken_wheel(ready_wheel,
                                    versions.component(version))
    else:
        with progress.step('build the plugin wheel'):
            name, content = wheel(os.path.join(source, checkout.PLUGIN),
                                  scratch, versions.component(version), when)
    put(package, 'plugins/' + name, content)
    with progress.step('pack the tarball'):
        put(package, 'checksum.md5', checksums(package))
        return version, tarball(package, when), packing.files_below(package)


def stage(source, staging, wanted_version):
    """Copy everything but the plugin, at the wanted version."""
    os.mkdir(staging)
    packing.export(os.path.join(source, checkout.FLUXCD_MANIFESTS),
                   os.path.join(staging, 'fluxcd-manifests'))
    chart = os.path.join(source, checkout.CHART)
    packing.export(chart, os.path.join(staging, 'chart'),
                   helmignore(chart))
    for name in (checkout.METADATA, checkout.ARMADA_MANIFEST):
        put(staging, os.path.basename(name), packing.read(source, name))
    version = versions.of_sources(source)
    wrong = versions.disagreements(staging, version)
    if wrong:
        raise Failure('The sources do not agree on their version:\n  %s' %
                      '\n  '.join(wrong))
    if wanted_version:
        versions.stamp(staging, wanted_version)
    return wanted_version or version


def helmignore(chart):
    """Return what the chart's .helmignore leaves out, as helm reads it."""
    try:
        lines = packing.read(chart, '.helmignore').decode().splitlines()
    except FileNotFoundError:
        lines = []
    rules = [line.strip() for line in lines
             if line.strip() and not line.strip().startswith('#')]

    def refused(name, is_folder):
        for rule in rules:
            pattern = rule.strip('/')
            subject = name if '/' in rule.rstrip('/') else \
                posixpath.basename(name)
            if fnmatch.fnmatchcase(subject, pattern) and (
                    is_folder or not rule.endswith('/')):
                return True
        return False

    for rule in rules:
        if rule.startswith('!') or '**' in rule:
            raise Failure('.helmignore: "%s" is beyond what build reads; '
                          'use plain patterns.' % rule)
    return refused


def chart_archive(chart, name, when):
    """Return what ``helm package`` makes, without its clock."""
    return packing.tgz(
        [('%s/%s' % (name, path), packing.read(chart, path), 0o644)
         for path in packing.files_below(chart)], when)


def taken_wheel(path, version):
    """Return file name and bytes of a wheel that was built before."""
    name = os.path.basename(path)
    wanted = WHEEL_NAME % version
    if name != wanted:
        raise Failure('--wheel is %s, and this application holds %s.' % (
            name, wanted))
    try:
        return name, packing.read('', path)
    except OSError as error:
        raise Failure('Cannot read the wheel %s: %s.' % (
            path, error.strerror)) from error


def wheel(plugin, scratch, version, when):
    """Return file name and bytes of the plugin's wheel."""
    tree = os.path.join(scratch, 'plugin')
    packing.export(plugin, tree)
    env = {name: value for name, value in os.environ.items()
           if not name.startswith(('PYTHON', 'PBR_', 'GIT_', 'DISTUTILS'))}
    env.update(
        PBR_VERSION=version, SOURCE_DATE_EPOCH=str(when),
        PYTHONPATH=wheel_builders(), PYTHONHASHSEED='0', LC_ALL='C.UTF-8',
        # No history: pbr would write it into the wheel.
        GIT_DIR=os.path.join(scratch, 'no-git'))
    done = subprocess.run(
        [sys.executable, '-S', 'setup.py', '-q', 'bdist_wheel',
         '--dist-dir', os.path.join(scratch, 'wheel')],
        cwd=tree, env=env, umask=0o022, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    made = [name for name in packing.files_below(
        os.path.join(scratch, 'wheel')) if name.endswith('.whl')]
    if done.returncode or len(made) != 1:
        log = done.stdout.decode(errors='replace').splitlines()
        raise Failure('The wheel of %s did not build; the last lines:\n  %s'
                      % (checkout.PLUGIN, '\n  '.join(log[-15:])))
    return made[0], packing.read(os.path.join(scratch, 'wheel'), made[0])


def cache_folder():
    """Return where things are kept that are fetched once."""
    return os.path.join(
        os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache'),
        'portieris-app')


def wheel_builders():
    """Return a folder with the pinned builders; fetch them once."""
    cache = cache_folder()
    key = hashlib.sha256(' '.join(WHEEL_BUILDERS).encode()).hexdigest()
    folder = os.path.join(cache, 'wheel-builders-' + key[:16])
    if os.path.isdir(folder):
        return folder
    try:
        os.makedirs(cache, exist_ok=True)
        scratch = tempfile.mkdtemp(prefix='.new-', dir=cache)
    except OSError as error:
        raise Failure('Cannot keep the wheel builders in %s: %s. Point '
                      'XDG_CACHE_HOME to a folder of yours.' % (
                          cache, error.strerror)) from error
    try:
        progress.run(
            [sys.executable, '-m', 'pip', 'install', '--no-deps',
             '--disable-pip-version-check', '--target',
             os.path.join(scratch, 'lib'), *WHEEL_BUILDERS],
            'fetch %s from the package index, this once' % ' and '.join(
                WHEEL_BUILDERS))
        try:
            os.rename(os.path.join(scratch, 'lib'), folder)
        except OSError:
            # Another build was faster.
            if not os.path.isdir(folder):
                raise
    finally:
        shutil.rmtree(scratch)
    return folder


def checksums(package):
    """Return what ``md5sum`` says, in the form ``md5sum -c`` reads."""
    lines = []
    for name in packing.files_below(package):
        digest = hashlib.md5(packing.read(package, name),
                             usedforsecurity=False)
        lines.append('%s  ./%s\n' % (digest.hexdigest(), name))
    return ''.join(lines).encode()


def tarball(package, when):
    """Return the bytes of the tarball.

    ``./metadata.yaml`` comes first and every name begins with ``./``: the
    platform reads exactly that member to register a bundle.
    """
    files = packing.files_below(package)
    folders = {str(folder) for name in files
               for folder in pathlib.PurePath(name).parents} - {'.'}
    order = ['metadata.yaml'] + sorted(
        folders | set(files) - {'metadata.yaml'})
    return packing.tgz(
        [('./' + name,
          None if name in folders else packing.read(package, name),
          0o755 if name in folders else 0o644) for name in order], when)


def put(folder, name, content):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'wb') as target:
        target.write(content)
