# SPDX-License-Identifier: Apache-2.0
"""Turns the double from the sysinv of master into that of a release.

What a release has is read from the JSON files of tests/contract/sysinv-api
(or the folder named by SYSINV_API_DIR). What it lacks is hidden: the module
does not import, the class, method or constant is not there. A method whose
arguments differed then takes the arguments of then.
"""

import importlib
import inspect
import io
import json
import os
import sys
import types

RELEASES = ('stx.4.0', 'stx.5.0', 'stx.6.0', 'stx.7.0', 'stx.8.0', 'stx.9.0',
            'stx.10.0', 'stx.11.0', 'stx.12.0', 'master')

# How the API files spell a constant whose value is computed.
UNKNOWN_VALUE = '<expr>'

# In an order in which each imports only those before it.
MODULES = (
    'sysinv.common.exception',
    'sysinv.common.constants',
    'sysinv.common.utils',
    'sysinv.common.kubernetes',
    'sysinv.db.api',
    'sysinv.objects.base',
    'sysinv.helm.common',
    'sysinv.helm.base',
    'sysinv.helm.lifecycle_constants',
    'sysinv.helm.lifecycle_hook',
    'sysinv.helm.lifecycle_utils',
    'sysinv.helm.lifecycle_base',
    'sysinv.helm.lifecycle_generic',
    'sysinv.helm.kustomize_base',
    'sysinv.helm.kustomize_generic',
    'sysinv.helm.manifest_base',
)

_state = {'release': 'master', 'dbapi': None}
_api = {}
# Python 2 empties the globals of a module nobody holds, although functions
# of it may still be running.
_held = []


def release():
    """Return the name of the release that sysinv imitates now."""
    return _state['release']


def at_least(name):
    return RELEASES.index(release()) >= RELEASES.index(name)


def dbapi():
    """Return what set_dbapi was given."""
    return _state['dbapi']


def set_dbapi(instance):
    """Make ``instance`` the database that sysinv's own code uses."""
    _state['dbapi'] = instance


def emulate(name, forget=()):
    """Make the sysinv that is imported from now on that of release ``name``.

    Modules whose names start with one of ``forget`` are dropped as well, so
    that they import the new one.
    """
    api = api_of(name)
    _state['release'] = name
    for module in list(sys.modules):
        if module in MODULES or module.startswith(tuple(forget) or '\0'):
            _held.append(sys.modules.pop(module))
            parent, _, last = module.rpartition('.')
            if last in vars(sys.modules.get(parent, object)):
                delattr(sys.modules[parent], last)
    for module in MODULES:
        if module in api:
            _prune(importlib.import_module(module), api[module])
        else:
            sys.modules[module] = None


def api_of(name):
    """Return {module: API} of a release.

    The API files hold what was extracted mechanically from each release;
    additions.json holds the few names that the extraction left out.
    """
    if name not in RELEASES:
        raise ValueError('no release "%s"; there are: %s' % (
            name, ', '.join(RELEASES)))
    if name not in _api:
        _api[name] = _read_api(name)['modules']
        for path, addition in _read_api('additions')['names'].items():
            if name in addition.get('releases', RELEASES):
                _add(_api[name], path.split('/'),
                     addition.get(name, addition['is']))
    return _api[name]


def _add(tree, path, value):
    for part in path[:-1]:
        tree = tree.setdefault(part, {})
    tree[path[-1]] = value


def _read_api(name):
    folder = os.environ.get('SYSINV_API_DIR') or os.path.join(
        os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir,
        os.pardir, 'tests', 'contract', 'sysinv-api')
    with io.open(os.path.join(folder, name + '.json'),
                 encoding='utf-8') as file:
        return json.load(file)


def _prune(module, api):
    """Leave in ``module`` what a release has of it."""
    for name, value in own_names(module).items():
        kind = kind_of(value)
        known = api.get(kind, {})
        if name not in known:
            delattr(module, name)
        elif kind == 'constants' and known[name] != UNKNOWN_VALUE:
            setattr(module, name, known[name])
        elif kind == 'classes':
            _prune_class(value, known[name])


def _prune_class(cls, api):
    methods = api.get('methods', {})
    for name, value in own_members(cls).items():
        if not is_method(value):
            if name.isupper() and name not in api.get('constants', {}):
                delattr(cls, name)
        elif name not in methods:
            if not name.startswith('_') or _known_elsewhere(cls, name):
                delattr(cls, name)
        elif arguments(value) != described_arguments(methods[name]):
            setattr(cls, name, _with_arguments(
                value, described_arguments(methods[name])))


def _known_elsewhere(cls, name):
    """Tell sysinv's private methods from the double's own."""
    return any(
        name in api_of(release).get(cls.__module__, {}).get(
            'classes', {}).get(cls.__name__, {}).get('methods', {})
        for release in RELEASES)


def _with_arguments(function, wanted):
    """Return ``function`` with fewer arguments: the rest take defaults."""
    names = [argument[0] for argument in wanted]
    spec = ', '.join(
        name if len(argument) == 1 else '%s=%r' % argument
        for name, argument in zip(names, wanted))
    source = 'def %s(%s):\n    return _function(%s)\n' % (
        function.__name__, spec,
        ', '.join([names[0]] + ['%s=%s' % (name, name)
                                for name in names[1:]]))
    scope = {'_function': function}
    exec(source, scope)
    return scope[function.__name__]


def is_method(value):
    return inspect.isfunction(value) or isinstance(
        value, (property, staticmethod, classmethod))


def kind_of(value):
    """Return the part of an API file in which ``value`` would be."""
    if inspect.isclass(value):
        return 'classes'
    return 'functions' if inspect.isfunction(value) else 'constants'


def own_names(module):
    """Return {name: value} of what a module of the double defines itself."""
    return {name: value for name, value in vars(module).items()
            if not name.startswith('_')
            and not isinstance(value, types.ModuleType)
            and getattr(value, '__module__',
                        module.__name__) == module.__name__}


def own_members(cls):
    """Return {name: value} of what a class of the double defines itself."""
    return {name: value for name, value in vars(cls).items()
            if name not in ('__module__', '__doc__', '__dict__',
                            '__weakref__', '__abstractmethods__',
                            '__qualname__', '__firstlineno__',
                            '__static_attributes__')
            and not name.startswith('_abc_')}


def described_arguments(function_api):
    """Return [(name,) or (name, default)] from an API file."""
    return [(each['name'], each['default']) if 'default' in each
            else (each['name'],) for each in function_api['args']]


def arguments(function):
    """Return [(name,) or (name, default)] of a function or method."""
    if isinstance(function, property):
        function = function.fget
    function = getattr(function, '__func__', function)
    spec = getattr(inspect, 'getfullargspec',
                   getattr(inspect, 'getargspec', None))(function)
    first = len(spec.args) - len(spec.defaults or ())
    plain = [(name,) if place < first else (name, spec.defaults[place - first])
             for place, name in enumerate(spec.args)]
    keywords = getattr(spec, 'varkw', getattr(spec, 'keywords', None))
    return plain + ([('**' + keywords,)] if keywords else [])
