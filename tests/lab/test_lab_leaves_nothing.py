# SPDX-License-Identifier: Apache-2.0
"""After a lab, however it ended, the machine is as it was before."""

import os
import signal
import subprocess

import pytest

from portieris_app import checkout
from tests.lab.conftest import eventually
from tests.lab import footprint
from tests.lab import objects

pytestmark = pytest.mark.lab


@pytest.fixture
def machine(fresh_lab):
    """The lab's footprint on the machine while it is not up."""
    return footprint.take(fresh_lab.dir)


def assert_as_before(before, lab):
    assert footprint.changes(before, footprint.take(lab.dir)) == {}


def run_a_pod(lab):
    image = 'registry.local:9001/test/pod:1'
    lab.run('push', '--sample', image)
    lab.apply(objects.pull_secret(lab, 'pull'),
              objects.pod('busy', image, secret='pull'))
    lab.kubectl('wait', '--for=condition=Ready', 'pod/busy',
                '--timeout=180s')


def kill_init(lab):
    """Kill process 1 of the lab, which its env.json names."""
    pid = lab.environment()['initPid']
    assert lab.dir in footprint.read('/proc/%d/cmdline' % pid)
    os.kill(pid, signal.SIGKILL)


def test_down_after_pods_ran_leaves_nothing(fresh_lab, machine):
    fresh_lab.run('up')
    run_a_pod(fresh_lab)
    up = footprint.take(fresh_lab.dir)
    assert up['processes'] and up['cgroups'] and up['files']

    fresh_lab.run('down')

    assert_as_before(machine, fresh_lab)


def test_down_after_the_lab_was_killed_leaves_nothing(fresh_lab, machine):
    fresh_lab.run('up')
    kill_init(fresh_lab)

    fresh_lab.run('down')

    assert_as_before(machine, fresh_lab)


def test_up_after_the_lab_was_killed_starts_a_new_one(fresh_lab):
    fresh_lab.run('up')
    kill_init(fresh_lab)

    fresh_lab.run('up')

    assert fresh_lab.status()[1]['state'] == 'up'
    assert 'controller-0' in fresh_lab.kubectl('get', 'nodes')


def test_kill_of_the_start_itself_leaves_nothing_running(fresh_lab, machine):
    fresh_lab.run('up')   # so that all programs are built
    fresh_lab.run('down')
    root = checkout.package_parent()
    start = subprocess.Popen(
        [os.path.join(root, 'build/bin/labnode'), 'up', '--checkout', root,
         '--cert-manager', os.path.join(root, 'build/lab/cert-manager.yaml')],
        env=fresh_lab.env, stderr=subprocess.PIPE, text=True)
    for line in start.stderr:
        if 'Kubernetes API answers' in line:
            break
    start.kill()
    start.communicate()

    eventually('all processes of the half-done start have ended',
               lambda: not footprint.processes(fresh_lab.dir))
    assert fresh_lab.status()[1]['state'] == 'broken'
    fresh_lab.run('down')

    assert_as_before(machine, fresh_lab)


def test_down_ends_a_lab_whose_directory_was_deleted(fresh_lab, machine):
    fresh_lab.run('up')
    # The kubelet may write into it in the middle of that.
    eventually('the directory is deleted', lambda: subprocess.run(
        ['rm', '-rf', '--one-file-system', fresh_lab.dir],
        stderr=subprocess.DEVNULL).returncode == 0)
    # As the kubelet does, sooner or later.
    os.makedirs(os.path.join(fresh_lab.dir, 'run', 'kubelet', 'pods'),
                exist_ok=True)

    fresh_lab.run('down')

    after = footprint.take(fresh_lab.dir)
    assert footprint.changes(machine, after) == {}


def test_down_without_a_lab_says_so(fresh_lab):
    done = fresh_lab.call('down')
    assert done.returncode == 0
    assert 'is not up' in done.stderr
