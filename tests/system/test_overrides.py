# SPDX-License-Identifier: Apache-2.0
"""User overrides: how they are set, merged and handed to helm."""

import pytest
import yaml

from tests.system.sample import ENTRY_POINTS
from tests.system.sample import Sample

CHART = ('sample', 'sample', 'sample')


def user_overrides(platform):
    return yaml.safe_load(platform.shows('helm-override-show', *CHART)[
        'user_overrides'])


def test_set_and_files_are_merged_and_set_wins(uploaded, tmp_path):
    (tmp_path / 'a.yaml').write_text('colour: file\nleft: {a: 1}\n')
    (tmp_path / 'b.yaml').write_text('left: {b: 2}\n')
    uploaded.does('helm-override-update', *CHART,
                  '--values', str(tmp_path / 'a.yaml'),
                  '--values', str(tmp_path / 'b.yaml'),
                  '--set', 'colour=set', '--set', 'list[0].name=x')
    assert user_overrides(uploaded) == {
        'colour': 'set', 'left': {'a': 1, 'b': 2}, 'list': [{'name': 'x'}]}


def test_digits_become_a_string(uploaded):
    uploaded.does('helm-override-update', *CHART, '--set', 'replicaCount=3')
    assert user_overrides(uploaded) == {'replicaCount': '3'}


@pytest.mark.parametrize('words, kept', (
    ((), False), (('--reset-values',), False), (('--reuse-values',), True),
    (('--reuse-values', '--reset-values'), False)))
def test_earlier_values_are_kept_only_when_asked(uploaded, words, kept):
    uploaded.does('helm-override-update', *CHART, '--set', 'a=x')
    uploaded.does('helm-override-update', *CHART, '--set', 'b=y', *words)
    assert ('a' in user_overrides(uploaded)) is kept
    assert user_overrides(uploaded)['b'] == 'y'


@pytest.mark.parametrize('pair, sentence', (
    ('a=b,c=d', 'a comma is not allowed in it'),
    ('a', 'give a name=value'),
    ('a[=b', 'the overrides do not merge')))
def test_a_bad_set_is_refused_and_nothing_is_stored(
        uploaded, pair, sentence):
    assert sentence in uploaded.refuses('helm-override-update', *CHART,
                                        '--set', pair)
    assert user_overrides(uploaded) == 'None'


def test_a_values_file_that_is_not_there_is_named(uploaded):
    assert uploaded.refuses(
        'helm-override-update', *CHART, '--values', '/nowhere.yaml') == (
        'cannot read the overrides file /nowhere.yaml: No such file or '
        'directory.\n')


def test_a_values_file_that_is_no_yaml_is_refused(uploaded, tmp_path):
    (tmp_path / 'a.yaml').write_text('a: [')
    assert 'the overrides do not merge' in uploaded.refuses(
        'helm-override-update', *CHART, '--values', str(tmp_path / 'a.yaml'))


def test_show_combines_system_and_user(uploaded):
    uploaded.does('helm-override-update', *CHART, '--set', 'colour=user')
    shown = uploaded.shows('helm-override-show', *CHART)
    assert yaml.safe_load(shown['combined_overrides']) == {
        'colour': 'user', 'replicaCount': 1}
    assert yaml.safe_load(shown['system_overrides']) == {
        'colour': 'system', 'replicaCount': 1}


def test_delete_takes_the_user_s_part_alone(uploaded):
    uploaded.does('helm-override-update', *CHART, '--set', 'a=x')
    uploaded.does('helm-override-delete', *CHART)
    shown = uploaded.shows('helm-override-show', *CHART)
    assert shown['user_overrides'] == 'None'
    assert shown['attributes'] == 'enabled: true'


@pytest.mark.parametrize('where', (
    ('other', 'sample'), ('sample', 'other')))
@pytest.mark.parametrize('command', (
    ('helm-override-show',), ('helm-override-delete',),
    ('helm-override-update', '--set', 'a=x'),
    ('helm-chart-attribute-modify', '--enabled', 'false')))
