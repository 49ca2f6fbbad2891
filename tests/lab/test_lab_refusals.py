# SPDX-License-Identifier: Apache-2.0
"""What the lab cannot do, it says in a sentence and leaves as it was."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading

import pytest

from portieris_app import apt
from portieris_app import checkout
from portieris_app import cli
from portieris_app import demo
from portieris_app.errors import Failure
from portieris_app import lab as lab_verb
from portieris_app.labtools import binaries
from portieris_app.labtools import commands
from portieris_app.labtools import signing
from tests.lab.conftest import eventually
from tests.lab.conftest import Lab
from tests.lab import footprint

IN_USE = ['exec', '--', 'true'], ['push', '--sample', 'r.local:9001/a:1'], \
    ['sign', 'registry.local:9001/a:1'], ['signer', 'alice'], \
    ['logs', 'kubelet'], ['service', 'stop', 'notary']


def test_up_without_root_says_what_to_do(monkeypatch):
    monkeypatch.setattr(os, 'geteuid', lambda: 1000)
    with pytest.raises(Failure, match='needs root.*Run this as root'):
        lab_verb.up()


@pytest.fixture
def nothing_built(monkeypatch):
    for name in 'build.make_tarball', 'image.make_image', 'lab.up':
        monkeypatch.setattr('portieris_app.demo.' + name,
                            lambda: pytest.fail('it begins to work'))


def test_demo_without_root_says_so_before_it_builds(
        monkeypatch, nothing_built, capsys):
    monkeypatch.setattr(os, 'geteuid', lambda: 1000)
    assert cli.main(['demo']) == 1
    assert 'needs root' in capsys.readouterr().err


def test_demo_leaves_a_lab_alone_that_is_in_use(
        monkeypatch, nothing_built, tmp_path, capsys):
    monkeypatch.setenv('PORTIERIS_LAB_DIR', str(tmp_path))
    monkeypatch.setattr(os, 'geteuid', lambda: 0)
    monkeypatch.setattr(commands, 'status', lambda: {'state': 'up'})
    assert cli.main(['demo']) == 1
    assert 'A lab is up in %s' % tmp_path in capsys.readouterr().err


def test_command_of_the_demo_shows_what_it_says_while_it_runs(
        tmp_path, capfd):
    gate = tmp_path / 'gate'
    os.mkfifo(gate)
    operator = demo.Operator({'bin': os.defpath})
    typing = threading.Thread(target=operator.types, args=(
        'echo first; read line <%s; echo second' % gate,))
    typing.start()
    said = []
    eventually('the first line is shown', lambda: said.append(
        capfd.readouterr().out) or '\nfirst' in ''.join(said))
    gate.write_text('go on\n')
    typing.join()
    assert capfd.readouterr().out == 'second\n'


@pytest.mark.parametrize('args', IN_USE, ids=lambda args: args[0])
def test_verbs_that_need_a_lab_say_that_none_is_up(tmp_path, args):
    done = Lab(tmp_path / 'none').call(*args)
    assert done.returncode == 1
    assert 'lab is up' in done.stderr and 'lab up' in done.stderr
    assert 'Traceback' not in done.stderr


@pytest.mark.parametrize('built', [True, False])
def test_status_without_a_lab_is_down_in_json_too(
        monkeypatch, tmp_path, capfd, built):
    monkeypatch.setenv('PORTIERIS_LAB_DIR', str(tmp_path / 'none'))
    monkeypatch.setattr(lab_verb, 'built', lambda: built)
    assert cli.main(['lab', 'status', '-o', 'json']) == 3
    assert json.loads(capfd.readouterr().out) == {
        'state': 'down', 'dir': str(tmp_path / 'none')}


def test_status_without_a_lab_is_down_with_exit_code_3(tmp_path):
    assert Lab(tmp_path / 'none').call('status').returncode == 3


@pytest.mark.lab
@pytest.mark.parametrize('verb', ['up', 'down'])
def test_directory_of_somebody_else_is_not_touched(tmp_path, verb):
    (tmp_path / 'letter').write_text('dear reader')
    done = Lab(tmp_path).call(verb)
    assert done.returncode == 1
    assert 'holds files that no lab made' in done.stderr
    assert (tmp_path / 'letter').read_text() == 'dear reader'


@pytest.mark.lab
@pytest.mark.parametrize('folder', ['/run/lab', '/var/log/lab', '/'])
def test_directory_that_the_lab_would_hide_is_refused(folder):
    done = Lab(folder).call('down')
    assert done.returncode == 1
    assert 'set PORTIERIS_LAB_DIR to another' in done.stderr


@pytest.mark.lab
def test_failing_service_is_named_with_the_end_of_its_log(
        fresh_lab, tmp_path):
    root = checkout.package_parent()
    binaries.build(root)
    bin_dir = tmp_path / 'bin'
    bin_dir.mkdir()
    for name in os.listdir(os.path.join(root, 'build/bin')):
        os.symlink(os.path.join(root, 'build/bin', name), bin_dir / name)
    for name in 'labnode', 'notary-server':
        os.remove(bin_dir / name)
    shutil.copy(os.path.join(root, 'build/bin/labnode'), bin_dir)
    broken = bin_dir / 'notary-server'
    broken.write_text('#!/bin/sh\necho "cannot read my keys" >&2\nexit 4\n')
    broken.chmod(0o755)
    before = footprint.take(fresh_lab.dir)

    done = subprocess.run(
        [str(bin_dir / 'labnode'), 'up', '--checkout', root,
         '--cert-manager', os.path.join(root, 'build/lab/cert-manager.yaml'),
         '--keep-logs', str(tmp_path / 'logs')],
        env=fresh_lab.env, text=True, capture_output=True, timeout=300)

    assert done.returncode == 1
    assert 'service notary ended unexpectedly (exit status 4)' in done.stderr
    assert 'last lines of the log of notary:\n  cannot read my keys' in \
        done.stderr
    assert (tmp_path / 'logs' / 'notary.log').is_file()
    after = footprint.take(fresh_lab.dir)
    assert footprint.changes(before, after) == {}


@pytest.fixture
def policy(monkeypatch, tmp_path):
    """Return the path of the script that lets services start or not."""
    monkeypatch.setattr(apt, 'POLICY', str(tmp_path / 'policy-rc.d'))
    monkeypatch.setattr(apt, 'OUR_LOCK', str(tmp_path / 'lock'))
    monkeypatch.setattr(os, 'geteuid', lambda: 0)
    return tmp_path / 'policy-rc.d'


def test_missing_packages_without_apt_are_named(monkeypatch):
    monkeypatch.setattr(shutil, 'which', lambda name, path=None: None)
    with pytest.raises(Failure, match="The lab needs Debian's packages "
                                      'containerd, runc.*Install them'):
        lab_verb.prepare()


def test_no_service_is_started_while_packages_are_installed(policy):
    with apt.no_services():
        assert subprocess.run([str(policy)]).returncode == 101
    assert not policy.exists()


def test_policy_of_the_machine_is_kept(policy):
    policy.write_text('#!/bin/sh\nexit 101\n')
    with apt.no_services():
        pass
    apt.install([], 'Nothing')
    assert policy.read_text() == '#!/bin/sh\nexit 101\n'


def test_services_may_start_again_after_a_run_that_was_killed(policy):
    program = ('from portieris_app import apt\n'
               'import os, signal\n'
               'apt.POLICY = %r\n'
               'with apt.no_services():\n'
               '    os.kill(os.getpid(), signal.SIGKILL)\n' % str(policy))
    subprocess.run([sys.executable, '-c', program],
                   cwd=checkout.package_parent())
    assert policy.exists()

    apt.install([], 'Nothing')

    assert not policy.exists()


def test_lists_that_another_program_reads_are_waited_for(
        monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(apt, 'LISTS_LOCK', str(tmp_path / 'lists'))
    holder = subprocess.Popen(
        [sys.executable, '-c',
         'import fcntl, sys\n'
         'lock = open(sys.argv[1], "w")\n'
         'fcntl.lockf(lock, fcntl.LOCK_EX)\n'
         'print("held", flush=True)\n'
         'sys.stdin.readline()\n', apt.LISTS_LOCK],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b'held\n'
    waiting = threading.Thread(target=apt.wait_for_the_lists)
    waiting.start()
    eventually('the kernel makes us wait', lambda: re.search(
        r'->.* %d ' % os.getpid(), footprint.read('/proc/locks')))

    holder.communicate(b'let go\n')

    waiting.join()
    assert 'wait for another apt-get: done' in capsys.readouterr().err


@pytest.mark.parametrize('ref', ['r.local:9001/app', 'app',
                                 'r.local/app@sha256:abc'])
def test_reference_without_tag_cannot_be_signed(ref):
    with pytest.raises(Failure, match='has none'):
        signing.split(ref)


def test_program_is_built_again_only_when_a_source_changed(tmp_path):
    target = binaries.Target('x', 'x', 'lab', ['x'], [], ['lab'])
    source = tmp_path / 'lab' / 'main.go'
    source.parent.mkdir()
    source.write_text('package main')
    first = binaries.digest_of(str(tmp_path), target, 'go1')
    (tmp_path / 'lab' / 'main_test.go').write_text('package main')
    assert binaries.digest_of(str(tmp_path), target, 'go1') == first
    assert binaries.digest_of(str(tmp_path), target, 'go2') != first
    source.write_text('package main // changed')
    assert binaries.digest_of(str(tmp_path), target, 'go1') != first


def test_build_that_is_cut_off_leaves_no_claim_to_be_done(
        monkeypatch, tmp_path):
    def cut_off(*_, **__):
        (tmp_path / 'build' / 'bin' / 'x').write_text('of new sources')
        raise KeyboardInterrupt

    source = tmp_path / 'lab' / 'main.go'
    source.parent.mkdir()
    source.write_text('old')
    target = binaries.Target('x', 'x', 'lab', ['x'], [], ['lab'])
    monkeypatch.setattr(binaries, 'TARGETS', [target])
    monkeypatch.setattr(binaries.progress, 'run', lambda *_, **__: (
        tmp_path / 'build' / 'bin' / 'x').write_text('of old sources'))
    binaries.build(str(tmp_path))
    source.write_text('new')
    with monkeypatch.context() as patch:
        patch.setattr(binaries.progress, 'run', cut_off)
        with pytest.raises(KeyboardInterrupt):
            binaries.build(str(tmp_path))
    source.write_text('old')

    binaries.build(str(tmp_path))

    assert (tmp_path / 'build' / 'bin' / 'x').read_text() == 'of old sources'
