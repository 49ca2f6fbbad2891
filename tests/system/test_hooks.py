# SPDX-License-Identifier: Apache-2.0
"""Lifecycle hooks: which, in what order, with what, on which release."""

import pytest

from tests.system.sample import Sample

RELEASES = ('7.0', '8.0', '9.0', '10.0', '11.0', '12.0', 'master')
# One of each kind, where less differs.
SOME = ('8.0', '11.0', 'master')


def since(release, number):
    return release == 'master' or float(release) >= number


def beginning(release):
    """Hooks of an apply until images are looked for."""
    rbd = [] if since(release, 12) else ['rbd/pre/apply']
    if since(release, 10):
        return ['overrides', 'resource/pre/apply'] + rbd
    return ['resource/pre/apply'] + rbd + ['overrides']


def ending(release):
    """Hooks of AppOperator after an apply that failed."""
    rbd = [] if since(release, 12) else ['rbd/post/apply']
    return rbd + ['resource/post/apply']


def status(release):
    return ['fluxcd-request/status/apply'] if since(release, 11) else []


@pytest.mark.parametrize('release', RELEASES)
def test_an_apply_that_succeeds(installable, release):
    installable.does('application-apply', 'sample', STX_RELEASE=release)
    assert installable.hook_names() == (
        ['check/pre/apply', 'operation/pre/apply'] + beginning(release)
        + ['manifest/pre/apply', 'fluxcd-request/pre/apply']
        + status(release)
        + ['fluxcd-request/post/apply', 'manifest/post/apply',
           'operation/post/apply'])


@pytest.mark.parametrize('release', SOME)
def test_an_apply_whose_release_does_not_get_ready(installable, release):
    said = installable.refuses(
        'application-apply', 'sample', STX_RELEASE=release,
        FAKE_HELM_FAILS='1.0.1')
    assert 'context deadline exceeded' in said
    assert installable.hook_names() == (
        ['check/pre/apply', 'operation/pre/apply'] + beginning(release)
        + ['manifest/pre/apply', 'fluxcd-request/pre/apply',
           'fluxcd-request/post/apply'] + ending(release)
        + ['operation/post/apply'])
    assert installable.shows('application-show', 'sample')[
        'status'] == 'apply-failed'


@pytest.mark.parametrize('release', ('8.0', 'master'))
def test_an_exception_in_a_manifest_hook(installable, release):
    said = installable.refuses(
        'application-apply', 'sample', STX_RELEASE=release,
        SAMPLE_RAISE='manifest/pre/apply:LifecycleSemanticCheckException')
    assert 'sample says no' in said
    assert installable.hook_names() == (
        ['check/pre/apply', 'operation/pre/apply'] + beginning(release)
        + ['manifest/pre/apply', 'manifest/post/apply'] + ending(release)
        + ['operation/post/apply'])


def test_an_exception_in_manifest_post_spoils_a_good_apply(installable):
    installable.refuses(
        'application-apply', 'sample',
        SAMPLE_RAISE='manifest/post/apply:LifecycleSemanticCheckException')
    assert installable.shows('application-show', 'sample')[
        'status'] == 'apply-failed'


def test_an_exception_in_resource_pre_ends_the_hooks(installable):
    installable.refuses(
        'application-apply', 'sample',
        SAMPLE_RAISE='resource/pre/apply:LifecycleSemanticCheckException')
    assert installable.hook_names() == [
        'check/pre/apply', 'operation/pre/apply', 'overrides',
        'resource/pre/apply']
    assert installable.helm() == {}


def test_an_exception_in_operation_pre_is_swallowed(installable):
    installable.does(
        'application-apply', 'sample',
        SAMPLE_RAISE='operation/pre/apply:LifecycleSemanticCheckException')


def test_a_check_answers_the_person_and_nothing_is_done(installable):
    said = installable.refuses(
        'application-apply', 'sample',
        SAMPLE_RAISE='check/pre/apply:LifecycleSemanticCheckException')
    assert said == 'Application-apply rejected: sample says no\n'
    assert installable.hook_names() == ['check/pre/apply']
    assert installable.shows('application-show', 'sample')[
        'status'] == 'uploaded'


def test_a_transient_failure_repeats_the_request_five_times(installable):
    done = installable.runs(
        'application-apply', 'sample',
        prelude='from stx_system.app_operator import AppOperator\n'
                'AppOperator.REQUEST_RETRY_SECONDS = 0',
        SAMPLE_RAISE='fluxcd-request/pre/apply:ApplicationApplyFailure')
    assert done.returncode == 1
    assert installable.hook_names().count('fluxcd-request/pre/apply') == 5


