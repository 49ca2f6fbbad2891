# SPDX-License-Identifier: Apache-2.0
"""From an older application to this one, or back to it.

Applications before 2.0 came as two charts and left much to hooks and Jobs.
So this chart meets objects of its names that Helm does not know as its own:
FluxCD's Helm takes them over if they are marked, Armada's has to make them
anew. Until the apply has worked, a copy of each is kept, so that a failed
update leaves the older application as it was.
"""

import base64
import json

from k8sapp_portieris.lifecycle import cluster as clusters
from k8sapp_portieris.lifecycle import issuance
from k8sapp_portieris.lifecycle import namespaces
from k8sapp_portieris.lifecycle import policies
from k8sapp_portieris.lifecycle import webhook

_NAMESPACE = '/api/v1/namespaces/portieris'
_RBAC = '/apis/rbac.authorization.k8s.io/v1'
_APPS = '/apis/apps/v1/namespaces/portieris'
SECRETS = _NAMESPACE + '/secrets'

# What the chart has and an older application may have made outside of the
# release. The webhook first: without it nobody asks a server that lacks the
# others.
OUTSIDE = (webhook.PATH, _NAMESPACE + '/serviceaccounts/portieris',
           _RBAC + '/clusterroles/portieris',
           _RBAC + '/clusterrolebindings/admission-portieris-webhook')
INSIDE = (webhook.SERVICE, webhook.DEPLOYMENT)
SECRET = SECRETS + '/portieris-certs'

# By these Helm knows what is its own; the label is on every object of this
# chart, and on none of an older one.
OWNED = {'meta.helm.sh/release-name': webhook.RELEASE,
         'meta.helm.sh/release-namespace': 'portieris'}
CHART_LABEL = 'helm.sh/chart'
# Helm's roll back spares what has it.
KEEP = 'helm.sh/resource-policy'
SELECTOR = {'app': 'portieris', 'release': webhook.RELEASE}

# Copies of what was taken over. A Secret: one of them is the server's key.
SAVED = 'portieris-before-update'
SAVED_PATH = '%s/%s' % (SECRETS, SAVED)

# The release of the second chart, and its records.
_SECOND = 'portieris-certs'
_SECOND_RECORDS = (SECRETS + '?labelSelector=owner%3Dhelm,name%3D'
                   'portieris-' + _SECOND)
_FLUX = 'helm.toolkit.fluxcd.io'

_ORPHANED = _APPS + '/replicasets?labelSelector=app%3Dportieris'
_PODS = _NAMESPACE + '/pods?labelSelector=app%3Dportieris'
# No pod of an older application has it.
OUR_PODS = 'app.kubernetes.io/name'
_GONE_SECONDS = 60

_JOBS = '/apis/batch/v1/namespaces/portieris/jobs/'
# Of hooks that came with Jobs up to 7.0.
LEFTOVERS = tuple(
    '%s/configmaps/%s' % (_NAMESPACE, name) for name in (
        'admission-webhooks', 'default-image-policies', 'image-policy-crds')
) + tuple(
    _JOBS + name + '?propagationPolicy=Background' for name in (
        'create-admission-webhooks', 'create-crds',
        'create-default-image-policies', 'validate-crd-creation'))
HOOK = 'helm.sh/hook'
_OLD_DEFAULTS = (
    '/apis/%s/v1/clusterimagepolicies/default' % policies.GROUP,
    '/apis/%s/v1/namespaces/portieris/imagepolicies/default'
    % policies.GROUP)
_DEFAULT = ('/apis/%s/v1/clusterimagepolicies/portieris-default'
            % policies.GROUP)


