# SPDX-License-Identifier: Apache-2.0
"""The policies that users wrote, and the definitions of their kinds."""

import yaml

from k8sapp_portieris.lifecycle import cluster as clusters

GROUP = 'portieris.cloud.ibm.com'
KINDS = (('clusterimagepolicies', 'ClusterImagePolicy'),
         ('imagepolicies', 'ImagePolicy'))
DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'

# Where policies are written before a removal. More than fits into one
# object goes on in EXPORT-2 and so on.
EXPORT = 'portieris-policies'
KEY = 'policies.yaml'
CONFIG_MAPS = '/api/v1/namespaces/kube-system/configmaps'
# etcd takes 1.5 MB and a ConfigMap 1 MiB.
_BYTES = 900 * 1000

# The group of applications before 22.12; its policies mean nothing to the
# server of today.
OLD_GROUP = 'securityenforcement.admission.cloud.ibm.com'
OLD_VERSION = 'v1beta1'
# Marks an old policy that was converted: who deletes the new one later does
# not want it back.
CONVERTED = 'portieris.starlingx.io/converted'

# The chart's own policy; on Armada nothing but the name tells.
_DEFAULT = 'portieris-default'
_RELEASE = 'portieris-portieris'
_LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration'

_ESTABLISHED_SECONDS = 30
_GONE_SECONDS = 60


def written_by_users(cluster):
    """Return the policies that no chart of ours brought."""
    return [dict(policy, kind=kind, apiVersion=GROUP + '/v1')
            for plural, kind in KINDS
            for policy in cluster.items('/apis/%s/v1/%s' % (GROUP, plural))
            if not _is_of_chart(policy['metadata'])]


def _is_of_chart(metadata):
    annotations = metadata.get('annotations') or {}
    return (annotations.get('meta.helm.sh/release-name') == _RELEASE
            or (metadata['name'] == _DEFAULT
                and not metadata.get('namespace')))


def export(cluster):
    """Write the users' policies where they outlive a removal.

    Return the names of the ConfigMaps. Without any policy an earlier export
    stays: it may be all that is left of them.
    """
    parts = _parts([yaml.safe_dump(_plain(policy), default_flow_style=False)
                    for policy in written_by_users(cluster)])
    names = [EXPORT if number == 1 else '%s-%d' % (EXPORT, number)
             for number in range(1, len(parts) + 1)]
    for name, text in zip(names, parts):
        cluster.apply(CONFIG_MAPS, {
            'apiVersion': 'v1', 'kind': 'ConfigMap',
            'metadata': {'name': name, 'labels': {'app': 'portieris'}},
            'data': {KEY: text}})
    if names:
        _delete_after(cluster, len(names))
    return names


def _plain(policy):
    metadata = {key: policy['metadata'][key]
                for key in ('name', 'namespace', 'labels', 'annotations')
                if policy['metadata'].get(key)}
    annotations = {
        key: value for key, value in metadata.pop('annotations', {}).items()
        if key != _LAST_APPLIED}
    if annotations:
        metadata['annotations'] = annotations
    return {'apiVersion': policy['apiVersion'], 'kind': policy['kind'],
            'metadata': metadata, 'spec': policy.get('spec')}


def convert(cluster, definitions):
    """Write policies of the old group anew in the group of today.

    Return their names, and what became of those that Kubernetes refused. A
    policy of that name that is there already is the users' own and stays;
    the old one stays as well, out of force.
    """
    names, refused = [], []
    old_policies = [(plural, kind, old) for plural, kind in KINDS
                    for old in cluster.items('/apis/%s/%s/%s' % (
                        OLD_GROUP, OLD_VERSION, plural))
                    if CONVERTED not in (
                        old['metadata'].get('annotations') or {})]
    if old_policies:
        define(cluster, definitions)
    for plural, kind, old in old_policies:
        place = old['metadata'].get('namespace')
        where = 'namespaces/%s/%s' % (place, plural) if place else plural
        name = '/'.join(filter(None, (kind, place, old['metadata']['name'])))
        new = _plain(dict(old, kind=kind, apiVersion=GROUP + '/v1'))
        try:
            cluster.create('/apis/%s/v1/%s' % (GROUP, where), new)
        except Exception as error:
            # One that is refused must not keep the others.
            refused.append('%s (%s)' % (name, error))
            continue
        cluster.patch(
            '/apis/%s/%s/%s/%s' % (OLD_GROUP, OLD_VERSION, where,
                                   old['metadata']['name']),
            {'metadata': {'annotations': {CONVERTED: 'true'}}},
            clusters.MERGE)
        names.append(name)
    return names, refused


def _parts(texts):
    """Join YAML documents to as few texts as ConfigMaps can hold."""
    parts = []
    size = _BYTES
    for text in texts:
        document = '---\n' + text
        size += len(document)
        if size > _BYTES:
            parts.append('')
            size = len(document)
        parts[-1] += document
    return parts


def _delete_after(cluster, number):
    """Delete what is left of an earlier, longer export."""
    while True:
        number += 1
        path = '%s/%s-%d' % (CONFIG_MAPS, EXPORT, number)
        if cluster.get(path) is None:
            return
        cluster.delete(path)


def define(cluster, definitions):
    """Create or update the definitions, and wait until they serve."""
    for body in definitions:
        path = '%s/%s' % (DEFINITIONS, body['metadata']['name'])
        cluster.apply(DEFINITIONS, body)
        if not clusters.wait_until(lambda: _is_established(
                cluster.get(path) or {}), _ESTABLISHED_SECONDS):
            raise RuntimeError(
                'Kubernetes does not serve %s after %d seconds' % (
                    body['metadata']['name'], _ESTABLISHED_SECONDS))


def _is_established(definition):
    return any(each['type'] == 'Established' and each['status'] == 'True'
               for each in (definition.get('status') or {})
               .get('conditions') or [])


def undefine(cluster):
    """Delete the definitions, and every policy with them.

    Return whether they went in time; Kubernetes goes on if they did not.
    """
    paths = ['%s/%s.%s' % (DEFINITIONS, plural, GROUP)
             for plural, _ in KINDS]
    for path in paths:
        cluster.delete(path)
    return bool(clusters.wait_until(
        lambda: not any(cluster.get(path) for path in paths),
        _GONE_SECONDS))
