# SPDX-License-Identifier: Apache-2.0
"""What the lab cannot do, it says in a sentence and leaves as it was."""

import os
import shutil
import subprocess

import pytest

from portieris_app import checkout
from portieris_app.errors import Failure
from portieris_app import lab as lab_verb
from portieris_app.labtools import binaries
from portieris_app.labtools import packages
from portieris_app.labtools import signing
from tests.lab.conftest import Lab
from tests.lab import footprint

IN_USE = ['exec', '--', 'true'], ['push', '--sample', 'r.local:9001/a:1'], \
    ['sign', 'registry.local:9001/a:1'], ['signer', 'alice'], \
    ['logs', 'kubelet'], ['service', 'stop', 'notary']


def test_up_without_root_says_what_to_do(monkeypatch):
    monkeypatch.setattr(os, 'geteuid', lambda: 1000)
    with pytest.raises(Failure, match='needs root.*lab up" as root'):
        lab_verb.up()


@pytest.mark.parametrize('args', IN_USE, ids=lambda args: args[0])
def test_verbs_that_need_a_lab_say_that_none_is_up(tmp_path, args):
    done = Lab(tmp_path / 'none').call(*args)
    assert done.returncode == 1
    assert 'lab is up' in done.stderr and 'lab up' in done.stderr
    assert 'Traceback' not in done.stderr


def test_status_without_a_lab_is_down_with_exit_code_3(tmp_path):
    assert Lab(tmp_path / 'none').status()[1]['state'] == 'down'
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


def test_missing_packages_without_apt_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(packages.shutil, 'which',
                        lambda name, path=None: None)
    with pytest.raises(Failure, match='containerd, runc.*no apt-get'):
        packages.install(str(tmp_path / 'apt.log'))


def test_no_service_is_started_while_packages_are_installed(
        monkeypatch, tmp_path):
    policy = tmp_path / 'policy-rc.d'
    monkeypatch.setattr(packages, 'POLICY', str(policy))
    with packages.no_services():
        assert subprocess.run([str(policy)]).returncode == 101
    assert not policy.exists()


def test_policy_of_the_machine_is_kept(monkeypatch, tmp_path):
    policy = tmp_path / 'policy-rc.d'
    policy.write_text('#!/bin/sh\nexit 101\n')
    monkeypatch.setattr(packages, 'POLICY', str(policy))
    with packages.no_services():
        pass
    assert policy.read_text() == '#!/bin/sh\nexit 101\n'


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
