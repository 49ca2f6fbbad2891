# SPDX-License-Identifier: Apache-2.0
"""Charts, armada manifest and FluxCD manifests, and how they agree."""

import posixpath
import re

from portieris_app.verifying.contents import REPOSITORIES
from portieris_app.verifying import package as tree
from portieris_app.verifying import require
from portieris_app.verifying import Wrong

FLUXCD = 'fluxcd-manifests'
LOCATION = re.compile(r'https?://[^/]+/helm_charts/([^/]+)/([^/]+)\.tgz')


def charts(package):
    """One line a chart: its name and version are in its file name."""
    names = package.below('charts', '.tgz')
    if not names:
        raise Wrong('charts/ holds no .tgz file')
    faults = []
    for name in names:
        files = package.chart(name)
        top = {path.split('/')[0] for path in files}
        chart = {}
        if len(top) == 1:
            chart = chart_yaml(files, top.pop(), name)
        said = '%s-%s.tgz' % (chart.get('name'), chart.get('version'))
        if said != posixpath.basename(name):
            faults.append('%s holds the chart %s' % (name, said))
        if chart.get('apiVersion') != 'v1':
            faults.append('%s: apiVersion is not v1, which is all that 5.0 '
                          'to 8.0 install through armada'
                          % posixpath.basename(name))
    require(faults)
    return ', '.join(posixpath.basename(name) for name in names)


def chart_yaml(files, top, name):
    path = top + '/Chart.yaml'
    if path not in files:
        raise Wrong('%s has no %s' % (name, path))
    found = tree.documents(files[path], path)
    return found[0] if found and isinstance(found[0], dict) else {}


def chart_files(package):
    """Return the base names of the charts, without .tgz."""
    return [posixpath.basename(name)[:-4]
            for name in package.below('charts', '.tgz')]


def armada_documents(package):
    """Return the armada manifest's documents by schema."""
    found = []
    for name in package.below('', '.yaml'):
        documents = [one for one in package.documents(name)
                     if isinstance(one, dict)]
        if any(one.get('schema') == 'armada/Manifest/v1'
               for one in documents):
            found.append(documents)
    if len(found) != 1:
        raise Wrong('expected one armada manifest at the top, found %d '
                    '(5.0 and 6.0 need it)' % len(found))
    return {kind: [one for one in found[0]
                   if one.get('schema') == 'armada/%s/v1' % kind]
            for kind in ('Manifest', 'ChartGroup', 'Chart')}


def armada_releases(documents):
    """Return the helm releases that armada would make."""
    prefix = tree.dig(documents['Manifest'][0], 'data', 'release_prefix')
    return {'%s-%s' % (prefix, tree.dig(chart, 'data', 'release'))
            for chart in documents['Chart']}


def armada(package):
    documents = armada_documents(package)
    faults = []
    if len(documents['Manifest']) != 1:
        faults.append('the armada manifest has more than one Manifest')
    manifest = documents['Manifest'][0]
    if not isinstance(tree.dig(manifest, 'data', 'release_prefix'), str):
        faults.append('data.release_prefix of the armada manifest is missing')

    groups = by_name(documents['ChartGroup'])
    members = by_name(documents['Chart'])
    used = set()
    for group in tree.strings(tree.dig(manifest, 'data', 'chart_groups')):
        if group not in groups:
            faults.append('the chart group %s is not defined' % group)
        used |= set(tree.strings(
            tree.dig(groups.get(group), 'data', 'chart_group')))
    for name in sorted(used - set(members)):
        faults.append('the chart %s of a chart group is not defined' % name)
    if not used:
        faults.append('the armada manifest installs no chart')
    for name in sorted(used & set(members)):
        faults.extend(armada_chart(name, members[name], package))
    require(faults)
    return '%d chart, found in charts/' % len(used)


def by_name(documents):
    found = {}
    for one in documents:
        name = tree.dig(one, 'metadata', 'name')
        if isinstance(name, str):
            found[name] = one
    return found


def armada_chart(name, chart, package):
    for key in ('chart_name', 'namespace', 'release'):
        if not isinstance(tree.dig(chart, 'data', key), str):
            yield 'the armada chart %s has no data.%s' % (name, key)
    location = tree.dig(chart, 'data', 'source', 'location')
    found = LOCATION.fullmatch(str(location))
    if not found:
        yield 'the location of the armada chart %s is not ' \
            'http://HOST/helm_charts/REPOSITORY/CHART.tgz' % name
        return
    if found.group(1) != package.metadata.get('helm_repo', 'starlingx'):
        yield 'the armada chart %s is taken from the repository %s, and ' \
            'metadata.yaml names another' % (name, found.group(1))
    if found.group(2) not in chart_files(package):
        yield 'the armada chart %s is %s.tgz, and charts/ holds %s' % (
            name, found.group(2),
            ', '.join(one + '.tgz' for one in chart_files(package)))


