# SPDX-License-Identifier: Apache-2.0
"""packages: RPM and Debian packages of plugin and application."""

import argparse
import contextlib
import fcntl
import glob
import json
import os
import re
import shutil
import subprocess
import tempfile

import yaml

from portieris_app import apt
from portieris_app import build
from portieris_app import checkout
from portieris_app.errors import Failure
from portieris_app import packing
from portieris_app import progress
from portieris_app import versions

PLUGIN_ROOM = 'python-k8sapp-portieris'
APP_ROOM = 'stx-portieris-helm'
PLUGIN_SPEC = PLUGIN_ROOM + '/centos/python-k8sapp-portieris.spec'
APP_SPEC = APP_ROOM + '/centos/stx-portieris-helm.spec'
# What the source package of the application holds, at these places.
APP_PARTS = (APP_ROOM, 'manifests', 'portieris_app')

# Programs of Debian's packages that each kind needs.
PROGRAMS = {
    'rpm': {'rpm': ('rpmbuild', 'rpm2cpio'), 'cpio': ('cpio',)},
    'deb': {'dpkg-dev': ('dpkg-buildpackage',), 'fakeroot': ('fakeroot',),
            'debhelper': ('dh',), 'dh-python': ('dh_python3',)},
}
# Programs that look at what was built.
CHECKERS = {'rpm': {'rpmlint': ('rpmlint',)},
            'deb': {'lintian': ('lintian',)}}
# Their Python, not one of pyenv, has the modules that the builds import.
PYTHON = '/usr/bin/python3'
MODULES = {'python3-yaml': 'yaml', 'python3-pbr': 'pbr',
           'python3-setuptools': 'setuptools', 'python3-wheel': 'wheel',
           'python3-all': None}

# Old rpm reads gzip and SHA-256; nothing of machine or clock gets in.
RPM_SETTINGS = {
    '_buildhost': 'reproducible',
    'use_source_date_epoch_as_buildtime': '1',
    'clamp_mtime_to_source_date_epoch': '1',
    'source_date_epoch_from_changelog': '0',
    '_binary_payload': 'w9.gzdio', '_source_payload': 'w9.gzdio',
    '_binary_filedigest_algorithm': '8', '_source_filedigest_algorithm': '8',
    '__python3': PYTHON,
}
# A source package holds the path that it was built at.
RPM_FOLDER = '/var/tmp/portieris-app-rpmbuild'

# Without its modules: the pinned wheel builders make the wheel.
WHEEL_PYTHON = PYTHON + ' -S'

EPILOG = """\
rpm makes the packages and source packages of CentOS, deb those of Debian:
the plugin, its wheel, and the application with the tarball. The tarball in
them is byte for byte the one of 'portieris-app build'.

Programs that are missing are installed with apt-get when you are root.
--prepare installs them, with the linters of packages, and builds nothing.

examples:
  portieris-app packages rpm
  portieris-app packages deb --output /tmp/out
  portieris-app packages deb --prepare
"""


def add_parser(subparsers):
    parser = subparsers.add_parser(
        'packages', help='build RPM or Debian packages', epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description='Build the packages with which StarlingX brings plugin '
                    'and application onto its image.')
    parser.add_argument('kind', choices=sorted(PROGRAMS))
    parser.add_argument('--output', metavar='FOLDER', default='dist',
                        help='where the packages go (default: dist)')
    parser.add_argument('--prepare', action='store_true',
                        help='only install what builds and checks them')
    parser.add_argument('-o', dest='format', choices=('text', 'json'),
                        default='text', help='form of the result')
    parser.set_defaults(run=run)


def run(args):
    if args.prepare:
        prepare(args.kind, PROGRAMS[args.kind] | CHECKERS[args.kind])
        return 0
    made = make(args.kind, args.output)
    if args.format == 'json':
        print(json.dumps({'files': made}, indent=2))
    else:
        print('\n'.join(made))
    return 0


def make(kind, output='dist'):
    """Build the packages of one kind and return their paths."""
    source = checkout.root()
    wrong = disagreements(source)
    if wrong:
        raise Failure('The packaging files do not have the version of '
                      'metadata.yaml:\n  %s' % '\n  '.join(wrong))
    prepare(kind, PROGRAMS[kind])
    folder, maker = {
        'rpm': (rpm_folder, make_rpms),
        'deb': (tempfile.TemporaryDirectory, make_debs)}[kind]
    made = []
    with fixed_umask(), folder() as scratch:
        for path in sorted(maker(source, scratch)):
            target = os.path.join(output, os.path.basename(path))
            with packing.replacing(target) as new:
                shutil.copyfile(path, new)
            made.append(target)
    return made


