# SPDX-License-Identifier: Apache-2.0
"""What becomes of a good tarball, and what is said of a bad one."""

import os
import shutil

import pytest
import yaml

from tests.system import sample as samples
from tests.system.sample import Sample


def test_an_upload_makes_the_application_known(uploaded):
    rows = {row['application']: row
            for row in uploaded.shows('application-list')}
    assert rows['sample'] == {
        'application': 'sample', 'version': '1.0-1', 'status': 'uploaded',
        'manifest name': 'sample-fluxcd-manifests',
        'manifest file': 'fluxcd-manifests', 'progress': 'completed'}


def test_tables_have_the_borders_of_the_real_client(uploaded):
    lines = uploaded.does('helm-override-list', 'sample').splitlines()
    assert lines == [
        '+------------+----------------------+',
        '| chart name | overrides namespaces |',
        '+------------+----------------------+',
        "| sample     | ['sample']           |",
        '+------------+----------------------+']


def test_the_wheel_is_unzipped_where_the_platform_has_plugins(
        platform, sample):
    platform.does('application-upload', sample.pack())
    plugins = (platform.root / 'opt/platform/helm/lab/sample/1.0-1/plugins')
    assert (plugins / 'k8sapp_sample/plugins.py').exists()
    pth = platform.root / 'var/stx_app/plugins/stx_app-sample-1.0-1.pth'
    assert pth.read_text() == '%s\n' % plugins


def test_the_chart_is_in_the_repository_that_its_release_names(uploaded):
    assert (uploaded.root / 'var/www/pages/helm_charts/stx-platform'
            / 'sample-1.0.1.tgz').exists()


def test_system_overrides_are_generated_at_upload(uploaded):
    written = (uploaded.root
               / 'opt/platform/helm/lab/sample/1.0-1/sample.yaml')
    assert yaml.safe_load(written.read_text()) == {
        'replicaCount': 1, 'colour': 'system'}


def test_the_images_are_listed_below_the_local_registry(uploaded):
    listed = (uploaded.root / 'opt/platform/fluxcd/lab/sample/1.0-1'
              / 'sample-images.yaml')
    assert yaml.safe_load(listed.read_text()) == {'download_images': [
        'registry.local:9001/docker.io/sample/main:1']}


def test_the_only_hook_of_an_upload_is_operation_post(platform, sample):
    platform.does('application-upload', sample.pack())
    assert [name for name in platform.hook_names() if name != 'overrides'
            ] == ['operation/post/upload']


def test_right_checksums_are_accepted(platform, sample):
    sample.checksum()
    platform.does('application-upload', sample.pack())


def test_a_chart_in_disabled_charts_is_switched_off(platform, tmp_path):
    app = Sample(tmp_path / 'off', metadata={'disabled_charts': ['sample']})
    platform.does('application-upload', app.pack())
    listed = platform.shows('helm-override-list', 'sample', '--long')
    assert listed[0]['chart enabled'] == 'False'


def test_an_application_without_plugins_has_user_overrides_alone(
        platform, tmp_path):
    app = Sample(tmp_path / 'plain', wheel=False)
    platform.does('application-upload', app.pack())
    shown = platform.shows('helm-override-show', 'sample', 'sample',
                           'sample')
    assert shown['system_overrides'] == '{}'


def test_a_plugin_that_does_not_load_is_named(platform, sample):
    sample.pack_wheel('1.0.1', plugins='import nowhere_to_be_found\n')
    done = platform.runs('application-upload', sample.pack())
    assert 'k8sapp_sample.plugins:SampleLifecycle did not load' \
        in done.stderr


def test_the_same_application_twice_is_refused(uploaded, sample):
    said = uploaded.refuses('application-upload', sample.pack())
    assert said.startswith('Application-upload rejected: application sample '
                           'already exists.')


def test_delete_forgets_rows_files_and_charts(uploaded):
    uploaded.does('application-delete', 'sample', '--yes')
    assert [row['application'] for row in
            uploaded.shows('application-list')] == ['cert-manager']
    left = [os.path.join(folder, name)
            for folder, _, names in os.walk(uploaded.root) for name in names]
    assert [path for path in left if 'sample' in os.path.relpath(
        path, uploaded.root)] == []


