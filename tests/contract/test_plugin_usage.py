# SPDX-License-Identifier: Apache-2.0
"""What the plugin takes from sysinv, against every release it runs on."""

import ast
import importlib
import pathlib

import pytest
from sysinv import double

from tests.contract import usage

PLUGIN = (pathlib.Path(__file__).parents[2] / 'python-k8sapp-portieris'
          / 'k8sapp_portieris' / 'k8sapp_portieris')
ALL = double.RELEASES[double.RELEASES.index('stx.5.0'):]
WITH_FLUXCD = double.RELEASES[double.RELEASES.index('stx.7.0'):]
WITH_ARMADA = double.RELEASES[:double.RELEASES.index('stx.9.0')][1:]
# Module: the class its classes build on, and where its code runs.
MODULES = {
    'helm/portieris.py': (('sysinv.helm.base', 'BaseHelm'), ALL),
    'helm/portieris_certs.py': (('sysinv.helm.base', 'BaseHelm'), ALL),
    'lifecycle/lifecycle_portieris.py': (
        ('sysinv.helm.lifecycle_base', 'AppLifecycleOperator'), ALL),
    'armada/manifest_portieris.py': (
        ('sysinv.helm.manifest_base', 'ArmadaManifestOperator'), WITH_ARMADA),
    'kustomize/kustomize_portieris.py': (
        ('sysinv.helm.kustomize_base', 'FluxCDKustomizeOperator'),
        WITH_FLUXCD),
}
# Methods that only some releases call.
CALLED = {'execute_kustomize_updates': WITH_FLUXCD,
          'execute_manifest_updates': WITH_ARMADA}


def uses(module):
    return usage.in_source((PLUGIN / module).read_text(encoding='utf-8'),
                           MODULES[module][0])


def is_due(use, release):
    for operator, owner in usage.OPERATORS.items():
        if (use.module, use.cls) == owner and use.call:
            return release in CALLED[operator]
    return True


def is_module(use, api):
    return '%s.%s' % (use.module, use.name) in api


@pytest.mark.parametrize('module, release', [
    (module, release) for module, (_, releases) in MODULES.items()
    for release in releases])
def test_all_that_is_used_is_there_and_takes_the_arguments(module, release):
    api = double.api_of(release)
    found = uses(module)
    assert found
    wrong = []
    for use in found:
        if is_module(use, api) or not is_due(use, release):
            continue
        entry = usage.entry_of(use, api)
        problem = ('is not there' if entry is None
                   else usage.misfit(use, entry))
        if problem:
            wrong.append('%s:%d: %s.%s %s' % (
                module, use.line, use.cls or use.module, use.name, problem))
    assert wrong == []


@pytest.mark.parametrize('module', MODULES)
def test_overridden_methods_keep_the_arguments(module):
    (base_module, base_class), releases = MODULES[module]
    methods = {
        node.name: [argument.arg for argument in node.args.args]
        for cls in ast.parse((PLUGIN / module).read_text()).body
        if isinstance(cls, ast.ClassDef) for node in cls.body
        if isinstance(node, ast.FunctionDef)}
    for release in releases:
        base = double.api_of(release)[base_module]['classes'][base_class]
        overridden = set(methods) & set(base['methods'])
        for name in overridden:
            assert methods[name] == [
                each['name'] for each in base['methods'][name]['args']], (
                release, name)
    assert overridden


def test_the_rest_of_the_plugin_does_not_know_sysinv():
    for path in PLUGIN.rglob('*.py'):
        name = str(path.relative_to(PLUGIN))
        if name not in MODULES and not name.startswith('tests/'):
            assert 'sysinv.' not in ''.join(
                ast.unparse(node) for node in ast.walk(ast.parse(
                    path.read_text()))
                if isinstance(node, (ast.Import, ast.ImportFrom))), name


def test_only_what_a_controller_has_is_imported():
    """sysinv unzips the wheel: nothing installs what it depends on."""
    allowed = {'oslo_log', 'yaml', 'sysinv', 'k8sapp_portieris',
               # The standard library of 2.7 and of 3.
               'base64', 'difflib', 'functools', 'io', 'json', 'os',
               're', 'ssl', 'time', 'zlib'}
    for path in PLUGIN.rglob('*.py'):
        if 'tests' in path.relative_to(PLUGIN).parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            imported = ([alias.name for alias in node.names]
                        if isinstance(node, ast.Import)
                        else [node.module]
                        if isinstance(node, ast.ImportFrom) else [])
            for name in imported:
                assert name.split('.')[0] in allowed, (path.name, name)


@pytest.mark.parametrize('module, cls', [
    ('k8sapp_portieris.tests.base', 'Db'), ('stx_system.dbapi', 'DBAPI')])
def test_stand_ins_for_the_database_take_the_same_arguments(module, cls):
    api = double.api_of('master')
    methods = dict(api['sysinv.db.api']['classes']['Connection']['methods'])
    methods.update(
        api['sysinv.db.sqlalchemy.api']['classes']['Connection']['methods'])
    stand_in = getattr(importlib.import_module(module), cls)
    common = set(methods) & set(vars(stand_in))
    assert 'helm_override_get' in common
    for name in common:
        given = double.arguments(vars(stand_in)[name])
        assert given[-1][0].startswith('**') or \
            given == double.described_arguments(methods[name]), name


def bad(line):
    return usage.in_source(
        'from sysinv.common import constants\n'
        'from sysinv.helm import lifecycle_utils\n'
        'class A(object):\n'
        '    def b(self, app_op, app, hook_info):\n'
        '        %s\n' % line, ('sysinv.helm.base', 'BaseHelm'))


@pytest.mark.parametrize('line, told', [
    ('constants.APP_APPLY_OPERATION', 'APP_APPLY_OPERATION'),
    ('lifecycle_utils.delete_namespace(app_op)', 'namespace'),
    ('lifecycle_utils.delete_namespace(app_op, "a", "b")', 'only'),
    ('self._num_replicas()', '_num_replicas'),
    ('self._is_enabled("a", "b", ns="c")', 'ns'),
    ('app_op._kube.kube_get_deployment("a")', 'kube_get_deployment'),
    ('app_op._dbapi.kube_app_get(app_name="a")', 'app_name'),
])
def test_a_use_that_no_release_knows_would_be_found(line, told):
    api = double.api_of('master')
    problems = []
    for use in bad(line):
        entry = usage.entry_of(use, api)
        if not is_module(use, api):
            problems.append(use.name if entry is None
                            else usage.misfit(use, entry))
    assert told in ' '.join(filter(None, problems))
