# SPDX-License-Identifier: Apache-2.0
"""Upload: from a tarball to rows, plugins, charts and overrides."""

import filecmp
import glob
import logging
import os
import shutil

from stx_system import app_images
from stx_system.errors import Failed
from stx_system import manifests
from stx_system import plugins
from stx_system import tarball
from stx_system import tools
from sysinv.common import constants
from sysinv.common import exception

LOG = logging.getLogger(__name__)


def perform(app_op, app, tarfile):
    """The conductor's part; its steps in sysinv's order."""
    app_op._update_app_status(
        app, new_progress='extracting application tar file')
    shutil.rmtree(app.inst_path, ignore_errors=True)
    os.makedirs(app.inst_path)
    content = tarball.check(tarfile, app.inst_path, app_op._release)
    app_op._apps_metadata[constants.APP_METADATA_APPS][app.name] = content
    app._kube_app = app_op._dbapi.kube_app_update(
        app.id, {'app_metadata': content})
    plugins.install(app)
    _copy_manifest(app)
    # Here sysinv asks the cluster for a dry run and ignores the answer.
    if app_op._release.since(11):
        manifests.set_suspend_false(app.sync_fluxcd_manifest)
    app_op._update_app_status(
        app, new_progress='validating and uploading charts')
    app.charts = manifests.charts(app.sync_fluxcd_manifest,
                                  app_op._release)
    lint_charts(app)
    upload_charts(app_op, app, content.get('helm_repo', 'starlingx'))
    _generate(app_op, app)
    app_images.save_list(app_op, app)
    app_op._update_app_status(app, 'uploaded', 'completed')


def _copy_manifest(app):
    shutil.rmtree(app.sync_fluxcd_manifest_dir, ignore_errors=True)
    shutil.copytree(os.path.join(app.inst_path, tarball.FLUXCD_FOLDER),
                    app.sync_fluxcd_manifest)
    shutil.copyfile(os.path.join(app.inst_path, 'metadata.yaml'),
                    app.sync_metadata_file)


def lint_charts(app):
    """helm lint on each folder with a Chart.yaml, subcharts too."""
    for folder, _, names in sorted(os.walk(app.inst_charts_dir)):
        if 'Chart.yaml' not in names:
            continue
        try:
            out = tools.run('helm', 'lint', folder)
        except Failed as failure:
            raise Failed('one or more charts failed validation. %s'
                         % failure)
        if 'linted, 0 chart(s) failed' not in out:
            raise Failed('one or more charts failed validation. %s'
                         % out.strip())


def upload_charts(app_op, app, repo):
    """Put each chart into the repository that lighttpd serves."""
    folder = app_op._platform.charts_repo(repo)
    os.makedirs(folder, exist_ok=True)
    for path in sorted(glob.glob(os.path.join(app.inst_charts_dir,
                                              '*.tgz'))):
        target = os.path.join(folder, os.path.basename(path))
        # 10.0 on: a version never changes its content.
        if (app_op._release.since(10) and os.path.exists(target)
                and not filecmp.cmp(path, target, shallow=False)):
            raise Failed('chart %s is in repository %s already, with other '
                         'content: raise its version.' % (
                             os.path.basename(path), repo))
        shutil.copyfile(path, target)


def remove_charts(app_op, app):
    repo = app_op._get_metadata_value(app, 'helm_repo', 'starlingx')
    for path in glob.glob(os.path.join(app.inst_charts_dir, '*.tgz')):
        target = os.path.join(app_op._platform.charts_repo(repo),
                              os.path.basename(path))
        if os.path.exists(target):
            os.remove(target)


def _generate(app_op, app):
    """Overrides with the plugins active, and the rows of the charts."""
    app_op._plugins.activate(app, app_op._helm)
    try:
        create_rows(app_op, app)
        operator = app_op._helm.get_fluxcd_kustomize_operator(app.name)
        operator.load(app.sync_fluxcd_manifest)
        app_op._helm.generate_helm_application_overrides(
            app.sync_overrides_dir, app.name, None,
            [(chart.name, chart.namespace) for chart in app.charts],
            operator)
    finally:
        app_op._plugins.deactivate(app)


def create_rows(app_op, app):
    """One row a chart and namespace; each upload sets "enabled" anew.

    A chart whose plugin does not name the application gets no row.
    """
    disabled = app_op._get_metadata_value(app, 'disabled_charts') or []
    spaces = app_op._helm.get_helm_application_namespaces(app.name)
    if app.name not in app_op._plugins.applications:
        spaces = {chart.name: [chart.namespace] for chart in app.charts}
    for chart, namespaces in sorted(spaces.items()):
        for namespace in namespaces:
            values = {'system_overrides': {'enabled': chart not in disabled}}
            try:
                app_op._dbapi.helm_override_update(
                    app.id, chart, namespace, values)
            except exception.HelmOverrideNotFound:
                app_op._dbapi.helm_override_create(dict(
                    values, app_id=app.id, name=chart, namespace=namespace))