def take_over(cluster):
    """Mark what Helm 3 would refuse to touch; return the paths.

    Helm asks for the marks on objects that the last release did not have.
    Of a custom resource it would then change nothing: the Certificate has to
    be made anew, and its Secret stays.
    """
    certificates = _certificates(cluster)
    found = {path: cluster.get(path)
             for path in OUTSIDE + INSIDE + certificates}
    foreign = [path for path in OUTSIDE + INSIDE + certificates
               if found[path] is not None and not _is_owned(found[path])]
    # A Certificate of the same release becomes ours as well, and the older
    # server's key is gone with it.
    _save(cluster, foreign + [
        path for path in certificates
        if path not in foreign and _lacks_chart_label(found[path])])
    for path in foreign:
        if path in certificates:
            cluster.delete(path)
            continue
        change = {'metadata': {
            'labels': {'app.kubernetes.io/managed-by': 'Helm'},
            'annotations': dict(OWNED, **{KEEP: 'keep'})}}
        if path == webhook.PATH:
            # The older server would refuse the image of this one.
            change['webhooks'] = [_exempting(each) for each in
                                  found[path].get('webhooks') or []]
            cluster.patch(path, change)
        else:
            cluster.patch(path, change, clusters.MERGE)
    return foreign + _free_the_name(cluster)


def make_room(cluster):
    """Delete what Helm 2 would stumble over; return the paths.

    Helm 2 cannot take over, and does not create what is there.
    """
    foreign = [path for path in OUTSIDE + _certificates(cluster)
               if _lacks_chart_label(cluster.get(path))]
    _save(cluster, foreign)
    for path in foreign:
        cluster.delete(path)
    return foreign + _free_the_name(cluster)


def see_off(cluster):
    """Wait until no older server is left; return whether none is.

    Its certificate is not under the CA by which the API server knows ours.
    """
    for path in _orphans(cluster):
        cluster.delete(path)
    return bool(clusters.wait_until(
        lambda: all(OUR_PODS in each['metadata']['labels']
                    for each in cluster.items(_PODS)), _GONE_SECONDS))


def give_back(cluster):
    """Have everything as it was before; return the paths.

    What is given back stays marked as kept: a roll back that is still under
    way must not delete it.
    """
    saved = _saved(cluster)
    for path, body in sorted(saved.items()):
        body['metadata'].setdefault('annotations', {})[KEEP] = 'keep'
        _put(cluster, path, body)
    cluster.delete(SAVED_PATH)
    return sorted(saved)


def finish(cluster):
    """Clear up what only the older application needed.

    Return the names of policies that it made and that somebody changed:
    they stay, beside the one of this chart.
    """
    if not all(_is_ours(cluster.get(path))
               for path in _certificates(cluster)):
        # A chart that is disabled replaces nothing.
        return []
    _forget_second_release(cluster)
    for path in LEFTOVERS:
        cluster.delete(path)
    changed = _delete_defaults(cluster)
    for path in sorted(_saved(cluster)):
        if cluster.get(path) is not None:
            cluster.patch(path, {'metadata': {'annotations': {
                KEEP: None, HOOK: None}}}, clusters.MERGE)
    cluster.delete(SAVED_PATH)
    return changed


def _certificates(cluster):
    group = cluster.get('/apis/' + issuance.GROUP)
    if group is None:
        return ()
    return ('/apis/%s/namespaces/portieris/certificates/portieris-certs'
            % group['preferredVersion']['groupVersion'],)


def _is_owned(body):
    annotations = body['metadata'].get('annotations') or {}
    return all(annotations.get(key) == value
               for key, value in OWNED.items())


def _is_ours(body):
    return body is not None and not _lacks_chart_label(body)


def _lacks_chart_label(body):
    return body is not None and CHART_LABEL not in (
        body['metadata'].get('labels') or {})


def _exempting(hook):
    """Return the change by which a webhook leaves out our namespace."""
    rule = {'key': namespaces.NAME_LABEL, 'operator': 'NotIn',
            'values': ['portieris']}
    selector = dict(hook.get('namespaceSelector') or {})
    selector['matchExpressions'] = [
        each for each in selector.get('matchExpressions') or []
        if each != rule] + [rule]
    return {'name': hook['name'], 'namespaceSelector': selector}


def _free_the_name(cluster):
    """Delete a Deployment whose selector cannot become ours.

    Its pods stay, and serve until ours do.
    """
    found = cluster.get(webhook.DEPLOYMENT)
    if found is None or found['spec']['selector'].get(
            'matchLabels') == SELECTOR:
        return []
    _save(cluster, [webhook.DEPLOYMENT])
    cluster.delete(webhook.DEPLOYMENT + '?propagationPolicy=Orphan')
    return [webhook.DEPLOYMENT]


