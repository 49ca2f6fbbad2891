# SPDX-License-Identifier: Apache-2.0
"""Labs of the tests' own, beside one that somebody may be using."""

import json
import os
import subprocess
import sys
import textwrap
import threading

import pytest

from portieris_app import checkout

DEADLINE = 120


def pytest_configure(config):
    config.addinivalue_line('markers', 'lab: starts a real node as root')


def pytest_collection_modifyitems(items):
    if os.geteuid() == 0:
        return
    for item in items:
        if item.get_closest_marker('lab'):
            item.add_marker(pytest.mark.skip(
                reason='the lab makes namespaces and needs root'))


def eventually(what, holds, deadline=DEADLINE):
    """Wait until ``holds()`` is true and return what it returned."""
    over = threading.Event()
    alarm = threading.Timer(deadline, over.set)
    alarm.daemon = True
    alarm.start()
    try:
        while True:
            value = holds()
            if value:
                return value
            assert not over.wait(0.1), 'not within %d s: %s' % (
                deadline, what)
    finally:
        alarm.cancel()


class Lab:
    """A lab in a directory of its own, driven as a user drives it."""

    def __init__(self, folder):
        self.dir = str(folder)
        self.env = dict(os.environ, PORTIERIS_LAB_DIR=self.dir)
        self.env.pop('KUBECONFIG', None)

    def call(self, *args, **options):
        """Run 'portieris-app lab ...' and return the finished process."""
        return subprocess.run(
            [sys.executable, '-m', 'portieris_app', 'lab', *args],
            cwd=options.pop('cwd', checkout.package_parent()),
            env=dict(self.env, PYTHONPATH=checkout.package_parent()),
            text=True, stdin=subprocess.DEVNULL, capture_output=True,
            timeout=1800, **options)

    def run(self, *args):
        """Run it, expect success, and return what it printed."""
        done = self.call(*args)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def inside(self, *command):
        return self.run('exec', '--', *command)

    def wrapper(self, name, *args):
        """Run one of the lab's commands from outside."""
        return subprocess.run(
            [os.path.join(self.dir, 'bin', name), *args], text=True,
            stdin=subprocess.DEVNULL, capture_output=True, timeout=120)

    def kubectl(self, *args):
        done = self.wrapper('kubectl', *args)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def fetch(self, url, timeout=10):
        """Ask a server from inside: the HTTP status, or what went wrong."""
        program = textwrap.dedent('''\
            import sys, urllib.error, urllib.request
            url, timeout = sys.argv[1], float(sys.argv[2])
            try:
                print(urllib.request.urlopen(url, timeout=timeout).status)
            except urllib.error.HTTPError as error:
                print(error.code)
            except urllib.error.URLError as error:
                print(type(error.reason).__name__)
            except TimeoutError as error:
                print(type(error).__name__)
            ''')
        return self.inside(sys.executable, '-c', program, url,
                           str(timeout)).strip()

    def apply(self, *objects):
        """Apply manifests given as mappings."""
        path = os.path.join(self.dir, 'home', 'test.json')
        with open(path, 'w', encoding='utf-8') as file:
            json.dump({'apiVersion': 'v1', 'kind': 'List',
                       'items': list(objects)}, file)
        return self.kubectl('apply', '-f', path)

    def status(self):
        done = self.call('status', '-o', 'json')
        return done.returncode, json.loads(done.stdout)

    def environment(self):
        with open(os.path.join(self.dir, 'env.json'),
                  encoding='utf-8') as file:
            return json.load(file)


@pytest.fixture
def fresh_lab(request):
    """A lab that is not up; whatever the test leaves is taken down."""
    lab = Lab('/var/tmp/portieris-lab-test-%d' % os.getpid())
    lab.run('down')
    yield lab
    lab.run('down')


@pytest.fixture(scope='module')
def lab():
    """A lab that is up for all tests of a file."""
    lab = Lab('/var/tmp/portieris-lab-tests-%d' % os.getpid())
    lab.run('up')
    yield lab
    lab.run('down')
