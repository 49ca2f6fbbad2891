# SPDX-License-Identifier: Apache-2.0
"""In place of FluxCD's controllers: each HelmRelease by helm itself.

sysinv gives the manifests to "kubectl apply -k" and waits. Here kustomize
builds them the same way, and of what comes out the HelmReleases are
installed with the values of their Secrets. One attempt is made where the
helm-controller would repeat it.
"""

import base64
import collections
import json
import logging
import os
import tempfile
import time

import yaml

from stx_system.errors import Failed
from stx_system import manifests
from stx_system import tools

LOG = logging.getLogger(__name__)

Release = collections.namedtuple(
    'Release', 'name namespace chart repo spec values')


def build(manifest):
    """The HelmReleases that kustomize builds, each with its values.

    FluxCD installs them side by side. Here they come in the order of the
    kustomization, and kustomize sorts them by name.
    """
    documents = [each for each in yaml.safe_load_all(
        tools.run('kubectl', 'kustomize', manifest)) if each]
    secrets = {(each['metadata']['name'], each['metadata']['namespace']): each
               for each in documents if each['kind'] == 'Secret'}
    repos = {each['metadata']['name']: each['spec']['url']
             for each in documents if each['kind'] == 'HelmRepository'}
    order = [manifests.read_one(os.path.join(
        manifest, folder, 'helmrelease.yaml'))['metadata']['name']
        for folder in manifests.chart_folders(manifest)]
    return [_release(each, secrets, repos) for each in sorted(
        (each for each in documents if each['kind'] == 'HelmRelease'),
        key=lambda each: order.index(each['metadata']['name']))]


def _release(document, secrets, repos):
    name = document['metadata']['name']
    namespace = document['metadata'].get('namespace', 'default')
    spec = document['spec']
    chart = spec['chart']['spec']
    source = chart['sourceRef']['name']
    if source not in repos:
        raise Failed('HelmRelease %s wants charts of "%s", and no '
                     'HelmRepository has that name.' % (name, source))
    values = []
    for wanted in spec.get('valuesFrom') or []:
        key = wanted.get('valuesKey', 'values.yaml')
        data = (secrets.get((wanted['name'], namespace)) or {}).get(
            'data') or {}
        if key in data:
            values.append(base64.b64decode(data[key]).decode('utf-8'))
        elif not wanted.get('optional'):
            raise Failed('HelmRelease %s: %s %s/%s has no key %s.' % (
                name, wanted['kind'], namespace, wanted['name'], key))
    if spec.get('values'):
        values.append(yaml.safe_dump(spec['values']))
    return Release(spec.get('releaseName', name),
                   spec.get('targetNamespace', namespace),
                   chart, repos[source].rstrip('/').rpartition('/')[2],
                   spec, values)


def chart_archive(platform, release):
    path = os.path.join(platform.charts_repo(release.repo), '%s-%s.tgz' % (
        release.chart['chart'], release.chart.get('version')))
    if not os.path.exists(path):
        raise Failed("no '%s' chart with version matching '%s' found in "
                     'repository %s.' % (
                         release.chart['chart'],
                         release.chart.get('version'), release.repo))
    return path


def install(platform, release, watch=None):
    """Install or upgrade one release and wait until it is ready."""
    archive = chart_archive(platform, release)
    installed = _unlock(release)
    action = release.spec.get('upgrade' if installed else 'install') or {}
    args = ['upgrade', '--install', release.name, archive,
            '--namespace', release.namespace, '--history-max', '5',
            '--timeout', str(release.spec.get('timeout', '5m'))]
    if not action.get('disableWait'):
        args.append('--wait')
    if action.get('createNamespace'):
        args.append('--create-namespace')
    _custom_resources(release, archive, installed, action, args)
    with tempfile.TemporaryDirectory() as folder:
        for number, text in enumerate(release.values):
            path = os.path.join(folder, 'values-%d.yaml' % number)
            with open(path, 'w') as stored:
                stored.write(text)
            args += ['--values', path]
        try:
            tools.run('helm', *args, watch=watch)
        except Failed:
            remediation = action.get('remediation') or {}
            # With retries set, the last failed upgrade is rolled back.
            if installed and remediation.get('retries'):
                _rollback(release)
            raise