def test_a_status_hook_that_raises_fails_the_apply(installable):
    installable.refuses(
        'application-apply', 'sample', SAMPLE_RAISE=(
            'fluxcd-request/status/apply:LifecycleStatusCheckNotReady'))
    assert installable.hook_names().count('fluxcd-request/status/apply') == 1


def test_on_10_the_status_is_asked_before_the_release_is_ready(installable):
    done = installable.runs(
        'application-apply', 'sample', STX_RELEASE='10.0',
        prelude='from stx_system import tools\ntools.POLL_SECONDS = 0.05',
        FAKE_HELM_WAITS_FOR='fluxcd-request/status/apply*3')
    assert done.returncode == 0, done.stderr
    asked = [each['extra'] for each in installable.hooks()
             if each['hook'] == 'fluxcd-request/status/apply']
    assert len(asked) >= 3
    assert asked[0] == {}


def test_what_the_hooks_of_an_apply_are_handed(installable):
    installable.does('application-apply', 'sample')
    hooks = {each['hook']: each for each in installable.hooks()}
    assert hooks['check/pre/apply']['conductor'] is True
    assert hooks['operation/post/apply']['conductor'] is True
    assert hooks['operation/post/apply']['extra'] == {
        'manifest_applied': True, 'app_applied': True}
    assert hooks['resource/pre/apply']['conductor'] is False
    assert hooks['resource/pre/apply']['mode'] == 'manual'
    assert hooks['fluxcd-request/pre/apply']['mode'] is None
    assert hooks['fluxcd-request/pre/apply']['extra'] == {}
    assert hooks['fluxcd-request/status/apply']['extra'] == {
        'release': 'sample-sample'}
    assert hooks['fluxcd-request/post/apply']['extra'] == {'rc': True}


@pytest.mark.parametrize('release', SOME)
def test_a_remove(installable, release):
    installable.does('application-apply', 'sample', STX_RELEASE=release)
    installable.hooks()
    installable.does('application-remove', 'sample', STX_RELEASE=release)
    rbd = [] if since(release, 12) else ['rbd/post/remove']
    assert installable.hook_names() == (
        ['check/pre/remove', 'operation/pre/remove',
         'fluxcd-request/pre/remove', 'fluxcd-request/post/remove']
        + rbd + ['resource/post/remove', 'operation/post/remove'])
    assert installable.helm() == {}
    assert installable.shows('application-show', 'sample')[
        'status'] == 'uploaded'


def test_a_remove_that_fails(installable):
    installable.does('application-apply', 'sample')
    installable.refuses('application-remove', 'sample',
                        FAKE_HELM_FAILS='1.0.1')
    last = installable.hooks()[-1]
    assert last['hook'] == 'operation/post/remove'
    assert last['extra'] == {'force': False, 'app_removed': False}
    assert installable.shows('application-show', 'sample')[
        'status'] == 'remove-failed'
    installable.does('application-remove', 'sample')


def test_force_reaches_the_hooks(installable):
    installable.does('application-apply', 'sample')
    installable.hooks()
    installable.does('application-remove', 'sample', '--force')
    assert installable.hooks()[0]['extra'] == {'force': True}


def test_what_the_metadata_forbids_needs_force(platform, tmp_path):
    platform.does('application-upload', Sample(tmp_path / 'staging', metadata={
        'behavior': {'forbidden_manual_operations': ['delete']}}).pack())
    assert 'Delete is disabled' in platform.refuses(
        'application-delete', 'sample')
    platform.does('application-delete', 'sample', '--force')


@pytest.mark.parametrize('release', SOME)
def test_a_delete(installable, release):
    installable.does('application-delete', 'sample', STX_RELEASE=release)
    rbd = [] if since(release, 12) else ['rbd/pre/delete']
    assert installable.hook_names() == (
        ['check/pre/delete', 'operation/pre/delete'] + rbd
        + ['resource/pre/delete'])


@pytest.mark.parametrize('release', ('10.0',) + SOME)
def test_an_update(installable, tmp_path, release):
    installable.does('application-apply', 'sample', STX_RELEASE=release)
    installable.hooks()
    installable.does('application-update',
                     Sample(tmp_path / 'newer', '1.0-2').pack(),
                     STX_RELEASE=release)
    seen = [(each['hook'], each['version']) for each in installable.hooks()
            if each['hook'] != 'overrides']
    old, new = '1.0-1', '1.0-2'
    assert seen == (
        [('check/pre/update', old), ('check/pre/update', new)]
        + ([('resource/pre/update', new)] if since(release, 11) else [])
        + [(name, new) for name in beginning(release)
           if name != 'overrides']
        + [('manifest/pre/apply', new), ('fluxcd-request/pre/apply', new)]
        + [(name, new) for name in status(release)]
        + [('fluxcd-request/post/apply', new), ('manifest/post/apply', new)])