def test_after_a_delete_the_same_version_may_hold_another_chart(
        uploaded, sample):
    uploaded.does('application-delete', 'sample')
    sample.pack_chart('1.0.1', **{'values.yaml': samples.CHART[
        'values.yaml'].replace('red', 'blue')})
    uploaded.does('application-upload', sample.pack())


def _write(name, content):
    return lambda app: app.write(name, content)


def _metadata(**changed):
    return lambda app: app.write('metadata.yaml', {
        key: value for key, value in dict(
            samples.METADATA, **changed).items() if value is not None})


def _remove(name):
    def remove(app):
        path = app.path(name)
        (shutil.rmtree if os.path.isdir(path) else os.remove)(path)
    return remove


def _embed_images(app):
    app.write('images/one.tar', 'x')


def _no_charts(app):
    shutil.rmtree(app.path('charts'))
    os.makedirs(app.path('charts/empty'))
    os.rmdir(app.path('charts/empty'))


REJECTIONS = {
    'wrong checksum': (
        _write('checksum.md5', '%s  ./metadata.yaml\n' % ('0' * 32)),
        'checksum validation failed.'),
    'checksum of a file that is not there': (
        _write('checksum.md5', '%s  ./nothing\n' % ('0' * 32)),
        'checksum validation failed.'),
    'no metadata': (
        _remove('metadata.yaml'), 'metadata.yaml is missing.'),
    'metadata that is no YAML': (
        _write('metadata.yaml', 'a: ['), 'metadata.yaml does not parse'),
    'metadata that is a list': (
        _write('metadata.yaml', '- a\n'), 'metadata.yaml holds no keys.'),
    'no version': (
        _metadata(app_version=None),
        'app_name or/and app_version is/are None.'),
    'version that is a number': (
        _metadata(app_version=1.0), 'app_version is no string'),
    'no Kubernetes version': (
        _metadata(supported_k8s_version=None),
        'Minimum supported Kubernetes version not specified'),
    'Kubernetes version that is a number': (
        _metadata(supported_k8s_version={'minimum': 1.2}),
        'supported_k8s_version.minimum "1.2" is no Kubernetes version'),
    'section that is a list': (
        _metadata(upgrades=['auto']), 'upgrades should be a dictionary.'),
    'truth that is none': (
        _metadata(upgrades={'auto_update': 'perhaps'}),
        'auto_update is "perhaps", neither true nor false.'),
    'from_versions that are no list': (
        _metadata(upgrades={'from_versions': '1.0-1'}),
        'from_versions should be a list of strings.'),
    'unknown state': (
        _metadata(behavior={'desired_state': 'running'}),
        'desired_state "running" is neither uploaded nor applied.'),
    'forbidden operations as a dictionary': (
        _metadata(behavior={'forbidden_manual_operations': {}}),
        'forbidden_manual_operations should be a list.'),
    'half of k8s_upgrades': (
        _metadata(k8s_upgrades={'timing': 'pre'}),
        'k8s_upgrades needs both auto_update and timing.'),
    'dependency without a version': (
        _metadata(dependent_apps=[{'name': 'a', 'action': 'warn'}]),
        'each of dependent_apps needs name, version and an action'),
    'single alternative': (
        _metadata(dependent_apps=[[{'name': 'a'}]]),
        'a list of alternatives in dependent_apps needs two or more.'),
    'no manifests': (
        _remove('fluxcd-manifests'),
        'FluxCD manifest structure is not present.'),
    'no base': (
        _remove('fluxcd-manifests/base'),
        'fluxcd-manifests/base is missing.'),
    'two documents in the kustomization': (
        _write('fluxcd-manifests/kustomization.yaml',
               'resources: [base]\n---\nresources: [sample]\n'),
        'must hold one document'),
    'no chart': (_no_charts, 'tar file contains no Helm charts.'),
    'charts of another kind': (
        lambda app: (_no_charts(app), app.write('charts/a.zip', 'x')),
        'no Helm charts of expected file extension (.tgz).'),
    'chart that is no archive': (
        _write('charts/sample-1.0.1.tgz', 'no gzip'),
        'failed to extract tar file sample-1.0.1.tgz'),
    'images inside': (
        _embed_images, 'embedded images are not yet supported.'),
}