def _custom_resources(release, archive, installed, action, args):
    """crds/ by the action's policy; helm itself only ever creates them."""
    policy = action.get('crds', 'Skip' if installed else 'Create')
    if policy == 'Create' and not installed:
        return
    args.append('--skip-crds')
    if policy == 'Skip':
        return
    crds = tools.run('helm', 'show', 'crds', archive)
    if not crds.strip():
        return
    with tempfile.NamedTemporaryFile('w', suffix='.yaml') as stored:
        stored.write(crds)
        stored.flush()
        if policy == 'CreateReplace':
            tools.run('kubectl', 'apply', '--server-side',
                      '--force-conflicts', '-f', stored.name)
        else:
            _create_missing(stored.name)


def _create_missing(path):
    try:
        tools.run('kubectl', 'create', '-f', path)
    except Failed as failure:
        if 'AlreadyExists' not in str(failure):
            raise


def status(release_name, namespace):
    """What helm says the release is in, or None when there is none."""
    found = json.loads(tools.run(
        'helm', 'list', '--all', '--namespace', namespace, '--output',
        'json', '--filter', '^%s$' % release_name) or '[]')
    return found[0]['status'] if found else None


def _unlock(release):
    """Return whether it is installed, freed of an attempt that died."""
    state = status(release.name, release.namespace)
    if state == 'pending-install':
        uninstall(release)
        return False
    if state in ('pending-upgrade', 'pending-rollback'):
        _rollback(release)
    return state is not None


def _rollback(release):
    try:
        tools.run('helm', 'rollback', release.name, '--namespace',
                  release.namespace)
    except Failed as failure:
        LOG.error('roll back of %s failed: %s', release.name, failure)


def uninstall(release):
    """What the helm-controller does when a HelmRelease is deleted."""
    if status(release.name, release.namespace) is None:
        return
    tools.run('helm', 'uninstall', release.name, '--namespace',
              release.namespace, '--wait', '--timeout',
              str(release.spec.get('timeout', '5m')))


def clean_up_disabled(manifest):
    """Uninstall the releases that a kustomize operator left out."""
    path = os.path.join(manifest, 'helmrelease_cleanup.yaml')
    if not os.path.exists(path):
        return
    left_out = {each['name']: each['namespace'] for each in
                manifests.read_one(path).get('releases') or []}
    for folder in manifests.chart_folders(manifest):
        content = manifests.read_one(os.path.join(
            manifest, folder, 'helmrelease.yaml'))
        name = content['metadata']['name']
        if name in left_out:
            uninstall(Release(content['spec'].get('releaseName', name),
                              left_out[name], None, None, content['spec'],
                              []))


def _pods(kube, namespace, chart):
    return kube.kube_get_pods_by_selector(
        namespace, 'app.kubernetes.io/name=%s' % chart, '')


def wait_for_pods(kube, namespace, chart, seconds=60):
    """On one-node systems: every pod with the chart's label is ready."""
    deadline = time.monotonic() + seconds
    while True:
        waiting = [pod.metadata.name for pod in
                   _pods(kube, namespace, chart) if not _ready(pod)]
        if not waiting:
            return
        if time.monotonic() > deadline:
            raise Failed('pods are not ready: %s.' % ', '.join(waiting))
        time.sleep(1)


def _ready(pod):
    if pod.status.phase == 'Succeeded' or pod.metadata.deletion_timestamp:
        return True
    return any(each.type == 'Ready' and each.status == 'True'
               for each in pod.status.conditions or [])


def pods_that_wait(kube, release):
    """What stands behind a release that does not get ready, or ''.

    helm knows only that its time is up; the pods say why.
    """
    try:
        pods = _pods(kube, release.namespace, release.chart['chart'])
    except Exception as error:
        LOG.info('pods of %s: %s', release.name, error)
        return ''
    lines = ['\npod %s: %s' % (pod.metadata.name, _why(pod))
             for pod in pods if not _ready(pod)]
    return ''.join(lines)


def _why(pod):
    for each in pod.status.container_statuses or []:
        waiting = each.state.waiting
        if waiting:
            return ': '.join(filter(None, (waiting.reason,
                                           waiting.message)))
    for each in pod.status.conditions or []:
        if each.status == 'False' and each.message:
            return each.message
    return pod.status.phase
