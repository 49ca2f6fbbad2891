# SPDX-License-Identifier: Apache-2.0
"""One version, and every place of the application that repeats it.

The application's version X.Y-Z is written in metadata.yaml. Chart, wheel,
image tag, HelmRelease and armada manifest carry X.Y.Z.
"""

import fnmatch
import os
import posixpath
import re

import yaml

from portieris_app import checkout
from portieris_app.errors import Failure

APP_VERSION = re.compile(r'[0-9]+\.[0-9]+-[0-9]+')


def component(app_version):
    """Return X.Y.Z for X.Y-Z."""
    return app_version.replace('-', '.')


def is_app_version(text):
    return bool(APP_VERSION.fullmatch(text))


def of_sources(source):
    """Return the application's version as metadata.yaml of a checkout."""
    path = os.path.join(source, checkout.METADATA)
    try:
        with open(path, encoding='utf-8') as metadata:
            version = str(yaml.safe_load(metadata)['app_version'])
    except (OSError, TypeError, KeyError, yaml.YAMLError) as error:
        raise Failure('%s does not say its app_version: %s' % (
            path, ' '.join(str(error).split()))) from error
    if not is_app_version(version):
        raise Failure('%s: app_version is "%s", not of the form X.Y-Z.' % (
            path, version))
    return version


def _application(value, app_version):
    return app_version


def _component(value, app_version):
    return component(app_version)


def _image(value, app_version):
    return '%s:%s' % (value.rpartition(':')[0], component(app_version))


def _location(value, app_version):
    folder, archive = posixpath.split(value)
    return posixpath.join(folder, '%s-%s.tgz' % (
        archive.rsplit('-', 1)[0], component(app_version)))


# file of the staging tree, keys, what the value must be
PLACES = (
    ('metadata.yaml', 'app_version', _application),
    ('chart/Chart.yaml', 'version', _component),
    ('chart/Chart.yaml', 'appVersion', _component),
    ('chart/values.yaml', 'images.tags.portieris', _image),
    ('portieris-manifest.yaml', 'data.source.location', _location),
    ('portieris-manifest.yaml', 'data.values.images.tags.portieris', _image),
    ('fluxcd-manifests/*/helmrelease.yaml', 'spec.chart.spec.version',
     _component),
    ('fluxcd-manifests/*/*-static-overrides.yaml', 'images.tags.portieris',
     _image),
)


def stamp(staging, app_version):
    """Write ``app_version`` into every place of a staging tree."""
    images = {}

    def change(keys, value):
        wanted = _wanted(name, keys, value, app_version)
        if keys[:1] == ('images',) and wanted:
            images[value] = wanted
        return wanted

    for path, name in _files(staging):
        rewrite(path, lambda text: edit(text, change, name))
    readme = os.path.join(staging, 'chart', 'README.md')
    if os.path.exists(readme):
        for before, after in images.items():
            rewrite(readme, lambda text: text.replace(before, after))


def rewrite(path, change):
    with open(path, encoding='utf-8', newline='') as source:
        old = source.read()
    new = change(old)
    if new != old:
        with open(path, 'w', encoding='utf-8', newline='') as target:
            target.write(new)


def disagreements(staging, app_version):
    """Return a sentence for every place that says another version."""
    found = []

    def note(keys, value):
        wanted = _wanted(name, keys, value, app_version)
        if wanted not in (None, value):
            found.append('%s: %s is "%s", expected "%s"' % (
                name, '.'.join(keys), value, wanted))

    for path, name in _files(staging):
        with open(path, encoding='utf-8', newline='') as source:
            edit(source.read(), note, name)
    return found


def _files(staging):
    patterns = {pattern for pattern, _, _ in PLACES}
    for folder, _, names in sorted(os.walk(staging)):
        for base in sorted(names):
            path = os.path.join(folder, base)
            name = os.path.relpath(path, staging)
            if any(fnmatch.fnmatch(name, one) for one in patterns):
                yield path, name


def _wanted(name, keys, value, app_version):
    for pattern, place, rule in PLACES:
        if fnmatch.fnmatch(name, pattern) and place == '.'.join(keys):
            return rule(value, app_version)
    return None


def edit(text, change, name):
    """Replace scalars of a YAML text and keep every other byte.

    ``change`` gets the keys that lead to a scalar and its value, and
    returns the new value, or None to leave it alone.
    """
    spans = []

    def walk(node, keys):
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                walk(value, keys + (str(key.value),))
        elif isinstance(node, yaml.SequenceNode):
            for position, value in enumerate(node.value):
                walk(value, keys + (str(position),))
        elif isinstance(node, yaml.ScalarNode):
            new = change(keys, node.value)
            if new not in (None, node.value):
                quote = node.style if node.style in ('"', "'") else ''
                spans.append((node.start_mark.index, node.end_mark.index,
                              quote + new + quote))

    try:
        for document in yaml.compose_all(text, Loader=yaml.SafeLoader):
            walk(document, ())
    except yaml.YAMLError as error:
        raise Failure('%s is not YAML: %s' % (
            name, ' '.join(str(error).split()))) from error
    for start, end, new in reversed(spans):
        text = text[:start] + new + text[end:]
    return text
