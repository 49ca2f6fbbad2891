# SPDX-License-Identifier: Apache-2.0
"""The wheel as sysinv meets it: through its entry points."""

from stevedore import extension

from k8sapp_portieris.tests import base

APPLICATIONS = 'systemconfig.helm_applications'
GROUPS_WITHOUT_ARGUMENTS = {
    'systemconfig.app_lifecycle': 'stx.5.0',
    'systemconfig.armada.manifest_ops': 'stx.5.0',
    'systemconfig.fluxcd.kustomize_ops': 'stx.7.0',
}


def _raise(manager, entry_point, error):
    raise error


def load(group, *args, **kwargs):
    """Return {name: object} of a group, called as sysinv calls it."""
    extension.ExtensionManager.ENTRY_POINT_CACHE.clear()
    loaded = extension.ExtensionManager(
        namespace=group, invoke_args=args, on_load_failure_callback=_raise,
        invoke_on_load=kwargs.get('call', True))
    return {each.name: each.obj for each in loaded}


@base.on_each_release()
class EntryPoints(object):

    def test_the_application_names_the_group_of_its_charts(self):
        extension.ExtensionManager.ENTRY_POINT_CACHE.clear()
        manager = extension.ExtensionManager(namespace=APPLICATIONS)
        found = {}
        for entry in manager.list_entry_points():
            module = getattr(entry, 'module_name', None) or entry.value
            found[entry.name] = module
        self.assertEqual(
            {'portieris': 'systemconfig.helm_plugins.portieris'}, found)

    def test_the_chart_plugins_load_and_answer(self):
        found = load('systemconfig.helm_plugins.portieris',
                     base.Row(dbapi=base.Db(), context={}))
        self.assertEqual({
            '001_portieris': {'portieris': {'replicaCount': 1}},
            # A row for the overrides of older applications, no chart.
            '002_portieris-certs': {'portieris': {}}},
            {name: plugin.get_overrides()
             for name, plugin in found.items()})

    def test_every_other_class_is_called_without_arguments(self):
        for group, since in GROUPS_WITHOUT_ARGUMENTS.items():
            if self.is_at_least(since):
                self.assertEqual(['portieris'], list(load(group)))