def releases(package):
    """Return ``(folder, HelmRelease)`` for every chart of FluxCD."""
    root = package.document(FLUXCD + '/kustomization.yaml')
    folders = tree.strings(root.get('resources'))
    return [('%s/%s' % (FLUXCD, posixpath.normpath(folder)),
             package.document('%s/%s/helmrelease.yaml' % (
                 FLUXCD, posixpath.normpath(folder))))
            for folder in folders if posixpath.normpath(folder) != 'base']


def fluxcd(package):
    faults = []
    root = FLUXCD + '/kustomization.yaml'
    if len(package.documents(root)) != 1:
        faults.append('%s must hold one YAML document' % root)
    if not isinstance(package.document(root).get('namespace'), str):
        faults.append('%s names no namespace (required up to 8.0)' % root)
    if 'base' not in tree.strings(package.document(root).get('resources')):
        faults.append('%s does not list base' % root)
    faults.extend(repository(package))
    found = releases(package)
    if not found:
        faults.append('%s lists no chart' % root)
    for folder, release in found:
        faults.extend(release_faults(folder, release, package))
    require(faults)
    return ', '.join('release %s' % tree.text(release, 'spec', 'releaseName')
                     for _, release in found)


def repository(package):
    package.document(FLUXCD + '/base/kustomization.yaml')
    name = FLUXCD + '/base/helmrepository.yaml'
    first = package.document(name)
    if first.get('kind') != 'HelmRepository':
        yield '%s does not begin with the HelmRepository' % name
    url = str(tree.dig(first, 'spec', 'url'))
    last = url.rstrip('/').rpartition('/')[2]
    if last not in REPOSITORIES:
        yield '%s: the URL %s does not end in %s' % (
            name, url, ' or '.join(REPOSITORIES))
    elif last != package.metadata.get('helm_repo', 'starlingx'):
        yield '%s: the URL ends in %s, and metadata.yaml names another ' \
            'helm_repo' % (name, last)


def release_faults(folder, release, package):
    name = folder + '/helmrelease.yaml'
    for keys in (('metadata', 'name'), ('spec', 'releaseName'),
                 ('spec', 'chart', 'spec', 'chart'),
                 ('spec', 'chart', 'spec', 'version')):
        if not isinstance(tree.dig(release, *keys), str):
            yield '%s: %s is missing or no text' % (name, '.'.join(keys))
    keys = [source.get('valuesKey') for source in tree.mappings(
        tree.dig(release, 'spec', 'valuesFrom'))
        if source.get('kind') == 'Secret'
        and isinstance(source.get('valuesKey'), str)]
    for position, suffix in enumerate(('-static-overrides.yaml',
                                       '-system-overrides.yaml')):
        matching = [key for key in keys if key.endswith(suffix)]
        if len(matching) != 1:
            yield '%s: valuesFrom needs one Secret whose valuesKey ends ' \
                'in %s' % (name, suffix)
        elif keys.index(matching[0]) != position:
            yield '%s: valuesFrom must list static before system ' \
                'overrides: the later one wins' % name
        elif '%s/%s' % (folder, matching[0]) not in package.files:
            yield '%s: %s is not in the folder; the platform writes the ' \
                'overrides there' % (name, matching[0])


def chart_versions(package):
    """HelmRelease and armada name the chart and release that are there."""
    present, faults, made = chart_files(package), [], set()
    for folder, release in releases(package):
        spec = tree.dig(release, 'spec', 'chart', 'spec')
        wanted = '%s-%s' % (tree.dig(spec, 'chart'),
                            tree.dig(spec, 'version'))
        made.add(tree.text(release, 'spec', 'releaseName'))
        if wanted not in present:
            faults.append('%s/helmrelease.yaml asks for %s, and charts/ '
                          'holds %s' % (folder, wanted, ', '.join(present)))
    armada_made = armada_releases(armada_documents(package))
    if made != armada_made:
        faults.append(
            'FluxCD makes the release %s and armada %s: an update from one '
            'to the other would leave two' % (
                ', '.join(sorted(made)),
                ', '.join(sorted(armada_made))))
    require(faults)
    return ', '.join(present)