def _orphans(cluster):
    return ['%s/replicasets/%s' % (_APPS, each['metadata']['name'])
            for each in cluster.items(_ORPHANED)
            if not each['metadata'].get('ownerReferences')]


# Copies.

def _save(cluster, paths):
    """Keep copies, with the Secret of a Certificate; an older one stays."""
    if any('/certificates/' in path for path in paths):
        paths = paths + [SECRET]
    data = {}
    for path in paths:
        body = cluster.get(path)
        if body is None:
            continue
        body.pop('status', None)
        for name in webhook.SERVERS_OWN:
            body['metadata'].pop(name, None)
        if (body['metadata'].get('annotations') or {}).pop(
                webhook.RELAXED, None):
            # By an attempt that got no copy.
            for hook in body['webhooks']:
                hook['failurePolicy'] = 'Fail'
        text = json.dumps({'path': path, 'object': body}, sort_keys=True)
        data[path.strip('/').replace('/', '.')] = base64.b64encode(
            text.encode('utf-8')).decode('ascii')
    older = (cluster.get(SAVED_PATH) or {}).get('data') or {}
    if set(data) - set(older):
        cluster.apply(SECRETS, {
            'apiVersion': 'v1', 'kind': 'Secret',
            'metadata': {'name': SAVED, 'labels': {'app': 'portieris'}},
            'data': dict(data, **older)})


def _saved(cluster):
    """Return the copies by path."""
    data = (cluster.get(SAVED_PATH) or {}).get('data') or {}
    entries = [json.loads(base64.b64decode(each).decode('utf-8'))
               for each in data.values()]
    return {each['path']: each['object'] for each in entries}


def _put(cluster, path, body):
    live = cluster.get(path)
    if live is not None and path == webhook.DEPLOYMENT and (
            live['spec']['selector'] != body['spec']['selector']):
        cluster.delete(path)
        live = None
    if live is None:
        cluster.create(path.rpartition('/')[0], body)
    else:
        body['metadata']['resourceVersion'] = live['metadata'].get(
            'resourceVersion')
        cluster.replace(path, body)


# What no object of this chart stands for.

def _forget_second_release(cluster):
    """Have Helm forget the chart portieris-certs, and leave its objects.

    Uninstalling it, which sysinv does with releases that a new version does
    not have, would delete the Certificate and the Secret of our server.
    """
    group = cluster.get('/apis/' + _FLUX)
    if group is not None:
        path = '/apis/%s/namespaces/portieris/helmreleases/%s' % (
            group['preferredVersion']['groupVersion'], _SECOND)
        if cluster.get(path) is not None:
            # FluxCD does not uninstall the release of a suspended one.
            cluster.patch(path, {'spec': {'suspend': True}}, clusters.MERGE)
            cluster.delete(path)
    names = [each['metadata']['name']
             for each in cluster.items(_SECOND_RECORDS)]
    for name in names + ['%s-%s-overrides' % (_SECOND, each)
                         for each in ('static', 'system')]:
        cluster.delete('%s/%s' % (SECRETS, name))
    for path in _certificates(cluster):
        cluster.delete(path.replace('certificates/portieris-certs',
                                    'issuers/stx-portieris'))


def _delete_defaults(cluster):
    """Delete the policies that hooks made; return those that say more.

    One that admits everything would win against "deny" of this chart.
    """
    changed = []
    if cluster.get(_DEFAULT) is None:
        return changed
    for path in _OLD_DEFAULTS:
        found = cluster.get(path)
        if found is None or HOOK not in (
                found['metadata'].get('annotations') or {}):
            continue
        if 'namespace' in found['metadata'] or _admits_everything(found):
            cluster.delete(path)
        else:
            changed.append('ClusterImagePolicy default')
    return changed


def _admits_everything(policy):
    return [(each.get('name'), bool(each.get('policy')))
            for each in policy['spec'].get('repositories') or []
            ] == [('*', False)]
