# SPDX-License-Identifier: Apache-2.0
"""Apply: states, what helm is told, and what is left when it dies."""

import json
import os
import signal

import pytest
import yaml

from tests.system.sample import PLUGINS
from tests.system.sample import Sample


def test_helm_installs_the_chart_of_the_repository(installable):
    installable.does('application-apply', 'sample')
    args = installable.helm()['sample-sample']['args']
    assert args[:3] == ['upgrade', '--install', 'sample-sample']
    assert args[3].endswith(
        'www/pages/helm_charts/stx-platform/sample-1.0.1.tgz')
    assert args[4:6] == ['--namespace', 'sample']
    assert '--wait' in args and '--skip-crds' not in args


def test_images_are_named_in_the_local_registry(installable):
    installable.does('application-apply', 'sample')
    static = yaml.safe_load(
        installable.helm()['sample-sample']['values'][0])
    assert static['images'] == {'tags': {
        'main': 'registry.local:9001/docker.io/sample/main:1'}}


def test_custom_resources_are_helm_s_at_first_and_ours_later(
        platform, tmp_path):
    app = Sample(tmp_path / 'staging')
    app.change('sample/helmrelease.yaml', lambda release: release[
        'spec'].update(timeout='7m', install={
            'disableWait': True, 'createNamespace': True}))
    platform.without_cluster()
    platform.does('application-upload', app.pack())
    platform.does('application-apply', 'sample')
    args = platform.helm()['sample-sample']['args']
    assert '--wait' not in args and '--create-namespace' in args
    assert args[args.index('--timeout') + 1] == '7m'
    assert '--skip-crds' not in args
    platform.does('application-apply', 'sample')
    assert '--skip-crds' in platform.helm()['sample-sample']['args']


def test_a_chart_version_that_is_not_there_is_named(platform, tmp_path):
    app = Sample(tmp_path / 'staging')
    app.change('sample/helmrelease.yaml', lambda release: release['spec'][
        'chart']['spec'].update(version='9.9.9'))
    platform.without_cluster()
    platform.does('application-upload', app.pack())
    assert ("no 'sample' chart with version matching '9.9.9' found"
            in platform.refuses('application-apply', 'sample'))


def test_a_failed_upgrade_is_rolled_back(installable):
    installable.does('application-apply', 'sample')
    installable.refuses('application-apply', 'sample',
                        FAKE_HELM_FAILS='1.0.1')
    assert installable.helm()['sample-sample']['status'] == 'deployed'
    installable.does('application-apply', 'sample')


@pytest.mark.parametrize('state, first', (
    ('pending-install', 'helm uninstall sample-sample'),
    ('pending-upgrade', 'helm rollback sample-sample'),
    ('pending-rollback', 'helm rollback sample-sample')))
def test_a_release_that_a_dead_attempt_left_locked_is_freed(
        installable, state, first):
    installable.does('application-apply', 'sample')
    releases = installable.helm()
    releases['sample-sample']['status'] = state
    installable.helm_state.write_text(json.dumps(releases))
    installable.does('application-apply', 'sample')
    log = (installable.root / 'var/log/sysinv.log').read_text()
    assert first in log
    assert installable.helm()['sample-sample']['status'] == 'deployed'


@pytest.mark.parametrize('operation', ('remove', 'update'))
def test_what_is_not_applied_is_neither_removed_nor_updated(
        installable, tmp_path, operation):
    target = ('sample' if operation == 'remove' else
              Sample(tmp_path / 'newer', '1.0-2').pack())
    assert installable.refuses('application-%s' % operation, target) == (
        'Application-%s rejected: operation is not allowed while the '
        'current status is uploaded.\n' % operation)


def test_what_is_applied_is_not_deleted(installable):
    installable.does('application-apply', 'sample')
    assert 'current status is applied' in installable.refuses(
        'application-delete', 'sample')


def test_an_unknown_application_is_not_applied(platform):
    assert platform.refuses('application-apply', 'other') == (
        'Application-apply rejected: application not found: other\n')


def test_the_platform_s_own_application_is_left_alone(platform):
    assert 'belongs to the platform' in platform.refuses(
        'application-remove', 'cert-manager')


def test_a_cluster_out_of_range_is_refused(platform, tmp_path):
    app = Sample(tmp_path / 'staging', metadata={
        'supported_k8s_version': {'minimum': 'v1.30.0'}})
    platform.without_cluster(kubernetes='v1.29.4')
    platform.does('application-upload', app.pack())
    assert 'Application-apply rejected: ' in platform.refuses(
        'application-apply', 'sample')


def test_a_cluster_that_does_not_answer_is_a_sentence(uploaded):
    assert uploaded.refuses('application-apply', 'sample').startswith(
        'Application-apply rejected: "kubectl version --output" ended with ')


def test_an_update_that_needs_a_newer_cluster_is_refused(
        installable, tmp_path):
    installable.does('application-apply', 'sample')
    newer = Sample(tmp_path / 'newer', '1.0-2', metadata={
        'supported_k8s_version': {'minimum': 'v1.35.0'}})
    assert 'Application-update rejected: ' in installable.refuses(
        'application-update', newer.pack())
    assert installable.shows('application-show', 'sample')[
        'app_version'] == '1.0-1'


@pytest.mark.parametrize('release, refused', (
    ('10.0', False), ('11.0', True), ('master', True)))
