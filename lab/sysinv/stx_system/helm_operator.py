# SPDX-License-Identifier: Apache-2.0
"""Overrides: from the plugins and from the person, down to helm's files."""

import json
import logging
import os
import tempfile

import yaml

from stx_system.errors import Failed
from stx_system.errors import Rejected
from stx_system.plugins import Plugins
from stx_system import tools
from sysinv.common import exception
from sysinv.helm.kustomize_generic import GenericFluxCDKustomizeOperator
from sysinv.helm.lifecycle_generic import GenericAppLifecycleOperator

LOG = logging.getLogger(__name__)

# sysinv lets helm do every merge, on a chart that holds nothing. Rendering
# it needs no cluster, where sysinv's "helm install --dry-run" would.
DUMMY_CHART = {
    'Chart.yaml': 'apiVersion: v1\nname: mychart\nversion: 0.1.0\n',
    'templates/values.yaml': '{{ toJson .Values }}\n',
}


def merge_overrides(file_overrides, set_overrides):
    """Merge YAML texts, then ``key=value`` strings, later ones winning."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in DUMMY_CHART.items():
            path = os.path.join(folder, 'mychart', name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, 'w') as stored:
                stored.write(text)
        args = ['template', 'merged', os.path.join(folder, 'mychart')]
        for number, text in enumerate(file_overrides):
            path = os.path.join(folder, 'values-%d.yaml' % number)
            with open(path, 'w') as stored:
                stored.write(text)
            args += ['--values', path]
        for pair in set_overrides:
            # Digits become strings, on every release.
            digits = pair.partition('=')[2].isdigit()
            args += ['--set-string' if digits else '--set', pair]
        return yaml.safe_load(tools.run('helm', *args)) or {}


class HelmOperator(object):
    """``sysinv.helm.helm.HelmOperator`` as applications see it."""

    def __init__(self, dbapi, platform):
        self.dbapi = dbapi
        # A plugin's cache, valid during one operation.
        self.context = {}
        self.plugins = Plugins(platform)
        self._release = platform.release

    # What the plugins are.

    def get_app_lifecycle_operator(self, plugin_name):
        return (self.plugins.lifecycle.get(plugin_name)
                or GenericAppLifecycleOperator())

    def get_fluxcd_kustomize_operator(self, plugin_name):
        return (self.plugins.kustomize.get(plugin_name)
                or GenericFluxCDKustomizeOperator())

    def get_helm_application_namespaces(self, app_name):
        """{chart: [namespace]}, of charts that name this application."""
        found = {}
        for chart in self.plugins.applications.get(app_name, []):
            spaces = self.plugins.charts[chart].get_namespaces_by_app(
                app_name)
            if spaces:
                found[chart] = list(spaces)
        return found

    # What the plugins say.

    def get_helm_chart_overrides(self, chart_name, cnamespace=None):
        """System overrides of one chart; {} without a plugin."""
        operator = self.plugins.charts.get(chart_name)
        if operator is None:
            return {}
        self.context = {}
        try:
            return operator.get_overrides(cnamespace)
        except exception.InvalidHelmNamespace:
            return {}

    def generate_helm_application_overrides(self, path, app_name, mode,
                                            charts, manifest_op):
        """Write one file a chart, and let the plugins change the manifest.

        ``charts`` are those of the manifest: (name, namespace). A user's
        overrides count only in namespaces that the plugin returned; an
        application without plugins has its user's overrides alone.
        """
        app = self.dbapi.kube_app_get(app_name)
        os.makedirs(path, exist_ok=True)
        by_plugin = app_name in self.plugins.applications
        for name, namespace in charts:
            overrides = (self.get_helm_chart_overrides(name)
                         if by_plugin else {namespace: {}})
            for space in overrides:
                overrides[space] = self._with_user_overrides(
                    app.id, name, space, overrides[space])
            self._write(path, name, namespace, overrides)
        if getattr(manifest_op, 'APP', None):
            # With a generic operator the charts are never asked.
            for name in self.plugins.applications.get(app_name, []):
                self.plugins.charts[name].execute_kustomize_updates(
                    manifest_op)
            manifest_op.platform_mode_kustomize_updates(self.dbapi, mode)

    def _with_user_overrides(self, app_id, name, namespace, overrides):
        try:
            row = self.dbapi.helm_override_get(app_id, name, namespace)
        except exception.HelmOverrideNotFound:
            return overrides
        if not row.user_overrides:
            return overrides
        return merge_overrides(
            [yaml.safe_dump(overrides), row.user_overrides], [])

    def _write(self, path, name, namespace, overrides):
        """9.0 on: <chart>.yaml, without the namespace if there is one.

        With two namespaces their names stay as the first level, which helm
        then takes for values.
        """
        filename = '%s-%s.yaml' % (namespace, name)
        content = overrides
        if self._release.since(9):
            filename = '%s.yaml' % name
        if len(overrides) == 1:
            content = next(iter(overrides.values()))
        # yaml.dump, like sysinv: safe_dump is what override-show uses.
        with open(os.path.join(path, filename), 'w') as stored:
            yaml.dump(_plain(content), stored, default_flow_style=False)

    def overrides_file(self, path, name, namespace):
        filename = ('%s.yaml' % name if self._release.since(9)
                    else '%s-%s.yaml' % (namespace, name))
        return os.path.join(path, filename)

    # What the person says.

    def update_user_overrides(self, current, flag, files, pairs):
        """Return the new text of a row's user overrides."""
        for pair in pairs:
            if '=' not in pair:
                raise Rejected('--set %s: give a name=value.' % pair)
            if ',' in pair:
                raise Rejected('--set %s: a comma is not allowed in it. '
                               'Give --set once for each value, or use '
                               '--values FILE.' % pair)
        texts = [current] if flag == 'reuse' and current else []
        try:
            merged = merge_overrides(texts + files, pairs)
        except Failed as failure:
            raise Rejected('the overrides do not merge: %s' % failure)
        return (yaml.safe_dump(merged, default_flow_style=False)
                if merged else '')


def _plain(content):
    """Refuse what helm-override-show could not print either."""
    try:
        return json.loads(json.dumps(content))
    except TypeError as error:
        raise Failed('a plugin returned overrides that are no plain data: '
                     '%s.' % error)