def test_an_unknown_chart_or_namespace_is_named(uploaded, command, where):
    said = uploaded.refuses(*command, 'sample', *where)
    assert said == (
        'Overrides of chart %s in namespace %s not found for application '
        'sample. "system helm-override-list sample" shows those there are.'
        '\n' % where)
    assert len(uploaded.shows('helm-override-list', 'sample')) == 1


def test_an_unknown_application_is_named(platform):
    assert platform.refuses('helm-override-list', 'nothing') == (
        'application not found: nothing\n')


def test_helm_gets_static_then_system_and_user(installable):
    installable.does('helm-override-update', *CHART, '--set', 'colour=user')
    installable.does('application-apply', 'sample')
    static, system = [yaml.safe_load(text) for text in installable.helm()[
        'sample-sample']['values']]
    assert static['colour'] == 'static'
    assert system == {'colour': 'user', 'replicaCount': 1}


def test_overrides_take_effect_at_the_next_apply(installable):
    installable.does('application-apply', 'sample')
    installable.does('helm-override-update', *CHART, '--set', 'colour=user')
    installable.does('application-apply', 'sample')
    assert 'colour: user' in installable.helm()['sample-sample'][
        'values'][1]


def test_user_overrides_in_a_namespace_without_system_ones_are_lost(
        installable):
    installable.edit_rows(lambda tables: tables['helm_overrides'].append({
        'app_id': 2, 'name': 'sample', 'namespace': 'other',
        'system_overrides': {}, 'user_overrides': 'colour: user'}))
    installable.does('application-apply', 'sample')
    assert 'user' not in installable.helm()['sample-sample']['values'][1]


@pytest.mark.parametrize('keep', (True, False))
def test_an_update_keeps_user_overrides_as_the_metadata_says(
        installable, tmp_path, keep):
    installable.does('application-apply', 'sample')
    installable.does('helm-override-update', *CHART, '--set', 'colour=user')
    installable.does('application-update', Sample(
        tmp_path / 'newer', '1.0-2',
        metadata={'maintain_user_overrides': keep}).pack())
    assert ('colour: user' in installable.helm()['sample-sample'][
        'values'][1]) is keep


def test_an_update_keeps_no_overrides_of_a_chart_of_no_manifest(
        installable, tmp_path):
    installable.does('application-apply', 'sample')
    installable.edit_rows(lambda tables: tables['helm_overrides'].append({
        'app_id': 2, 'name': 'gone', 'namespace': 'sample',
        'system_overrides': {}, 'user_overrides': 'colour: user'}))
    newer = Sample(tmp_path / 'newer', '1.0-2')
    newer.pack_wheel('1.0.2', entry_points=ENTRY_POINTS.replace(
        '\n[systemconfig.app_lifecycle]', '\n002_gone = '
        'k8sapp_sample.plugins:SampleHelm\n[systemconfig.app_lifecycle]'))
    installable.does('application-update', newer.pack())
    assert installable.shows('helm-override-show', 'sample', 'gone',
                             'sample')['user_overrides'] == 'None'


def test_a_version_that_comes_back_has_the_overrides_of_the_other(
        installable, tmp_path):
    installable.does('application-apply', 'sample')
    installable.does('helm-override-update', *CHART, '--set', 'colour=old')
    installable.does('application-update',
                     Sample(tmp_path / 'newer', '1.0-2').pack())
    installable.does('helm-override-update', *CHART, '--set', 'colour=user')
    installable.does('application-update',
                     Sample(tmp_path / 'older', '1.0-1').pack())
    assert 'colour: user' in installable.helm()['sample-sample'][
        'values'][1]
    installable.does('application-remove', 'sample')
    installable.does('application-delete', 'sample')


def test_a_chart_switched_off_is_uninstalled_and_comes_back(installable):
    installable.does('application-apply', 'sample')
    installable.does('helm-chart-attribute-modify', '--enabled', 'false',
                     *CHART)
    assert 'sample-sample' in installable.helm()
    installable.does('application-apply', 'sample')
    assert installable.helm() == {}
    installable.does('helm-chart-attribute-modify', '--enabled', 'true',
                     *CHART)
    installable.does('application-apply', 'sample')
    assert installable.helm()['sample-sample']['status'] == 'deployed'
