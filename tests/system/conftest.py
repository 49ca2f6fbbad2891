# SPDX-License-Identifier: Apache-2.0
"""The system command as a program, on a platform of its own a test."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys

import pytest

from tests.chart.conftest import fetched
from tests.system.sample import Sample

ROOT = pathlib.Path(__file__).parents[2]
SYSINV = ROOT / 'lab' / 'sysinv'
# For the parts that are tried without the command around them.
sys.path.insert(0, str(SYSINV))

# helm without a cluster: what renders is real, what would install is
# written down, and fails when asked to.
FAKE_HELM = """\
#!{python}
import json, os, socket, subprocess, sys
args = sys.argv[1:]
state = {state!r}
releases = json.load(open(state)) if os.path.exists(state) else {{}}
if args[0] in ('lint', 'template', 'show'):
    sys.exit(subprocess.call([{helm!r}] + args))
if args[0] == 'list':
    name = args[args.index('--filter') + 1].strip('^$')
    print(json.dumps([{{'name': name, 'status': releases[name]['status']}}]
                     if name in releases else []))
elif args[0] == 'upgrade':
    if 'FAKE_HELM_WAITS_FOR' in os.environ:
        # Ready once the plugins have told of that many such hooks.
        hook, _, times = os.environ['FAKE_HELM_WAITS_FOR'].partition('*')
        told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        told.settimeout(30)
        told.bind(os.environ['SAMPLE_TELLS'])
        for _ in range(int(times)):
            while told.recv(99).decode() != hook:
                pass
    if 'FAKE_HELM_GATE' in os.environ:
        gate = socket.socket(socket.AF_UNIX)
        gate.connect(os.environ['FAKE_HELM_GATE'])
        gate.recv(1)
    values = [open(path).read() for flag, path in zip(args, args[1:])
              if flag == '--values']
    wanted = os.environ.get('FAKE_HELM_FAILS')
    failing = bool(wanted) and args[3].endswith('-%s.tgz' % wanted)
    releases[args[2]] = {{'status': 'failed' if failing else 'deployed',
                          'args': args, 'values': values}}
    json.dump(releases, open(state, 'w'))
    if failing:
        sys.exit('Error: context deadline exceeded')
elif args[0] == 'rollback':
    releases[args[1]]['status'] = 'deployed'
    json.dump(releases, open(state, 'w'))
elif args[0] == 'uninstall':
    if os.environ.get('FAKE_HELM_FAILS'):
        sys.exit('Error: uninstall failed')
    del releases[args[1]]
    json.dump(releases, open(state, 'w'))
else:
    sys.exit('no such verb here: %s' % args[0])
"""

FAKE_KUBECTL = """\
#!{python}
import subprocess, sys
if sys.argv[1] == 'version':
    print('{{"serverVersion": {{"gitVersion": "{version}"}}}}')
else:
    sys.exit(subprocess.call({kubectl!r} + sys.argv[1:]))
