# SPDX-License-Identifier: Apache-2.0
"""The webhook configuration: out of the way, relaxed, and back.

Each function can be called again, and after a run of any other that ended
half way. What must be remembered meanwhile lies in the cluster, so that it
survives the conductor, and a restore of etcd.
"""

import base64
import json
import zlib

import yaml

from k8sapp_portieris.common import overrides

NAME = 'image-admission-config'
CONFIGURATIONS = ('/apis/admissionregistration.k8s.io/v1/'
                  'mutatingwebhookconfigurations')
PATH = '%s/%s' % (CONFIGURATIONS, NAME)
SERVICE = '/api/v1/namespaces/portieris/services/portieris'

DEPLOYMENT = '/apis/apps/v1/namespaces/portieris/deployments/' \
    'portieris-portieris'

# Where the configuration is kept while it is away.
SAVED = 'portieris-webhook'
CONFIG_MAPS = '/api/v1/namespaces/kube-system/configmaps'
SAVED_PATH = '%s/%s' % (CONFIG_MAPS, SAVED)
_KEY = 'webhook.json'

# The values of the platform and of the user, as FluxCD reads them.
VALUES = '/api/v1/namespaces/portieris/secrets/portieris-system-overrides'
_VALUES_KEY = 'portieris-system-overrides.yaml'

# What Helm remembers of the releases it installed.
RELEASE = 'portieris-portieris'
RELEASES = ('/api/v1/namespaces/portieris/secrets?labelSelector='
            'owner%3Dhelm,status%3Ddeployed,name%3D' + RELEASE)
_GZIP = 16 + zlib.MAX_WBITS

# Marks a configuration whose failure policy is relaxed for an update.
RELAXED = 'portieris.starlingx.io/relaxed-for-update'

# Of an object's metadata, what the API server writes.
SERVERS_OWN = ('creationTimestamp', 'generation', 'managedFields',
               'resourceVersion', 'selfLink', 'uid')


def take_away(cluster):
    """Delete the configuration after a copy of it is kept."""
    found = cluster.get(PATH)
    if found is None:
        # Not applied, or taken away already: then the copy stays.
        return False
    for name in SERVERS_OWN:
        found['metadata'].pop(name, None)
    cluster.apply(CONFIG_MAPS, {
        'apiVersion': 'v1', 'kind': 'ConfigMap',
        'metadata': {'name': SAVED, 'labels': {'app': 'portieris'}},
        'data': {_KEY: json.dumps(found, sort_keys=True)}})
    cluster.delete(PATH)
    return True


def put_back(cluster):
    """Create the configuration from the copy, if there is a copy.

    One that is there meanwhile is newer and stays. Without a server behind
    it none is created: it would refuse every pod.
    """
    copy = cluster.get(SAVED_PATH)
    if copy is None:
        return False
    created = False
    if cluster.get(PATH) is None and cluster.get(SERVICE) is not None:
        cluster.create(CONFIGURATIONS, json.loads(copy['data'][_KEY]))
        created = True
    cluster.delete(SAVED_PATH)
    return created


def rebuild(cluster):
    """Create the configuration from what Helm installed, if it is missing.

    Somebody deleted it by name, and FluxCD sees no reason to upgrade a
    release whose values are as before.
    """
    if cluster.get(PATH) is not None or cluster.get(SERVICE) is None:
        return False
    releases = cluster.items(RELEASES)
    if not releases:
        return False
    newest = max(releases, key=lambda each: int(
        each['metadata']['labels']['version']))
    for body in yaml.safe_load_all(_manifest(newest)):
        if body and (body['kind'], body['metadata']['name']) == (
                'MutatingWebhookConfiguration', NAME):
            # Helm takes up only what is marked as its own.
            body['metadata'].setdefault('annotations', {}).update({
                'meta.helm.sh/release-name': RELEASE,
                'meta.helm.sh/release-namespace': 'portieris'})
            cluster.create(CONFIGURATIONS, body)
            return True
    return False


def _manifest(secret):
    """Return what a release consists of, out of Helm's wrappings."""
    packed = base64.b64decode(base64.b64decode(secret['data']['release']))
    return json.loads(zlib.decompress(packed, _GZIP).decode('utf-8'))[
        'manifest']


def forget(cluster):
    """Delete the configuration and the copy of it."""
    cluster.delete(PATH)
    cluster.delete(SAVED_PATH)


def relax(cluster):
    """Let workloads pass while no server answers, until settle()."""
    return _set_policy(cluster, 'Ignore', 'true')


def settle(cluster, policy):
    """Give the configuration the failure policy it has between updates."""
    return _set_policy(cluster, policy, None)


def settle_values(cluster, policy):
    """Give FluxCD the failure policy too: it could upgrade at any time.

    During an update the values say "Ignore", or Helm would set the policy
    back while there is no server yet.
    """
    found = cluster.get(VALUES)
    text = base64.b64decode(((found or {}).get('data') or {}).get(
        _VALUES_KEY, '')).decode('utf-8')
    values = overrides.read(text)
    if (values.get('webHooks') or {}).get('failurePolicy', policy) == policy:
        return False
    values['webHooks']['failurePolicy'] = policy
    cluster.patch(VALUES, {'data': {_VALUES_KEY: base64.b64encode(
        yaml.safe_dump(values, default_flow_style=False, encoding='utf-8')
    ).decode('ascii')}})
    return True


def policy(cluster):
    """Return the failure policy in force, None without a webhook."""
    hooks = (cluster.get(PATH) or {}).get('webhooks') or []
    return hooks[0].get('failurePolicy') if hooks else None


def _set_policy(cluster, policy, mark):
    """Return whether the configuration had to be changed."""
    found = cluster.get(PATH)
    if found is None:
        return False
    others = [hook['name'] for hook in found.get('webhooks') or []
              if hook.get('failurePolicy') != policy]
    marked = (found['metadata'].get('annotations') or {}).get(RELAXED)
    if not others and (marked is None or mark is not None):
        return False
    # By name: cert-manager may write a caBundle at the same moment.
    cluster.patch(PATH, {
        'metadata': {'annotations': {RELAXED: mark}},
        'webhooks': [{'name': name, 'failurePolicy': policy}
                     for name in others]})
    return True


def is_served(cluster):
    """Tell whether a server is there to answer."""
    found = cluster.get(DEPLOYMENT) or {}
    return bool((found.get('status') or {}).get('availableReplicas'))


def has_ca(cluster):
    """Tell whether the API server can check the server's certificate.

    A configuration that is not there lacks nothing.
    """
    found = cluster.get(PATH)
    return found is None or all(
        (hook.get('clientConfig') or {}).get('caBundle')
        for hook in found.get('webhooks') or [])
