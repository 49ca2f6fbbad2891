# SPDX-License-Identifier: Apache-2.0
"""The helm-override commands: rows read, merged and written."""

import yaml

from stx_system.errors import Rejected
from stx_system.helm_operator import merge_overrides
from sysinv.common import exception


class Overrides(object):

    def __init__(self, manager, dbapi):
        self._manager = manager
        self._dbapi = dbapi
        self._app_op = manager.app_op
        self._helm = manager.app_op._helm

    def list(self, app_name):
        """(chart, [namespace], enabled) of each row."""
        app = self._manager.find(app_name)
        return [(row.name, [row.namespace],
                 bool((row.system_overrides or {}).get('enabled', False)))
                for row in sorted(
                    self._dbapi.helm_override_get_all(app.id),
                    key=lambda row: (row.name, row.namespace))]

    def _row(self, app, chart, namespace):
        try:
            return self._dbapi.helm_override_get(app.id, chart, namespace)
        except exception.HelmOverrideNotFound:
            raise Rejected(
                'Overrides of chart %s in namespace %s not found for '
                'application %s. "system helm-override-list %s" shows those '
                'there are.' % (chart, namespace, app.name, app.name))

    def show(self, app_name, chart, namespace):
        """System, user and combined overrides; YAML of an empty one is ''.

        The plugin is asked anew each time, so it must be without effect.
        """
        app = self._manager.find(app_name)
        row = self._row(app, chart, namespace)
        self._app_op._plugins.activate(app, self._helm)
        system = self._helm.get_helm_chart_overrides(chart, namespace)
        user = row.user_overrides or ''
        try:
            system_text = yaml.safe_dump(system, default_flow_style=False)
        except yaml.YAMLError as error:
            raise Rejected('the plugin of chart %s returned what is no '
                           'plain data: %s' % (chart, error))
        combined = merge_overrides([system_text, user], [])
        attributes = {'enabled': (row.system_overrides or {}).get(
            'enabled', False)}
        return [('attributes', _text(attributes)),
                ('combined_overrides', _text(combined)),
                ('name', chart), ('namespace', namespace),
                ('system_overrides', _text(system)),
                ('user_overrides', user or 'None')]

    def update(self, app_name, chart, namespace, flag, files, pairs):
        """No schema and no hook: any key is stored.

        The client looks for the row first; the API behind it would make
        one for a chart or namespace it has never heard of.
        """
        app = self._manager.find(app_name)
        row = self._row(app, chart, namespace)
        text = self._helm.update_user_overrides(
            row.user_overrides, flag, files, pairs)
        self._dbapi.helm_override_update(
            app.id, chart, namespace, {'user_overrides': text})
        return [('name', chart), ('namespace', namespace),
                ('user_overrides', text or 'None')]

    def delete(self, app_name, chart, namespace):
        """The row stays; its user overrides are emptied."""
        app = self._manager.find(app_name)
        self._row(app, chart, namespace)
        self._dbapi.helm_override_update(
            app.id, chart, namespace, {'user_overrides': None})

    def modify_attributes(self, app_name, chart, namespace, enabled):
        """Stored in the row; the plugin acts on it at the next apply."""
        app = self._manager.find(app_name)
        row = self._row(app, chart, namespace)
        attributes = dict(row.system_overrides or {}, enabled=enabled)
        self._dbapi.helm_override_update(
            app.id, chart, namespace, {'system_overrides': attributes})
        return [('name', chart), ('namespace', namespace),
                ('attributes', _text({'enabled': enabled}))]


def _text(content):
    return (yaml.safe_dump(content, default_flow_style=False).strip()
            if content else '{}')
