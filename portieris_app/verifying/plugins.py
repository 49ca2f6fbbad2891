# SPDX-License-Identifier: Apache-2.0
"""The wheels: soundness, entry points, and whether those load."""

import ast
import base64
import configparser
import hashlib
import json
import os
import posixpath
import re
import subprocess
import sys
import tempfile

from portieris_app import checkout
from portieris_app.verifying import manifests
from portieris_app.verifying import package as tree
from portieris_app.verifying import require
from portieris_app.verifying import Skipped
from portieris_app.verifying import Wrong

APPLICATIONS = 'systemconfig.helm_applications'
CHARTS = 'systemconfig.helm_plugins.'
OPERATORS = ('systemconfig.app_lifecycle', 'systemconfig.armada.manifest_ops',
             'systemconfig.fluxcd.kustomize_ops')
TARGET = re.compile(r'([A-Za-z_][\w.]*):([A-Za-z_]\w*)')
LOADER = os.path.join(os.path.dirname(__file__), 'load_entry_points.py')
SECONDS = 60


def wheels(package):
    names = package.below('plugins', '.whl')
    if not names:
        raise Wrong('plugins/ holds no wheel: the application would run '
                    'without its plugin')
    faults = []
    for name in names:
        faults.extend(wheel(name, package.wheel(name)))
    require(faults)
    return ', '.join(posixpath.basename(name) for name in names)


def wheel(name, files):
    base = posixpath.basename(name)
    parts = base[:-4].split('-')
    if len(parts) != 5 or parts[2:] != ['py2.py3', 'none', 'any']:
        yield '%s is not NAME-VERSION-py2.py3-none-any.whl' % base
        return
    info = '%s-%s.dist-info' % tuple(parts[:2])
    tops = {path.split('/')[0] for path in files}
    if tops != {info, parts[0]}:
        yield '%s holds %s; the platform expects %s and %s alone' % (
            base, ', '.join(sorted(tops)), parts[0], info)
    for path in sorted(files):
        if path.endswith(('.so', '.pyd', '.dll')):
            yield '%s holds machine code: %s' % (base, path)
    record = files.get(info + '/RECORD')
    if record is None:
        yield '%s has no RECORD: up to 11.0 the platform could not tell ' \
            'whose plugin it is' % base
        return
    listed = {}
    for line in record.decode(errors='replace').splitlines():
        path, _, rest = line.rpartition(',')[0].rpartition(',')
        listed[path] = rest
    for path in sorted(files):
        digest = base64.urlsafe_b64encode(hashlib.sha256(
            files[path]).digest()).rstrip(b'=').decode()
        if path not in listed:
            yield '%s: RECORD does not list %s' % (base, path)
        elif path != info + '/RECORD' and listed[path] != 'sha256=' + digest:
            yield '%s: %s does not match RECORD' % (base, path)


def declared(package):
    """Return ``{group: {name: target}}`` over all wheels."""
    groups = {}
    for name in package.below('plugins', '.whl'):
        for path, content in package.wheel(name).items():
            if not path.endswith('.dist-info/entry_points.txt'):
                continue
            # Only = parts name from target, and case matters.
            parser = configparser.RawConfigParser(delimiters=('=',))
            parser.optionxform = str
            try:
                parser.read_string(content.decode())
            except (configparser.Error, ValueError) as error:
                raise Wrong('the entry points of %s cannot be read: %s' % (
                    posixpath.basename(name),
                    str(error).splitlines()[0])) from error
            for group in parser.sections():
                groups.setdefault(group, {}).update(parser.items(group))
    return groups


def entry_points(package):
    """The groups and names by which the platform finds the operators."""
    groups = declared(package)
    app = str(package.metadata.get('app_name'))
    plugins = CHARTS + app
    faults = []
    if groups.get(APPLICATIONS, {}).get(app) != plugins:
        faults.append('%s does not say %s = %s' % (
            APPLICATIONS, app, plugins))
    for group in sorted(set(groups) - {APPLICATIONS, plugins, *OPERATORS}):
        faults.append('%s: from 12.0 on the platform calls every entry point '
                      'that it finds; this one is not for it' % group)
    for name in sorted(groups.get(plugins, {})):
        if not re.fullmatch(r'[0-9]{3}_.+', name):
            faults.append('%s: %s does not begin with NNN_; up to 11.0 its '
                          'first four letters are cut off' % (plugins, name))
    for group in OPERATORS:
        names = {re.sub(r'_[0-9]{3}$', '', name)
                 for name in groups.get(group, {})}
        if names != {app}:
            faults.append('%s names %s, not %s' % (
                group, ', '.join(sorted(names)) or 'nothing', app))
    faults.extend(unmatched(package, groups.get(plugins, {})))
    require(faults)
    return '%d groups' % len(groups)


def unmatched(package, names):
    """Every chart of both manifests needs a plugin of its name."""
    plugins = {name[4:] for name in names}
    wanted = {(tree.text(release, 'metadata', 'name'), 'HelmRelease')
              for _, release in manifests.releases(package)}
    wanted |= {(tree.text(chart, 'data', 'chart_name'), 'armada chart')
               for chart in manifests.armada_documents(package)['Chart']}
    for name, kind in sorted(wanted):
        if name not in plugins:
            yield 'the %s %s has no plugin of this name' % (kind, name)


def read_only(package):
    """The classes are there, by reading the modules."""
    count = 0
    files = {}
    for name in package.below('plugins', '.whl'):
        files.update(package.wheel(name))
    faults = []
    for group, name, target in targets(package):
        found = TARGET.fullmatch(target)
        if not found:
            faults.append('%s: %s is no MODULE:CLASS' % (name, target))
        elif not defines(files, *found.groups()):
            faults.append('%s: %s: there is no such class' % (group, target))
        count += 1
    require(faults)
    return count


def targets(package):
    for group, names in declared(package).items():
        if group != APPLICATIONS:
            for name, target in names.items():
                yield group, name, target


def defines(files, module, name):
    path = module.replace('.', '/')
    source = files.get(path + '.py', files.get(path + '/__init__.py'))
    if source is None:
        return False
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError):
        return False
    return any(isinstance(node, ast.ClassDef) and node.name == name
               for node in body)


def resolved(package):
    return '%d classes found by reading; no code was run' % (
        read_only(package))


def loaded(package):
    """The classes load and are constructed, as the platform does it.

    Runs the wheel's code in a process of its own, against the stand-in of
    sysinv; without that stand-in the modules are only read.
    """
    count = read_only(package)
    sysinv = os.path.join(checkout.package_parent(), checkout.SYSINV_DOUBLE)
    if not os.path.isdir(os.path.join(sysinv, 'sysinv')):
        return '%d classes found by reading; sysinv is not here' % count
    with tempfile.TemporaryDirectory(prefix='portieris-app-') as scratch:
        for name in package.below('plugins', '.whl'):
            tree.write(package.wheel(name), scratch)
        try:
            done = subprocess.run(
                [sys.executable, '-B', LOADER, scratch, sysinv],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, text=True, timeout=SECONDS,
                cwd=scratch)
        except subprocess.TimeoutExpired as error:
            raise Wrong('the entry points did not load in %d s'
                        % SECONDS) from error
    try:
        faults, missing = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, TypeError, ValueError) as error:
        raise Wrong('loading the entry points ended with %d: %s' % (
            done.returncode,
            (done.stderr.strip().splitlines() or ['no word'])[-1])) \
            from error
    require(faults)
    if missing:
        raise Skipped('needs the Python modules %s: install '
                      'requirements.txt' % ', '.join(missing))
    return '%d classes load and are constructed' % count
