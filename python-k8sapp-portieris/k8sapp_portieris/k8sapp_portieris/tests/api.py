# SPDX-License-Identifier: Apache-2.0
"""The API of Kubernetes as far as the plugin uses it, in memory."""

import copy
import json

STRATEGIC = 'application/strategic-merge-patch+json'


class Refused(Exception):
    """As the client's ApiException: with the status of the answer."""

    def __init__(self, status, reason=''):
        super(Refused, self).__init__('%d %s' % (status, reason))
        self.status = status


class Answer(object):

    def __init__(self, content):
        self.data = json.dumps(content).encode('utf-8')


class Api(object):
    """Objects by path; a list holds what has one part more.

    ``broken`` are paths that answer with an error; ``watch`` is called after
    each change with method and path, as a controller would learn of it.
    """

    def __init__(self):
        self.objects = {}
        self.broken = set()
        self.changes = []
        self.watch = lambda method, path: None

    def add(self, path, **content):
        body = dict({'metadata': {}}, **content)
        body['metadata']['name'] = path.rpartition('/')[2]
        self.objects[path] = body
        return body

    def call_api(self, resource_path, method, body=None, header_params=None,
                 auth_settings=None, _preload_content=True,
                 _return_http_data_only=None, _request_timeout=None):
        if resource_path in self.broken or method in self.broken:
            raise Refused(500, 'broken')
        # What is sent has to be JSON, and nobody shares it.
        body = json.loads(json.dumps(body))
        answer = getattr(self, '_' + method.lower())(
            resource_path, body, header_params['Content-Type'])
        if method != 'GET':
            self.changes.append((method, resource_path))
            self.watch(method, resource_path)
        return Answer(answer)

    def _get(self, path, body, content):
        if path in self.objects:
            return self.objects[path]
        if not self._is_list(path):
            raise Refused(404)
        return {'items': self.items(path)}

    def items(self, path):
        path, _, selector = path.partition('?labelSelector=')
        wanted = [each.split('%3D') for each in selector.split(',') if each]
        group, _, plural = path.rpartition('/')
        return [self.objects[each] for each in sorted(self.objects)
                if (each.rpartition('/')[0] == path
                    or (each.startswith(group + '/namespaces/')
                        and each.split('/')[-2] == plural))
                and all(self.labels(each).get(name) == value
                        for name, value in wanted)]

    def labels(self, path):
        return self.objects[path].get('metadata', {}).get('labels') or {}

    @staticmethod
    def _is_list(path):
        return '?' in path or path + '/' == NODES or (
            path.startswith((POLICIES, OLD_POLICIES))
            and path.endswith('imagepolicies'))

    def _post(self, path, body, content):
        own = '%s/%s' % (path, body['metadata']['name'])
        if own in self.objects:
            raise Refused(409, 'AlreadyExists')
        body['metadata'].update(uid='u', resourceVersion='1')
        self.objects[own] = body
        return body

    def _put(self, path, body, content):
        if path not in self.objects:
            raise Refused(404)
        if body['metadata']['resourceVersion'] != self.objects[path][
                'metadata'].get('resourceVersion'):
            raise Refused(409, 'Conflict')
        self.objects[path] = body
        return body

    def _patch(self, path, body, content):
        if path not in self.objects:
            raise Refused(404)
        _merge(self.objects[path], body, content == STRATEGIC)
        return self.objects[path]

    def _delete(self, path, body, content):
        path = path.partition('?')[0]
        if path not in self.objects:
            raise Refused(404)
        return self.objects.pop(path)


def _merge(target, change, by_name):
    for key, value in change.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            _merge(target.setdefault(key, {}), value, by_name)
        elif by_name and isinstance(value, list) and key == 'webhooks':
            # As the API server merges this list.
            for each in value:
                _merge([one for one in target[key]
                        if one['name'] == each['name']][0], each, by_name)
        else:
            target[key] = copy.deepcopy(value)


VERSION = '/version'
NODES = '/api/v1/nodes/'
CERT_MANAGER = '/apis/cert-manager.io'
DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/'
WEBHOOK = ('/apis/admissionregistration.k8s.io/v1/'
           'mutatingwebhookconfigurations/image-admission-config')
SERVICE = '/api/v1/namespaces/portieris/services/portieris'
DEPLOYMENT = ('/apis/apps/v1/namespaces/portieris/deployments/'
              'portieris-portieris')
CONFIG_MAPS = '/api/v1/namespaces/kube-system/configmaps/'
NAMESPACES = '/api/v1/namespaces/'
POLICIES = '/apis/portieris.cloud.ibm.com/v1/'
OLD_POLICIES = '/apis/securityenforcement.admission.cloud.ibm.com/v1beta1/'