@pytest.mark.parametrize('name', REJECTIONS)
def test_a_bad_tarball_is_rejected_in_words(platform, sample, name):
    spoil, sentence = REJECTIONS[name]
    spoil(sample)
    said = platform.refuses('application-upload', sample.pack())
    assert said.startswith('Application-upload rejected: ')
    assert sentence in said
    assert [row['application'] for row in
            platform.shows('application-list')] == ['cert-manager']


def test_a_file_that_is_not_there_is_rejected(platform):
    assert platform.refuses('application-upload', '/nowhere/a.tgz') == (
        'Application-upload rejected: tar file /nowhere/a.tgz does not '
        'exist.\n')


def test_another_suffix_is_rejected(platform, sample):
    said = platform.refuses('application-upload', sample.pack('sample.zip'))
    assert 'has unrecognizable tar file extension' in said


def test_a_file_that_is_no_tar_is_rejected(platform, tmp_path):
    (tmp_path / 'a.tgz').write_text('no archive')
    said = platform.refuses('application-upload', str(tmp_path / 'a.tgz'))
    assert 'failed to extract tar file a.tgz' in said


def test_a_name_that_is_not_the_metadata_s_is_rejected(platform, sample):
    said = platform.refuses('application-upload', sample.pack(),
                            '--app-name', 'other')
    assert 'app_name "other" is not "sample"' in said


def _release(**spec):
    return lambda app: app.change('sample/helmrelease.yaml',
                                  lambda release: release['spec'].update(
                                      **spec))


FAILURES = {
    'chart that does not lint': (
        lambda app: app.pack_chart('1.0.1', **{
            'templates/configmap.yaml': '{{ .Values.colour '}),
        'one or more charts failed validation.'),
    'no images': (
        lambda app: app.pack_chart('1.0.1', **{
            'values.yaml': 'colour: red\n'}),
        'charts specify no docker images.'),
    'no values': (
        _release(valuesFrom=[]),
        "FluxCD app chart doesn't have overrides files defined in "
        'helmrelease.yaml'),
    'no static overrides': (
        _release(valuesFrom=[{'kind': 'Secret', 'name': 'a',
                              'valuesKey': 'a-system-overrides.yaml'}]),
        'Static overrides file not specified on sample.'),
    'static overrides that are not there': (
        _remove('fluxcd-manifests/sample/sample-static-overrides.yaml'),
        "FluxCD app chart static overrides file doesn't exist"),
    'resource that is no chart': (
        lambda app: app.change(
            'kustomization.yaml', lambda root: root['resources'].append(
                'namespace.yaml')),
        'namespace.yaml/helmrelease.yaml'),
    'unknown repository': (
        lambda app: app.change(
            'base/helmrepository.yaml', lambda repo: repo['spec'].update(
                url='http://192.0.2.1:8080/helm_charts/mine')),
        'helm repository "mine" is none of starlingx, stx-platform.'),
}


@pytest.mark.parametrize('name', FAILURES)
def test_an_upload_that_fails_says_why_and_can_be_deleted(
        platform, sample, name):
    spoil, sentence = FAILURES[name]
    spoil(sample)
    said = platform.refuses('application-upload', sample.pack())
    assert 'Application-upload failed: ' in said
    assert sentence in said
    assert platform.shows('application-show', 'sample')[
        'status'] == 'upload-failed'
    platform.does('application-delete', 'sample')


def test_a_chart_version_never_changes_its_content(uploaded, sample):
    uploaded.edit_rows(lambda tables: tables.update(
        kube_apps=tables['kube_apps'][:1], helm_overrides=[]))
    sample.pack_chart('1.0.1', **{'values.yaml': samples.CHART[
        'values.yaml'].replace('red', 'blue')})
    said = uploaded.refuses('application-upload', sample.pack())
    assert 'sample-1.0.1.tgz is in repository stx-platform already' in said