@contextlib.contextmanager
def fixed_umask():
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


@contextlib.contextmanager
def rpm_folder():
    """Yield a fresh folder that is always at the same place."""
    # Fetching the builders first makes the folder of the lock.
    build.wheel_builders()
    lock_file = os.path.join(build.cache_folder(), 'rpmbuild.lock')
    with open(lock_file, 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with contextlib.suppress(OSError):
            # What a build that was killed left there.
            shutil.rmtree(RPM_FOLDER)
        try:
            os.mkdir(RPM_FOLDER)
        except OSError as error:
            raise Failure('Cannot build in %s: %s. Remove what is there.' % (
                RPM_FOLDER, error.strerror)) from error
        try:
            yield RPM_FOLDER
        finally:
            shutil.rmtree(RPM_FOLDER)


def disagreements(source):
    """Return a sentence for each packaging file of another version."""
    version = versions.of_sources(source)
    upstream, _, revision = version.partition('-')
    found = []

    def expect(name, said, wanted):
        if said != wanted:
            found.append('%s says %s, expected %s' % (name, said, wanted))

    for name in (PLUGIN_SPEC, APP_SPEC):
        text = packing.read(source, name).decode()
        expect(name, said(r'^Version: *(\S+)', text), upstream)
        expect(name, said(r'%global component_version (\S+)', text),
               versions.component(version))
        expect(name, said(r'%global tis_patch_ver (\d+)', text), revision)
        expect(name, said(r'^\* .* - (\S+)$', text), version)
    for room in (PLUGIN_ROOM, APP_ROOM):
        name = room + '/centos/build_srpm.data'
        text = packing.read(source, name).decode()
        expect(name, said(r'^TIS_PATCH_VER=(\S+)', text), revision)
        name = room + '/debian/deb_folder/changelog'
        text = packing.read(source, name).decode()
        expect(name, said(r'\A\S+ \((\S+)\)', text), version)
        name = room + '/debian/meta_data.yaml'
        data = yaml.safe_load(packing.read(source, name))
        expect(name, data['debver'], version)
    return found


def said(pattern, text):
    found = re.search(pattern, text, re.MULTILINE)
    return found.group(1) if found else 'nothing'


def missing(programs):
    """Return the Debian packages that have to be installed."""
    wanted = [package for package, needed in programs.items()
              if not all(shutil.which(one) for one in needed)]
    if not os.access(PYTHON, os.X_OK):
        return wanted + list(MODULES)
    known = subprocess.run(
        [PYTHON, '-c', 'import importlib.util, sys\n'
                       'for name in sys.argv[1:]:\n'
                       '    print(bool(importlib.util.find_spec(name)))',
         *filter(None, MODULES.values())],
        stdout=subprocess.PIPE, text=True).stdout.split()
    return wanted + [package for (package, module), here in zip(
        ((one, name) for one, name in MODULES.items() if name), known)
        if here != 'True']


def prepare(kind, programs):
    """Install what is missing, or say what to install."""
    packages = missing(programs)
    if packages:
        apt.install(packages, 'Building %s packages' % kind)


def environment():
    """Return what the builds may know of the caller's environment.

    The pinned wheel builders come before the distribution's, so that the
    wheel is the one of ``portieris-app build``.
    """
    env = {name: value for name, value in os.environ.items()
           if not name.startswith(('PYTHON', 'PBR_', 'DEB_', 'GIT_'))}
    env.update(PATH='/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL='C.UTF-8',
               SOURCE_DATE_EPOCH=str(packing.epoch()),
               PYTHONPATH=build.wheel_builders(), PYTHONHASHSEED='0',
               GIT_DIR=os.devnull)
    return env


def plugin_tree(source, target):
    packing.export(os.path.join(source, checkout.PLUGIN), target)


def app_tree(source, target):
    os.mkdir(target)
    for part in APP_PARTS:
        packing.export(
            os.path.join(source, part), os.path.join(target, part),
            lambda name, folder: name in ('centos', 'debian'))


def archive(tree, path):
    """Pack a source tree below its own name."""
    top = os.path.basename(tree)
    with open(path, 'wb') as target:
        target.write(packing.tgz(
            [('%s/%s' % (top, name), packing.read(tree, name),
              os.stat(os.path.join(tree, name)).st_mode & 0o777)
             for name in packing.files_below(tree)], packing.epoch()))


def make_rpms(source, scratch):
    env = environment()
    plugin, app = (os.path.join(scratch, room)
                   for room in (PLUGIN_ROOM, APP_ROOM))
    rpmbuild(source, PLUGIN_SPEC, plugin_tree, plugin,
             {'wheel_python': WHEEL_PYTHON}, env)
    rpmbuild(source, APP_SPEC, app_tree, app,
             {'plugins_folder': unpacked_rpm(plugin, env)}, env)
    return [path for room in (plugin, app)
            for path in glob.glob(room + '/RPMS/noarch/*.rpm')
            + glob.glob(room + '/SRPMS/*.rpm')]


def rpmbuild(source, spec, export, top, settings, env):
    """Build binary and source packages of one spec file below ``top``."""
    name = os.path.basename(spec)[:-len('.spec')]
    text = packing.read(source, spec)
    tree = os.path.join(top, 'tree', '%s-%s' % (
        name, said(r'^Version: *(\S+)', text.decode())))
    for folder in ('tree', 'SOURCES', 'SPECS'):
        os.makedirs(os.path.join(top, folder))
    export(source, tree)
    archive(tree, os.path.join(top, 'SOURCES',
                               os.path.basename(tree) + '.tar.gz'))
    build.put(top, 'SPECS/%s.spec' % name, text)
    for path in glob.glob(top + '/S*S/*'):
        os.utime(path, (packing.epoch(), packing.epoch()))
    defines = dict(RPM_SETTINGS, _topdir=top, **settings)
    progress.run(
        ['rpmbuild', '-ba', '--nodeps',
         *(word for key, value in defines.items()
           for word in ('--define', '%s %s' % (key, value))),
         os.path.join(top, 'SPECS', name + '.spec')],
        'build the RPM packages of %s' % name, cwd=top, env=env)


def unpacked_rpm(top, env):
    """Return the folder with the wheel of the package just built."""
    package, = glob.glob(top + '/RPMS/noarch/*-wheels-*.rpm')
    folder = os.path.join(top, 'wheels')
    os.mkdir(folder)
    content = subprocess.run(['rpm2cpio', package], env=env, check=True,
                             stdout=subprocess.PIPE).stdout
    subprocess.run(['cpio', '-id', '--quiet'], input=content, cwd=folder,
                   env=env, check=True)
    return os.path.join(folder, 'plugins')


def make_debs(source, scratch):
    env = environment()
    plugin, app = (os.path.join(scratch, room)
                   for room in (PLUGIN_ROOM, APP_ROOM))
    buildpackage(source, PLUGIN_ROOM, plugin_tree, plugin,
                 dict(env, WHEEL_PYTHON=WHEEL_PYTHON))
    package, = glob.glob(plugin + '/*-wheels_*.deb')
    wheels = os.path.join(scratch, 'wheels')
    subprocess.run(['dpkg-deb', '-x', package, wheels], env=env, check=True)
    buildpackage(source, APP_ROOM, app_tree, app,
                 dict(env, PLUGINS_FOLDER=wheels + '/plugins'))
    return [path for room in (plugin, app)
            for suffix in ('.deb', '.dsc', '.orig.tar.gz', '.debian.tar.xz')
            for path in glob.glob('%s/*%s' % (room, suffix))]


def buildpackage(source, room, export, top, env):
    """Build binary and source packages of one Debian folder."""
    folder = os.path.join(source, room, 'debian', 'deb_folder')
    changelog = packing.read(folder, 'changelog').decode()
    name, upstream = re.match(r'(\S+) \(([^-]+)-', changelog).groups()
    tree = os.path.join(top, '%s-%s' % (name, upstream))
    os.mkdir(top)
    export(source, tree)
    archive(tree, os.path.join(top, '%s_%s.orig.tar.gz' % (name, upstream)))
    packing.export(folder, os.path.join(tree, 'debian'))
    progress.run(
        ['dpkg-buildpackage', '-d', '-us', '-uc'],
        'build the Debian packages of %s' % name, cwd=tree,
        # The date of a Debian package is that of its changelog.
        env={key: value for key, value in env.items()
             if key != 'SOURCE_DATE_EPOCH'})