def test_the_two_checks_of_an_update_know_their_side(installable, tmp_path):
    installable.does('application-apply', 'sample')
    installable.hooks()
    installable.does('application-update',
                     Sample(tmp_path / 'newer', '1.0-2').pack())
    checks = [(each['extra'], each['conductor'])
              for each in installable.hooks()
              if each['hook'] == 'check/pre/update']
    assert checks == [({'from_app': True}, True), ({'to_app': True}, False)]


@pytest.mark.parametrize('release', ('10.0', '11.0', 'master'))
def test_going_back_to_an_older_version_is_a_downgrade_from_11_on(
        platform, tmp_path, release):
    platform.without_cluster()
    platform.does('application-upload',
                  Sample(tmp_path / 'newer', '1.0-2').pack())
    platform.does('application-apply', 'sample')
    platform.hooks()
    platform.does('application-update',
                  Sample(tmp_path / 'older', '1.0-1').pack(),
                  STX_RELEASE=release)
    downgrades = [each['version'] for each in platform.hooks()
                  if each['hook'] == 'resource/pre/downgrade']
    assert downgrades == (['1.0-2'] if since(release, 11) else [])


@pytest.mark.parametrize('release', ('8.0', '10.0', 'master'))
def test_an_update_that_fails_brings_the_old_version_back(
        installable, tmp_path, release):
    installable.does('application-apply', 'sample', STX_RELEASE=release)
    installable.hooks()
    said = installable.refuses(
        'application-update', Sample(tmp_path / 'newer', '1.0-2').pack(),
        STX_RELEASE=release, FAKE_HELM_FAILS='1.0.2')
    assert 'Application recover to version 1.0-1 completed.' in said
    seen = [(each['hook'], each['version']) for each in installable.hooks()
            if each['hook'] != 'overrides']
    assert seen[-2:] == (
        [('fluxcd-request/pre/apply', '1.0-1')]
        + [(name, '1.0-1') for name in status(release)]
        + [('fluxcd-request/post/apply', '1.0-1')])[-2:]
    # With the timing of the hook before, and to the newer plugin.
    assert (('resource/post/recover', '1.0-2') in seen) == since(release, 9)
    shown = installable.shows('application-show', 'sample')
    assert (shown['status'], shown['app_version']) == ('applied', '1.0-1')
    assert installable.helm()['sample-sample']['args'][3].endswith(
        'sample-1.0.1.tgz')


@pytest.mark.parametrize('release', ('8.0', 'master'))
def test_an_update_that_fails_early_leaves_the_release_alone(
        installable, tmp_path, release):
    installable.does('application-apply', 'sample', STX_RELEASE=release)
    installable.hooks()
    installable.refuses(
        'application-update', Sample(tmp_path / 'newer', '1.0-2').pack(),
        STX_RELEASE=release, SAMPLE_RAISE=(
            'resource/pre/apply@1.0-2:LifecycleSemanticCheckException'))
    names = installable.hook_names()
    assert names[-1] == ('resource/pre/recover' if since(release, 9)
                         else 'resource/pre/apply')
    assert not [name for name in names if 'request' in name]
    shown = installable.shows('application-show', 'sample')
    assert (shown['status'], shown['app_version']) == ('applied', '1.0-1')


def test_hooks_see_that_they_are_part_of_an_update(installable, tmp_path):
    installable.does('application-apply', 'sample')
    statuses = {each['hook']: each['status'] for each in installable.hooks()
                if each['hook'] != 'overrides'}
    assert statuses['fluxcd-request/pre/apply'] == 'applying'
    installable.refuses(
        'application-update', Sample(tmp_path / 'newer', '1.0-2').pack(),
        FAKE_HELM_FAILS='1.0.2')
    assert [each['status'] for each in installable.hooks()
            if each['hook'] == 'fluxcd-request/pre/apply'] == [
                'updating', 'recovering']


def test_the_new_version_s_own_check_brings_the_old_one_back(
        installable, tmp_path):
    installable.does('application-apply', 'sample')
    said = installable.refuses(
        'application-update', Sample(tmp_path / 'newer', '1.0-2').pack(),
        SAMPLE_RAISE='check/pre/update@1.0-2:LifecycleSemanticCheckException')
    assert 'Application-update failed: sample says no' in said
    assert installable.shows('application-show', 'sample')[
        'app_version'] == '1.0-1'