def platform(issues=True, version='v1'):
    """Return the API of a platform with cert-manager."""
    api = Api()
    api.add(CERT_MANAGER, preferredVersion={
        'groupVersion': 'cert-manager.io/' + version})
    for name in ('kube-system', 'cert-manager', 'portieris'):
        api.add(NAMESPACES + name)
    api.objects[VERSION] = {'gitVersion': 'v1.18.1'}
    for name in ('controller-0', 'controller-1'):
        api.add(NODES + name, metadata={'labels': {
            'kubernetes.io/hostname': name}})

    def controllers(method, path):
        if method == 'POST' and path.endswith('/certificates') and issues:
            for each in api.items(path):
                api.objects.setdefault(
                    SECRETS + each['spec']['secretName'], {})
                _condition(each, 'Ready')
        if method == 'POST' and path + '/' == DEFINITIONS:
            for each in api.items(path):
                _condition(each, 'Established')
    api.watch = controllers
    return api


def _condition(body, name):
    body['status'] = {'conditions': [{'type': name, 'status': 'True'}]}


def install(api, policy='Fail', ca='Q0E='):
    """Add what a chart that is applied consists of, as to the webhook."""
    api.add(SERVICE, metadata=of_chart())
    api.add(DEPLOYMENT, metadata=of_chart(), spec={
        'selector': {'matchLabels': dict(SELECTOR)}},
        status={'availableReplicas': 1})
    return api.add(
        WEBHOOK, metadata=dict(of_chart(**{
            'cert-manager.io/inject-ca-from': 'portieris/portieris-certs',
        }), uid='u', resourceVersion='9'),
        webhooks=[{
            'name': 'trust.hooks.securityenforcement.admission.cloud.ibm.com',
            'clientConfig': {'caBundle': ca}, 'failurePolicy': policy}])


PORTIERIS = NAMESPACES + 'portieris/'
SECRETS = PORTIERIS + 'secrets/'
ACCOUNT = PORTIERIS + 'serviceaccounts/portieris'
ROLE = '/apis/rbac.authorization.k8s.io/v1/clusterroles/portieris'
BINDING = ('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/'
           'admission-portieris-webhook')
CERTIFICATE = ('/apis/cert-manager.io/v1/namespaces/portieris/certificates/'
               'portieris-certs')
OLD_ISSUER = CERTIFICATE.replace('certificates/portieris-certs',
                                 'issuers/stx-portieris')
HELM_RELEASES = ('/apis/helm.toolkit.fluxcd.io/v2/namespaces/portieris/'
                 'helmreleases/')
SELECTOR = {'app': 'portieris', 'release': 'portieris-portieris'}
OWNED = {'meta.helm.sh/release-name': 'portieris-portieris',
         'meta.helm.sh/release-namespace': 'portieris'}


def of_chart(**annotations):
    """Return the metadata of an object that Helm made of our chart."""
    return {'labels': {'app': 'portieris', 'helm.sh/chart': 'portieris-2'},
            'annotations': dict(OWNED, **annotations)}


def install_older(api, hooks):
    """Add what an application of before 2.0 consists of.

    Up to 7.0 ``hooks`` made the account and its rights too.
    """
    def add(path, release=None, hook=None, **content):
        metadata = {'labels': {'app': 'portieris', 'chart': 'portieris-0'},
                    'annotations': {}, 'resourceVersion': '3'}
        if release:
            metadata['annotations'] = dict(OWNED, **{
                'meta.helm.sh/release-name': release})
        if hook:
            metadata['annotations']['helm.sh/hook'] = hook
        metadata.update(content.pop('more', {}))
        return api.add(path, metadata=metadata, **content)

    first, second = 'portieris-portieris', 'portieris-portieris-certs'
    add(WEBHOOK, hook='post-install', webhooks=[{
        'name': 'trust.hooks.securityenforcement.admission.cloud.ibm.com',
        'clientConfig': {'caBundle': 'T0xE'}, 'failurePolicy': 'Fail'}])
    for path in (ACCOUNT, ROLE, BINDING):
        add(path, *((None, 'pre-install') if hooks else (first,)))
    add(SERVICE, first)
    add(DEPLOYMENT, first, spec={
        'selector': {'matchLabels': dict(SELECTOR)}},
        status={'availableReplicas': 1})
    add(SECRETS + 'portieris-certs', second, data={'tls.crt': 'T0xE'})
    add(CERTIFICATE, second, spec={'secretName': 'portieris-certs',
                                   'issuerRef': {'name': 'stx-portieris'}})
    add(OLD_ISSUER, second)
    for name in (first, second):
        add(SECRETS + name + '.v1', more={
            'labels': {'owner': 'helm', 'name': name}})
    for path in ('clusterimagepolicies/default',
                 'namespaces/portieris/imagepolicies/default'):
        add(POLICIES + path, hook='post-install',
            spec={'repositories': [{'name': '*'}]},
            more={'namespace': 'portieris'} if 'namespaces' in path else {})
    if hooks:
        add(PORTIERIS + 'configmaps/image-policy-crds', hook='pre-install')
    return api