def test_a_missing_dependency_refuses_the_apply_from_11_on(
        platform, tmp_path, release, refused):
    app = Sample(tmp_path / 'staging', metadata={'dependent_apps': [
        {'name': 'cert-manager', 'version': '9.*', 'action': 'error'}]})
    platform.without_cluster()
    platform.does('application-upload', app.pack())
    done = platform.runs('application-apply', 'sample', STX_RELEASE=release)
    assert ('it depends on cert-manager (9.*), which is not applied'
            in done.stderr) is refused


def test_a_dependency_that_is_applied_is_no_obstacle(platform, tmp_path):
    app = Sample(tmp_path / 'staging', metadata={'dependent_apps': [
        {'name': 'cert-manager', 'version': r'\d+\.\d+-\d+',
         'action': 'error'}]})
    platform.without_cluster()
    platform.does('application-upload', app.pack())
    platform.does('application-apply', 'sample')


def test_an_update_to_the_same_version_is_refused(installable, sample):
    installable.does('application-apply', 'sample')
    assert 'the version 1.0-1 is applied already' in installable.refuses(
        'application-update', sample.pack())


@pytest.mark.parametrize('release, versions, refused', (
    ('master', ['0.9-.*'], True), ('master', [], True),
    ('master', [r'1\.0-\d+'], False), ('12.0', [], False)))
def test_from_versions_count_on_master_alone(
        installable, tmp_path, release, versions, refused):
    installable.does('application-apply', 'sample')
    newer = Sample(tmp_path / 'newer', '1.0-2', metadata={
        'upgrades': {'from_versions': versions}})
    done = installable.runs('application-update', newer.pack(),
                            STX_RELEASE=release)
    assert (done.returncode == 1) is refused
    assert ('cannot be updated to 1.0-2' in done.stderr) is refused


def test_after_an_update_the_old_version_is_gone(installable, tmp_path):
    installable.does('application-apply', 'sample')
    installable.does('application-update',
                     Sample(tmp_path / 'newer', '1.0-2').pack())
    shown = installable.shows('application-show', 'sample')
    assert shown['app_version'] == '1.0-2'
    assert shown['progress'] == ('Application update from version 1.0-1 to '
                                 'version 1.0-2 completed.')
    assert [path.name for path in (
        installable.root / 'opt/platform/helm/lab/sample').iterdir()
        if any(path.iterdir())] == ['1.0-2']


def test_an_update_runs_the_plugins_of_the_new_version(
        installable, tmp_path):
    installable.does('application-apply', 'sample')
    newer = Sample(tmp_path / 'newer', '1.0-2')
    newer.pack_wheel('1.0.2', plugins=PLUGINS.replace(
        '"colour": "system"', '"colour": "newer"'))
    installable.does('application-update', newer.pack())
    assert 'colour: newer' in installable.helm()['sample-sample'][
        'values'][1]


def test_a_failed_update_is_left_where_it_is_when_so_told(
        installable, tmp_path):
    installable.does('application-apply', 'sample')
    newer = Sample(tmp_path / 'newer', '1.0-2', metadata={
        'upgrades': {'update_failure_no_rollback': True}})
    installable.refuses('application-update', newer.pack(),
                        FAKE_HELM_FAILS='1.0.2')
    shown = installable.shows('application-show', 'sample')
    assert (shown['app_version'], shown['status']) == (
        '1.0-2', 'apply-failed')
    assert 'recovery skipped' in shown['progress']


@pytest.mark.parametrize('release', ('6.0', 'new'))
def test_a_release_that_cannot_be_imitated_is_refused(platform, release):
    assert platform.refuses('application-list', STX_RELEASE=release) == (
        'StarlingX release "%s" cannot be imitated: choose one of 7.0, 8.0, '
        '9.0, 10.0, 11.0, 12.0, master.\n' % release)


@pytest.fixture
def slow_apply(begin):
    """An apply whose helm does not come back, and its process."""
    return begin('application-apply', 'sample')


def test_an_apply_that_is_interrupted_can_be_repeated(
        installable, slow_apply):
    slow_apply.send_signal(signal.SIGINT)
    slow_apply.wait(timeout=30)
    assert slow_apply.returncode == 1
    assert installable.hook_names()[-3:] == [
        'fluxcd-request/post/apply', 'resource/post/apply',
        'operation/post/apply']
    shown = installable.shows('application-show', 'sample')
    assert (shown['status'], shown['progress']) == (
        'apply-failed', 'operation aborted by user')
    installable.does('application-apply', 'sample')


def test_while_an_apply_runs_others_may_look_but_not_act(
        installable, slow_apply):
    assert installable.shows('application-show', 'sample')[
        'status'] == 'applying'
    assert 'another system command is at work' in installable.refuses(
        'application-remove', 'sample')


def test_an_apply_that_was_killed_is_seen_as_failed(installable, slow_apply):
    os.killpg(slow_apply.pid, signal.SIGKILL)
    slow_apply.wait()
    shown = installable.shows('application-show', 'sample')
    assert shown['status'] == 'apply-failed'
    assert shown['progress'].startswith('operation aborted')
    installable.does('application-apply', 'sample')


def test_an_update_that_was_killed_goes_on_with_an_apply(
        installable, tmp_path):
    installable.does('application-apply', 'sample')
    newer = Sample(tmp_path / 'newer', '1.0-2').pack()
    installable.runs(
        'application-update', newer,
        prelude='import os\nfrom stx_system import flux\n'
                'flux.install = lambda *args, **options: os._exit(9)')
    shown = installable.shows('application-show', 'sample')
    assert (shown['app_version'], shown['status']) == (
        '1.0-2', 'apply-failed')
    installable.does('application-apply', 'sample')
    assert installable.helm()['sample-sample']['args'][3].endswith(
        'sample-1.0.2.tgz')
