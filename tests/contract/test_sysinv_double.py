# SPDX-License-Identifier: Apache-2.0
"""The double of sysinv against the API of the releases.

The plugin is tested on the double, so whatever the double has and a release
has not, or has otherwise, would be a hole in those tests.
"""

import importlib
import inspect

import pytest
from sysinv import double

# None is the value of some constants.
ABSENT = object()
NEVER_EXTRACTED = {'sysinv.common.utils', 'sysinv.objects.base'}


def imported(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def members_of(module):
    """Yield (path, class or None, name, value) of what a module defines."""
    for name, value in double.own_names(module).items():
        yield name, None, name, value
        if inspect.isclass(value):
            for member, inner in double.own_members(value).items():
                if double.is_method(inner) or member.isupper():
                    yield '%s.%s' % (name, member), name, member, inner


def known(api, module, cls, name, value):
    """Return the entry of an API, or ABSENT."""
    parts = api.get(module, {})
    if cls:
        parts = parts.get('classes', {}).get(cls, {})
        for kind in ('methods', 'constants'):
            if name in parts.get(kind, {}):
                return parts[kind][name]
        return ABSENT
    return parts.get(double.kind_of(value), {}).get(name, ABSENT)


@pytest.mark.parametrize('module', double.MODULES)
def test_every_public_name_is_one_that_some_release_has(module):
    apis = [double.api_of(release) for release in double.RELEASES]
    invented = [
        path for path, cls, name, value in members_of(
            importlib.import_module(module))
        if not name.startswith('_') and all(
            known(api, module, cls, name, value) is ABSENT for api in apis)]
    assert invented == []


@pytest.mark.parametrize('release', double.RELEASES)
def test_signatures_and_values_are_those_of_the_release(emulate, release):
    emulate(release)
    api = double.api_of(release)
    wrong = []
    for module in filter(None, map(imported, double.MODULES)):
        for path, cls, name, value in members_of(module):
            entry = known(api, module.__name__, cls, name, value)
            if entry is ABSENT:
                # Its own helpers; the names of others have been checked.
                assert name.startswith('_'), (module.__name__, path)
            elif callable(value) or double.is_method(value):
                if not inspect.isclass(value) and (
                        double.arguments(value)
                        != double.described_arguments(entry)):
                    wrong.append((module.__name__, path,
                                  double.arguments(value)))
            elif entry != double.UNKNOWN_VALUE and entry != value:
                wrong.append((module.__name__, path, value))
    assert wrong == []


def test_the_values_of_master_are_written_not_read():
    """Without a release to imitate nothing is read, and all is right."""
    api = double.api_of('master')
    wrong = [
        (module, path, value)
        for module in double.MODULES
        for path, cls, name, value in members_of(
            importlib.import_module(module))
        for entry in [known(api, module, cls, name, value)]
        if name.isupper() and not double.is_method(value)
        and entry not in (ABSENT, double.UNKNOWN_VALUE, value)]
    assert wrong == []


@pytest.mark.parametrize('release', double.RELEASES)
def test_a_module_is_there_when_the_release_has_it(emulate, release):
    emulate(release)
    there = {name for name in double.MODULES if imported(name)}
    assert there == set(double.MODULES) & set(double.api_of(release))
    assert 'sysinv.helm.base' in there


@pytest.mark.parametrize('release', double.RELEASES)
def test_classes_have_the_bases_of_the_release(emulate, release):
    emulate(release)
    wrong = []
    for module in filter(None, map(imported, double.MODULES)):
        if module.__name__ in NEVER_EXTRACTED:
            continue
        classes = double.api_of(release)[module.__name__].get('classes', {})
        for name, value in double.own_names(module).items():
            if inspect.isclass(value):
                bases = [base.__name__.replace('_Abstract', 'object')
                         for base in value.__bases__]
                wanted = [base.split('.')[-1]
                          for base in classes[name]['bases']]
                if bases != wanted:
                    wrong.append((module.__name__, name, bases, wanted))
    assert wrong == []


def test_a_method_keeps_working_with_the_arguments_of_then(emulate):
    emulate('stx.8.0')
    from sysinv.common import kubernetes
    assert double.arguments(kubernetes.KubeOperator.__init__) == [('self',)]
    assert kubernetes.KubeOperator()
    with pytest.raises(TypeError):
        kubernetes.KubeOperator(host='https://192.0.2.1:6443')


def test_a_missing_override_row_meant_enabled_in_5_0_only(emulate):
    for release, enabled in (('stx.5.0', True), ('stx.6.0', False),
                             ('master', False)):
        emulate(release)
        from sysinv.common import exception
        from sysinv.helm import base

        class Rows:
            def kube_app_get(self, name):
                raise exception.KubeAppNotFound(name=name)

        class Operator:
            dbapi = Rows()

        assert base.BaseHelm(Operator())._is_enabled(
            'portieris', 'portieris', 'portieris') is enabled


def test_an_unknown_release_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match='stx.12.0, master'):
        double.emulate('stx.99.0')
