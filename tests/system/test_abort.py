# SPDX-License-Identifier: Apache-2.0
"""application-abort, from another shell while a command is at work."""

import pytest

from tests.system.sample import Sample

BY_USER = 'operation aborted by user'
# Where an apply is when it is aborted, and the hooks that still follow. What
# is prepared before the manifest ends without another hook.
PHASES = [
    ('master', 'operation/pre/apply', ['overrides']),
    ('master', 'overrides', []),
    ('master', 'resource/pre/apply', []),
    ('9.0', 'rbd/pre/apply', []),
    # Up to 9.0 the images are what comes next.
    ('9.0', 'overrides', []),
    ('master', 'manifest/pre/apply', [
        'manifest/post/apply', 'resource/post/apply',
        'operation/post/apply']),
    ('9.0', 'fluxcd-request/pre/apply', [
        'fluxcd-request/post/apply', 'rbd/post/apply',
        'resource/post/apply', 'operation/post/apply']),
    ('master', 'helm', [
        'fluxcd-request/post/apply', 'resource/post/apply',
        'operation/post/apply']),
]


def state(platform):
    shown = platform.shows('application-show', 'sample')
    return shown['app_version'], shown['status'], shown['progress']


def hooks(platform):
    """The hooks there were, but for those of the abort itself."""
    return [name for name in platform.hook_names()
            if not name.endswith('/abort')]


def aborts(platform, gate, process, at, **env):
    """Abort what waits at the gate, and return what it said in the end."""
    platform.hooks()
    platform.does('application-abort', 'sample', **env)
    if at != 'helm':
        gate.open()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert 'Traceback' not in said
    return said


@pytest.fixture(params=PHASES, ids=lambda phase: ' '.join(phase[:2]))
def aborted(request, installable, gate, begin):
    """A platform on which an apply was aborted in one of the phases."""
    release, at, following = request.param
    # Behind the last hook there is still helm, which would come to its end.
    more = ({'FAKE_HELM_GATE': gate.path}
            if at == 'fluxcd-request/pre/apply' else {})
    process = begin('application-apply', 'sample', at=at,
                    STX_RELEASE=release, **more)
    said = aborts(installable, gate, process, at, STX_RELEASE=release)
    assert 'Application-apply failed: ' in said and BY_USER in said
    assert hooks(installable) == following
    assert state(installable) == ('1.0-1', 'apply-failed', BY_USER)
    return installable


def test_after_an_aborted_apply_apply_works(aborted):
    aborted.does('application-apply', 'sample')
    assert state(aborted)[1] == 'applied'
    assert aborted.helm()['sample-sample']['status'] == 'deployed'


def test_after_an_aborted_apply_remove_works(aborted):
    aborted.does('application-remove', 'sample')
    assert state(aborted)[1] == 'uploaded'
    assert aborted.helm() == {}


@pytest.fixture
def applied(installable):
    installable.does('application-apply', 'sample')
    return installable


@pytest.fixture
def newer(tmp_path):
    return Sample(tmp_path / 'newer', '1.0-2').pack()


@pytest.mark.parametrize('operation', ('apply', 'remove'))
@pytest.mark.parametrize('at, status', (
    # The release is untouched, and so the old version is in force.
    ('resource/pre/apply@1.0-2', 'applied'),
    # Nobody asks for the old version anew once an abort is asked for.
    ('manifest/pre/apply@1.0-2', 'apply-failed'),
    ('helm', 'apply-failed')))
def test_an_aborted_update_leaves_the_old_version(
        applied, gate, begin, newer, at, status, operation):
    process = begin('application-update', newer, at=at)
    said = aborts(applied, gate, process, at)
    assert 'Application-update failed: ' in said and BY_USER in said
    assert state(applied)[:2] == ('1.0-1', status)
    applied.does('application-%s' % operation, 'sample')
    assert [release['args'][3].endswith('sample-1.0.1.tgz')
            for release in applied.helm().values()] == (
        [True] if operation == 'apply' else [])


@pytest.mark.parametrize('operation', ('apply', 'remove'))
def test_an_aborted_removal_has_removed_nothing(
        applied, gate, begin, operation):
    process = begin('application-remove', 'sample',
                    at='operation/pre/remove')
    said = aborts(applied, gate, process, 'operation/pre/remove')
    assert 'Application-remove failed: ' in said and BY_USER in said
    assert hooks(applied) == ['operation/post/remove']
    assert state(applied) == ('1.0-1', 'remove-failed', BY_USER)
    assert 'sample-sample' in applied.helm()
    applied.does('application-remove', 'sample')
    if operation == 'apply':
        applied.does('application-apply', 'sample')


def test_a_removal_that_has_begun_comes_to_its_end(applied, gate, begin):
    process = begin('application-remove', 'sample',
                    at='fluxcd-request/pre/remove')
    applied.does('application-abort', 'sample')
    gate.open()
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert state(applied)[1] == 'uploaded'


@pytest.mark.parametrize('release', ('9.0', '10.0', 'master'))
def test_the_hooks_of_an_abort(installable, gate, begin, release):
    begin('application-apply', 'sample', at='resource/pre/apply',
          STX_RELEASE=release)
    installable.hooks()
    installable.does('application-abort', 'sample', STX_RELEASE=release)
    seen = [(each['hook'], each['extra'], each['conductor'])
            for each in installable.hooks()]
    around = {'aborted_op': 'apply'}
    assert seen == [('check/pre/abort', {}, True)] + (
        [] if release == '9.0' else
        [('operation/pre/abort', around, False),
         ('operation/post/abort', around, False)])


def test_a_plugin_may_refuse_an_abort(installable, gate, begin):
    process = begin('application-apply', 'sample', at='resource/pre/apply')
    assert installable.refuses(
        'application-abort', 'sample',
        SAMPLE_RAISE='check/pre/abort:LifecycleSemanticCheckException') == (
        'Application-abort rejected: sample says no\n')
    gate.open()
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_where_nothing_is_at_work_an_abort_is_refused(installable):
    assert installable.refuses('application-abort', 'sample') == (
        'Application-abort rejected: operation is not allowed while the '
        'current status is uploaded.\n')


def test_during_the_checks_there_is_nothing_to_abort_yet(
        installable, gate, begin):
    process = begin('application-apply', 'sample', at='check/pre/apply')
    assert 'the current status is uploaded' in installable.refuses(
        'application-abort', 'sample')
    gate.open()
    process.communicate(timeout=60)
    assert process.returncode == 0
