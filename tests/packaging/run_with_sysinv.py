# SPDX-License-Identifier: Apache-2.0
"""Run the plugin's unit tests against a real checkout of sysinv.

STX_CONFIG names a checkout of starlingx/config, of any release on Python 3.9
or later. The other repositories lie beside it, as in StarlingX's CI, unless
STX_FAULT, STX_UPDATE or STX_UTILITIES name them. UPPER_CONSTRAINTS_FILE
names the constraints of StarlingX's build. Installs into the Python that
runs this: that of `tox -e py39-sysinv`.
"""

import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))

# Repository, its folders from the newest release to the oldest, and whether
# every release has one.
PARTS = (
    ('config', ('sysinv/sysinv/sysinv',), True),
    ('config', ('tsconfig/tsconfig',), True),
    ('fault', ('fm-api/source', 'fm-api'), True),
    ('fault', ('python-fmclient/fmclient',), False),
    ('update', ('sw-patch/cgcs-patch', 'cgcs-patch/cgcs-patch'), False),
    ('utilities', ('ceph/python-cephclient/python-cephclient',), False),
)


class Missing(Exception):
    """What has to be there, as a sentence."""


def folders(environ):
    """Return the folders that have to be installed, sysinv first."""
    if not environ.get('STX_CONFIG'):
        raise Missing(
            'STX_CONFIG is not set: let it name a checkout of '
            'starlingx/config, with starlingx/fault, update and utilities '
            'beside it.')
    config = os.path.abspath(environ['STX_CONFIG'])
    found = []
    for repository, places, required in PARTS:
        variable = 'STX_' + repository.upper()
        root = os.path.abspath(environ.get(variable) or os.path.join(
            os.path.dirname(config), repository))
        here = [os.path.join(root, place) for place in places
                if os.path.isfile(os.path.join(root, place, 'setup.py'))]
        if required and not here:
            raise Missing(
                '%s has no %s: let %s name a checkout of starlingx/%s.' % (
                    root, ' or '.join(places), variable, repository))
        found += here[:1]
    return found


def installation(environ):
    """Return the words that pip gets."""
    words = ['install', '-q']
    if environ.get('UPPER_CONSTRAINTS_FILE'):
        words += ['-c', environ['UPPER_CONSTRAINTS_FILE']]
    for folder in folders(environ):
        words += ['-e', folder]
    return words + ['PyYAML']


def main():
    environ = dict(os.environ, SYSINV_TEST_ENV='True', PYTHONHASHSEED='0')
    try:
        words = installation(environ)
    except Missing as missing:
        sys.exit('py39-sysinv: %s' % missing)
    # Checkouts without git history have no version that pbr could find.
    environ.setdefault('PBR_VERSION', '1.0.0')
    subprocess.run([sys.executable, '-m', 'pip', *words], env=environ,
                   check=True)
    environ.pop('PBR_VERSION')
    with tempfile.TemporaryDirectory(prefix='plugin-tests-') as scratch:
        subprocess.run(
            [sys.executable, '-c',
             'import sys; from tests.contract import run_plugin_tests; '
             'run_plugin_tests.unzip_wheel(sys.argv[1])', scratch],
            cwd=ROOT, env=environ, check=True)
        plugins = os.path.join(scratch, 'plugins')
        return subprocess.run(
            [sys.executable, '-B', '-m', 'unittest', 'discover',
             '-s', os.path.join(plugins, 'k8sapp_portieris', 'tests'),
             '-t', plugins],
            env=dict(environ, PYTHONPATH=plugins)).returncode


if __name__ == '__main__':
    sys.exit(main())
