# SPDX-License-Identifier: Apache-2.0
"""The API versions of FluxCD objects in a folder of manifests."""

import io
import os

import yaml


def adapt(folder, api_versions):
    """Give the objects below ``folder`` the versions of the platform.

    ``api_versions`` is {kind: apiVersion}. A file that needs no change is
    not written. Return the paths that were.
    """
    return [path for path in sorted(_yaml_files(folder))
            if _adapt_file(path, api_versions)]


def _yaml_files(folder):
    for parent, _, names in os.walk(folder):
        for name in names:
            if name.endswith('.yaml'):
                yield os.path.join(parent, name)


def _adapt_file(path, api_versions):
    with io.open(path, encoding='utf-8') as manifest:
        objects = list(yaml.safe_load_all(manifest))
    changed = False
    for each in objects:
        kind = each.get('kind') if isinstance(each, dict) else None
        wanted = api_versions.get(kind)
        if wanted and each.get('apiVersion') != wanted:
            each['apiVersion'] = wanted
            changed = True
    if changed:
        _write(path, objects)
    return changed


def _write(path, objects):
    """Replace the file at once: a crash leaves the old one or the new."""
    text = yaml.safe_dump_all(objects, default_flow_style=False,
                              explicit_start=True, encoding='utf-8')
    with io.open(path + '.new', 'wb') as manifest:
        manifest.write(text)
    os.chmod(path + '.new', os.stat(path).st_mode & 0o7777)
    os.rename(path + '.new', path)
