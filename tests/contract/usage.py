# SPDX-License-Identifier: Apache-2.0
"""Finds in the plugin's source what it takes from sysinv."""

import ast
import collections

# What the plugin touches of sysinv: a path in the API (module, then class
# for its members), the name, and the call if it is called.
Use = collections.namedtuple('Use', 'module cls name call line')

DATABASE = ('sysinv.db.sqlalchemy.api', 'Connection')
CLUSTER = ('sysinv.common.kubernetes', 'KubeOperator')
# Expressions whose class is known by convention.
RECEIVERS = {
    'app_op._kube': CLUSTER,
    'dbapi': DATABASE,
    'app_op._dbapi': DATABASE,
    'self.dbapi': DATABASE,
}
# The parameter "operator" is another class in each of these.
OPERATORS = {
    'execute_kustomize_updates': ('sysinv.helm.kustomize_base',
                                  'FluxCDKustomizeOperator'),
    'execute_manifest_updates': ('sysinv.helm.manifest_base',
                                 'ArmadaManifestOperator'),
}


def in_source(source, base_class):
    """Return the set of Use of a module.

    ``base_class`` is (module, class): what its classes inherit from.
    """
    tree = ast.parse(source)
    names = _imported(tree)
    finder = _Finder(names, base_class)
    finder.visit(tree)
    return finder.found


def _imported(tree):
    """Return {local name: (module, name or None)} of sysinv's."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and \
                node.module.split('.')[0] == 'sysinv':
            for alias in node.names:
                found[alias.asname or alias.name] = (node.module, alias.name)
    return found


class _Finder(ast.NodeVisitor):

    def __init__(self, imported, base_class):
        self._imported = imported
        self._base_class = base_class
        self._own = set()
        self._function = None
        self.found = []

    def visit_ClassDef(self, node):
        self._own = {each.name for each in node.body
                     if isinstance(each, ast.FunctionDef)}
        self._own |= {target.id for each in node.body
                      if isinstance(each, ast.Assign)
                      for target in each.targets}
        self.generic_visit(node)

    def visit_FunctionDef(self, node):
        self._function = node.name
        self.generic_visit(node)

    def visit_ImportFrom(self, node):
        for alias in node.names:
            origin = self._imported.get(alias.asname or alias.name)
            if origin:
                self._add(*origin, call=None, node=node)

    def visit_Call(self, node):
        if isinstance(node.func, ast.Attribute):
            self._attribute(node.func, node)
            self.visit(node.func.value)
        else:
            self.visit(node.func)
        for each in node.args + node.keywords:
            self.visit(each)

    def visit_Attribute(self, node):
        self._attribute(node, None)
        self.generic_visit(node)

    def _attribute(self, node, call):
        receiver = ast.unparse(node.value)
        if receiver in self._imported:
            self._add('.'.join(self._imported[receiver]), node.attr, call,
                      node)
        elif receiver in RECEIVERS:
            self._add_member(RECEIVERS[receiver], node.attr, call, node)
        elif receiver == 'operator' and node.attr.islower() and \
                self._function in OPERATORS:
            self._add_member(OPERATORS[self._function], node.attr, call,
                             node)
        elif receiver == 'self' and node.attr not in self._own:
            self._add_member(self._base_class, node.attr, call, node)

    def _add(self, module, name, call, node):
        self.found.append(Use(module, None, name, call, node.lineno))

    def _add_member(self, owner, name, call, node):
        self.found.append(Use(*owner, name, call, node.lineno))


def entry_of(use, api):
    """Return the API entry of a use, or None where the release lacks it."""
    module = api.get(use.module)
    if module is None:
        # from sysinv.common import constants
        return None
    if use.cls:
        cls = module.get('classes', {}).get(use.cls, {})
        return _first(cls, ('methods', 'constants'), use.name)
    return _first(module, ('functions', 'classes', 'constants'), use.name)


def _first(parts, kinds, name):
    for kind in kinds:
        if name in parts.get(kind, {}):
            return {'kind': kind, 'is': parts[kind][name]}
    return None


def misfit(use, entry):
    """Say how a call does not fit the arguments, or return None."""
    if use.call is None or entry['kind'] not in ('functions', 'methods'):
        return None
    wanted = [each for each in entry['is']['args']
              if each['name'] not in ('self', 'cls')]
    free = any(each['name'].startswith('**') for each in wanted)
    names = [each['name'] for each in wanted if '*' not in each['name']]
    given = names[:len(use.call.args)]
    if len(use.call.args) > len(names):
        return 'takes only %s' % names
    given += [keyword.arg for keyword in use.call.keywords]
    unknown = set(given) - set(names)
    if unknown and not free:
        return 'does not take %s' % sorted(unknown)
    missing = [each['name'] for each in wanted
               if '*' not in each['name'] and 'default' not in each
               and each['name'] not in given]
    return 'needs %s' % missing if missing else None
