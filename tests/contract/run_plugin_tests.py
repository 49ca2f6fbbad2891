# SPDX-License-Identifier: Apache-2.0
"""Run the plugin's unit tests on every Python that StarlingX has had.

The wheel is built once and unzipped, as sysinv does; the double of sysinv is
put on the path; environments with the few packages a controller has are
made once and kept in the user's cache.
"""

import argparse
import concurrent.futures
import glob
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path.insert(0, ROOT)

from portieris_app import build  # noqa: E402
from portieris_app import checkout  # noqa: E402
from portieris_app import errors  # noqa: E402
from portieris_app import packing  # noqa: E402
from portieris_app import versions  # noqa: E402

# 2.7: StarlingX 5.0 to 7.0; 3.6: their tests; 3.9: 7.0 and later, on Debian
# bullseye; 3.13: Debian trixie; 3.11 lies between and is the lab's. The
# client of Kubernetes is that of CentOS, of bullseye, and on the others the
# last of the old kind and the newest.
PACKAGES = {
    (2, 7): ('PyYAML==5.4.1', 'stevedore==1.32.0', 'oslo.log==3.45.2',
             'kubernetes==8.0.0'),
    (3, 6): ('PyYAML==6.0.1', 'stevedore==3.5.2', 'oslo.log==4.8.0',
             'kubernetes==8.0.0'),
    (3, 9): ('PyYAML==6.0.3', 'stevedore==5.5.0', 'oslo.log==7.2.1',
             'kubernetes==12.0.1'),
    (3, 11): ('PyYAML==6.0.3', 'stevedore==5.5.0', 'oslo.log==7.2.1',
              'kubernetes==36.0.3'),
    (3, 13): ('PyYAML==6.0.3', 'stevedore==5.5.0', 'oslo.log==7.2.1',
              'kubernetes==37.0.2'),
}
# The last that makes environments for 2.7 and 3.6.
VIRTUALENV = 'virtualenv==20.21.1'
CACHE = os.path.join(
    os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache'),
    'portieris-app')
_one_at_a_time = threading.Lock()


class Broken(Exception):
    """What did not work, with the end of the output."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--python', metavar='PATH', action='append',
                        help='run on this Python alone; can be repeated')
    args = parser.parse_args()
    pythons = {version_of(path): path for path in args.python or []}
    if not args.python:
        pythons = find_pythons()
        for version in sorted(set(PACKAGES) - {key[:2] for key in pythons}):
            print('plugin tests on Python %d.%d: skipped, there is no such '
                  'interpreter here' % version)
    scratch = tempfile.mkdtemp(prefix='plugin-tests-')
    try:
        unzip_wheel(scratch)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            outcomes = list(pool.map(
                lambda version: run(pythons[version], version, scratch),
                sorted(pythons)))
    except errors.Failure as failure:
        sys.exit('plugin tests: %s' % failure)
    finally:
        shutil.rmtree(scratch)
    return 0 if outcomes and all(outcomes) else 1


def find_pythons():
    """Return {(major, minor, micro): path}, the newest of each minor."""
    found = {}
    pyenv = os.environ.get('PYENV_ROOT') or os.path.expanduser('~/.pyenv')
    for major, minor in PACKAGES:
        name = 'python%d.%d' % (major, minor)
        candidates = glob.glob(os.path.join(
            pyenv, 'versions', '%d.%d.*' % (major, minor), 'bin', name))
        candidates += [path for path in [shutil.which(name)] if path]
        versions_here = {}
        for path in candidates:
            try:
                versions_here[version_of(path)] = path
            except Broken:
                # A shim of a version manager, with no Python behind it.
                continue
        if versions_here:
            newest = max(versions_here)
            found[newest] = versions_here[newest]
    return found


def version_of(python):
    said = call([python, '-c', 'import sys; print("%d.%d.%d" % '
                               'sys.version_info[:3])'])
    return tuple(int(part) for part in said.split('.'))


def unzip_wheel(scratch):
    """Build the wheel as the tarball has it, and unzip it."""
    _, content = build.wheel(
        os.path.join(ROOT, checkout.PLUGIN), scratch,
        versions.component(versions.of_sources(ROOT)), packing.epoch())
    with zipfile.ZipFile(io.BytesIO(content)) as wheel:
        wheel.extractall(os.path.join(scratch, 'plugins'))


def run(python, version, scratch):
    """Run the tests on one Python, print its line, tell how it went."""
    name = 'plugin tests on Python %s' % '.'.join(map(str, version))
    plugins = os.path.join(scratch, 'plugins')
    try:
        said = call(
            [environment(python, version), '-m', 'unittest', 'discover',
             '-s', os.path.join(plugins, 'k8sapp_portieris', 'tests'),
             '-t', plugins],
            PYTHONPATH=os.pathsep.join(
                [plugins, os.path.join(ROOT, checkout.SYSINV_DOUBLE)]),
            PYTHONDONTWRITEBYTECODE='1',
            # stevedore keeps what it finds in the user's cache.
            XDG_CACHE_HOME=os.path.join(scratch, name),
            SYSINV_API_DIR=os.path.join(
                ROOT, 'tests', 'contract', 'sysinv-api'))
    except Broken as broken:
        print('%s: FAILED\n%s' % (name, broken), flush=True)
        return False
    count = re.search(r'Ran (\d+) tests', said).group(1)
    print('%s: %s passed' % (name, count), flush=True)
    return int(count) > 0


def environment(python, version):
    """Return the Python of an environment with the packages."""
    packages = PACKAGES.get(version[:2]) or PACKAGES[max(PACKAGES)]
    key = hashlib.sha256(repr((os.path.realpath(python), version,
                               packages)).encode()).hexdigest()[:16]
    folder = os.path.join(CACHE, 'plugin-tests-%s-%s' % (
        '.'.join(map(str, version)), key))
    inside = os.path.join(folder, 'bin', 'python')
    if not os.path.exists(os.path.join(folder, 'complete')):
        shutil.rmtree(folder, ignore_errors=True)
        if version >= (3, 9):
            call([python, '-m', 'venv', folder])
        else:
            call([virtualenv(), '-q', '-p', python, folder])
        call([inside, '-m', 'pip', 'install', '-q', *packages])
        open(os.path.join(folder, 'complete'), 'w').close()
    return inside


def virtualenv():
    folder = os.path.join(CACHE, VIRTUALENV.replace('==', '-'))
    command = os.path.join(folder, 'bin', 'virtualenv')
    with _one_at_a_time:
        if not os.path.exists(command):
            shutil.rmtree(folder, ignore_errors=True)
            call([sys.executable, '-m', 'venv', folder])
            call([os.path.join(folder, 'bin', 'pip'), 'install', '-q',
                  VIRTUALENV])
    return command


def call(command, **settings):
    """Return what a command says, or raise Broken with the end of it."""
    env = {name: value for name, value in os.environ.items()
           if not name.startswith('PYTHON')}
    done = subprocess.run(command, env=dict(env, **settings),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    said = done.stdout.decode(errors='replace')
    if done.returncode:
        raise Broken('%s ended with %d:\n%s' % (
            ' '.join(command[:6]), done.returncode,
            '\n'.join(said.splitlines()[-30:])))
    return said


if __name__ == '__main__':
    sys.exit(main())