"""


def real_helm():
    built = ROOT / 'build' / 'bin' / 'helm'
    return str(built) if built.exists() else fetched('v3.17.3')


def real_kubectl():
    built = ROOT / 'build' / 'bin' / 'kube'
    if built.exists():
        return [str(built), 'kubectl']
    found = shutil.which('kubectl')
    return [found] if found else None


class Gate(object):
    """Where a program waits until the test lets it go on."""

    def __init__(self, path):
        self.path = str(path)
        self._door = socket.socket(socket.AF_UNIX)
        self._door.settimeout(60)
        self._door.bind(self.path)
        self._door.listen()
        self._waiting = None

    def wait(self):
        """Return when the program has come."""
        self._waiting, _ = self._door.accept()

    def open(self):
        self._waiting.close()

    def close(self):
        self._door.close()
        if self._waiting:
            self._waiting.close()


class Platform(object):
    """A controller with the command, its files and what the plugins saw."""

    def __init__(self, folder):
        self.folder = folder
        self.root = folder / 'lab' / 'sysinv'
        self.record = folder / 'record'
        self.helm_state = folder / 'helm.json'
        self.env = {
            'PATH': os.environ['PATH'], 'HOME': str(folder),
            'PYTHONPATH': str(SYSINV), 'HELM_BIN': real_helm(),
            'PORTIERIS_LAB_DIR': str(folder / 'lab'),
            'SAMPLE_RECORD': str(self.record),
            'SAMPLE_TELLS': str(folder / 'told'),
            'KUBECONFIG': str(folder / 'no-cluster'),
        }

    def runs(self, *words, prelude=None, **env):
        """Run one command; return its status, output and errors."""
        program = ['-m', 'stx_system']
        if prelude:
            program = ['-c', prelude + '\nfrom stx_system import cli\n'
                       'import sys\nsys.exit(cli.main())']
        return subprocess.run(
            [sys.executable] + program + list(words),
            env=dict(self.env, **env), universal_newlines=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)

    def starts(self, *words, **env):
        """Start a command in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, '-m', 'stx_system'] + list(words),
            env=dict(self.env, **env), universal_newlines=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, start_new_session=True)

    def does(self, *words, **env):
        """Run a command that must succeed; return its output."""
        done = self.runs(*words, **env)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refuses(self, *words, **env):
        """Run a command that must fail in words; return them."""
        done = self.runs(*words, **env)
        assert done.returncode == 1, (done.returncode, done.stdout)
        assert 'Traceback' not in done.stderr
        return done.stderr

    def shows(self, *words):
        return json.loads(self.does(*words, '--format', 'json'))

    def hooks(self):
        """What the plugins wrote down since the last call."""
        try:
            lines = self.record.read_text().splitlines()
        except FileNotFoundError:
            return []
        self.record.unlink()
        return [json.loads(line) for line in lines]

    def hook_names(self):
        return [each['hook'] for each in self.hooks()]

    def without_cluster(self, kubernetes='v1.34.4'):
        """Put helm and kubectl on record in place of a cluster's own."""
        kubectl = real_kubectl()
        if not kubectl:
            pytest.skip('kustomize is missing: build the lab with '
                        '"portieris-app lab up", or install kubectl')
        for name, text in (
                ('helm', FAKE_HELM.format(
                    python=sys.executable, helm=real_helm(),
                    state=str(self.helm_state))),
                ('kubectl', FAKE_KUBECTL.format(
                    python=sys.executable, kubectl=kubectl,
                    version=kubernetes))):
            path = self.folder / name
            path.write_text(text)
            path.chmod(0o755)
            self.env['%s_BIN' % name.upper()] = str(path)
        # The pods of a one-node system would be waited for.
        if not (self.root / 'db.json').exists():
            self.does('application-list')
        self.edit_rows(lambda tables: tables['isystem'].update(
            system_mode='duplex'))

    def edit_rows(self, edit):
        path = self.root / 'db.json'
        tables = json.loads(path.read_text())
        edit(tables)
        path.write_text(json.dumps(tables))

    def helm(self):
        """The releases of the helm on record."""
        return (json.loads(self.helm_state.read_text())
                if self.helm_state.exists() else {})


@pytest.fixture
def platform(tmp_path):
    return Platform(tmp_path)


@pytest.fixture
def sample(tmp_path):
    return Sample(tmp_path / 'staging')


@pytest.fixture(scope='session')
def uploaded_root(tmp_path_factory):
    """What an upload of the sample application leaves, made once."""
    folder = tmp_path_factory.mktemp('uploaded')
    platform = Platform(folder)
    platform.does('application-upload', Sample(folder / 'staging').pack())
    return platform.root


@pytest.fixture
def uploaded(platform, uploaded_root):
    """A platform with the sample application uploaded."""
    shutil.copytree(uploaded_root, platform.root)
    return platform


@pytest.fixture
def installable(uploaded):
    """The same, where apply ends at a helm that only writes down."""
    uploaded.without_cluster()
    return uploaded


@pytest.fixture
def gate(tmp_path):
    gate = Gate(tmp_path / 'gate')
    yield gate
    gate.close()


@pytest.fixture
def begin(installable, gate):
    """Start a command and return its process once it waits at the gate.

    The gate is in helm, or in the hook that ``at`` names.
    """
    started = []

    def begin(*words, at='helm', **env):
        where = ({'FAKE_HELM_GATE': gate.path} if at == 'helm'
                 else {'SAMPLE_GATE': '%s=%s' % (at, gate.path)})
        started.append(installable.starts(*words, **where, **env))
        gate.wait()
        return started[-1]
    yield begin
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
