# SPDX-License-Identifier: Apache-2.0
"""What Zuul and tox are told to run exists."""

import configparser
import re

import pytest
import yaml

from tests.tarball.conftest import ROOT

# Jobs of OpenStack's own, and the environment of tox that each runs.
OPENSTACK = {'openstack-tox-docs': 'docs',
             'build-openstack-releasenotes': 'releasenotes'}


def zuul(kind):
    return [entry[kind] for entry in yaml.safe_load(
        (ROOT / '.zuul.yaml').read_text()) if kind in entry]


def environments():
    tox = configparser.RawConfigParser()
    tox.read(ROOT / 'tox.ini')
    listed = re.split(r'[\s,]+', tox['tox']['envlist'])
    return set(listed) | {name.partition(':')[2] for name in tox.sections()
                          if name.startswith('testenv:')}


JOBS = {job['name']: job for job in zuul('job')}


@pytest.mark.parametrize('pipeline', ['check', 'gate'])
def test_every_job_that_runs_is_defined(pipeline):
    (project,) = zuul('project')
    names = project[pipeline]['jobs']

    assert set(names) == set(JOBS) | set(OPENSTACK)
    assert len(names) == len(set(names))


@pytest.mark.parametrize('name', [name for name, job in JOBS.items()
                                  if 'run' in job])
def test_playbook_of_a_job_runs_what_is_there(name):
    plays = yaml.safe_load((ROOT / JOBS[name]['run']).read_text())
    makefile = (ROOT / 'Makefile').read_text()
    commands = [task['ansible.builtin.command']['cmd'].split()
                for play in plays for task in play['tasks']]

    assert commands
    for program, *words in commands:
        if program == 'make':
            assert [word for word in words if not re.search(
                '^%s:' % word, makefile, re.M)] == []
        elif not program.startswith('build/'):
            assert (ROOT / program).is_file()


@pytest.mark.parametrize('name', [name for name, job in JOBS.items()
                                  if 'run' in job])
def test_job_that_runs_playbooks_of_ours_has_the_go_of_the_modules(name):
    """Debian's own is years older than what the modules ask for."""
    (pre,) = yaml.safe_load((ROOT / JOBS[name]['pre-run']).read_text())
    installed = {role['role']: role for role in pre['roles']}
    wanted = {re.search(r'^go (\S+)$', path.read_text(), re.M).group(1)
              for path in ROOT.glob('*/go.mod')}

    assert {installed['ensure-go']['go_version']} == wanted
    for play in yaml.safe_load((ROOT / JOBS[name]['run']).read_text()):
        assert play['environment']['PATH'].startswith('/usr/local/go/bin:')


def test_environments_of_tox_that_jobs_name_exist():
    named = set(OPENSTACK.values()) | {
        job['vars']['tox_envlist'] for job in JOBS.values()
        if 'tox_envlist' in job.get('vars', {})}

    assert named <= environments()


def test_files_that_wake_a_job_exist():
    for job in JOBS.values():
        for pattern in job.get('files', []):
            assert (ROOT / pattern.removesuffix('.*')).exists(), pattern


def test_continuous_integration_runs_what_developers_run():
    assert (ROOT / '.ci' / 'run').read_text().splitlines()[-1] == (
        'exec make test')
