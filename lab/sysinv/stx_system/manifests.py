# SPDX-License-Identifier: Apache-2.0
"""fluxcd-manifests/: which charts it holds and where their overrides go."""

import collections
import os
import shutil

import yaml

from stx_system.errors import Failed

HELM_REPOS = ('starlingx', 'stx-platform')
STATIC = 'static-overrides.yaml'
SYSTEM = 'system-overrides.yaml'

Chart = collections.namedtuple(
    'Chart', 'name namespace release chart version repo folder static')


def read_one(path):
    """First document of a YAML file."""
    try:
        with open(path) as stored:
            return next(iter(yaml.safe_load_all(stored)), None) or {}
    except OSError as error:
        raise Failed('cannot read %s: %s.' % (path, error.strerror))
    except yaml.YAMLError as error:
        raise Failed('%s does not parse: %s.' % (path, error))


def root_kustomization(manifest):
    """The one of the tarball: a disabled chart is missing in the other."""
    original = os.path.join(manifest, 'kustomization-orig.yaml')
    return read_one(original if os.path.exists(original) else
                    os.path.join(manifest, 'kustomization.yaml'))


def chart_folders(manifest):
    """Every resource of the root kustomization but "base"."""
    return [name for name in
            root_kustomization(manifest).get('resources') or []
            if name.rstrip('/').split('/')[-1] != 'base']


def charts(manifest, release):
    """The charts of a manifest, in the order of its kustomization."""
    root = root_kustomization(manifest)
    repo = read_one(os.path.join(manifest, 'base', 'helmrepository.yaml'))
    # 10.0 on: two repositories are known, by the last part of the URL.
    repo_name = repo.get('spec', {}).get('url', '').rstrip('/').rpartition(
        '/')[2]
    if release.since(10) and repo_name not in HELM_REPOS:
        raise Failed('helm repository "%s" is none of %s.' % (
            repo_name, ', '.join(HELM_REPOS)))
    found = []
    for name in chart_folders(manifest):
        folder = os.path.join(manifest, name)
        own = read_one(os.path.join(folder, 'kustomization.yaml'))
        helmrelease = read_one(os.path.join(folder, 'helmrelease.yaml'))
        spaces = (root.get('namespace'), own.get('namespace'))
        # 8.0 and before: the chart's namespace goes before the root's.
        namespace = next(filter(None, spaces if release.since(9)
                                else reversed(spaces)), 'default')
        found.append(_chart(folder, helmrelease, namespace, repo_name))
    return found


def _chart(folder, helmrelease, namespace, repo):
    spec = helmrelease.get('spec') or {}
    name = helmrelease.get('metadata', {}).get('name')
    chart = spec.get('chart', {}).get('spec', {})
    if not name or not chart.get('chart'):
        raise Failed('%s/helmrelease.yaml names no release or no chart.'
                     % os.path.basename(folder))
    keys = [source.get('valuesKey', '')
            for source in spec.get('valuesFrom') or []
            if source.get('kind') == 'Secret']
    if not keys:
        raise Failed("FluxCD app chart doesn't have overrides files defined "
                     'in helmrelease.yaml (%s).' % name)
    static = next((key for key in keys if key.endswith(STATIC)), None)
    if not static:
        raise Failed('Static overrides file not specified on %s.' % name)
    path = os.path.join(folder, static)
    if not os.path.isfile(path):
        raise Failed("FluxCD app chart static overrides file doesn't exist "
                     '(%s of %s).' % (static, name))
    return Chart(name=name, namespace=namespace,
                 release=spec.get('releaseName', name),
                 chart=chart['chart'], version=str(chart.get('version', '')),
                 repo=repo, folder=folder, static=path)


def set_suspend_false(manifest):
    """11.0 on, at upload: every resource must hold a helmrelease.yaml."""
    for name in chart_folders(manifest):
        path = os.path.join(manifest, name, 'helmrelease.yaml')
        content = read_one(path)
        content.setdefault('spec', {})['suspend'] = False
        write_yaml(path, content)


def static_original(chart):
    """The backup of the static overrides; the name 11.0 on derive."""
    original = chart.static.replace('-' + STATIC,
                                    '-static-overrides-orig.yaml')
    if original != chart.static and not os.path.exists(original):
        shutil.copyfile(chart.static, original)
    return original


def write_system_overrides(chart, overrides_file):
    """Overwrite <x>system-overrides.yaml of the chart, if it has one."""
    for name in sorted(os.listdir(chart.folder)):
        if name.endswith(SYSTEM):
            shutil.copyfile(overrides_file,
                            os.path.join(chart.folder, name))
            return True
    return False


def write_yaml(path, content):
    with open(path, 'w') as stored:
        yaml.safe_dump(content, stored, default_flow_style=False)
