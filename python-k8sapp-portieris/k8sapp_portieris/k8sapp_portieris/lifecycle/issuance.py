# SPDX-License-Identifier: Apache-2.0
"""Whether cert-manager issues certificates, found out by asking for one."""

from k8sapp_portieris.lifecycle import cluster as clusters

GROUP = 'cert-manager.io'
# Of the issuer, the certificate and its Secret.
NAME = 'portieris-issuance-test'

_ISSUED_SECONDS = 60


def problem(cluster, namespace):
    """Return what keeps cert-manager from issuing, None if nothing does."""
    group = cluster.get('/apis/' + GROUP)
    if group is None:
        return 'the cluster does not know its kinds'
    version = group['preferredVersion']['groupVersion']
    base = '/apis/%s/namespaces/%s' % (version, namespace)
    _clean(cluster, base, namespace)
    try:
        for plural, kind, spec in (
                ('issuers', 'Issuer', {'selfSigned': {}}),
                ('certificates', 'Certificate', {
                    'secretName': NAME, 'dnsNames': [NAME],
                    'issuerRef': {'name': NAME, 'kind': 'Issuer'}})):
            cluster.create('%s/%s' % (base, plural), {
                'apiVersion': version, 'kind': kind,
                'metadata': {'name': NAME, 'namespace': namespace},
                'spec': spec})
        if clusters.wait_until(
                lambda: _is_ready(cluster, base), _ISSUED_SECONDS):
            return None
        return ('a certificate it was asked for was not issued within %d '
                'seconds%s' % (_ISSUED_SECONDS, _said(cluster, base)))
    finally:
        _clean(cluster, base, namespace)


def _condition(cluster, base):
    found = cluster.get('%s/certificates/%s' % (base, NAME)) or {}
    for each in (found.get('status') or {}).get('conditions') or []:
        if each['type'] == 'Ready':
            return each
    return {}


def _is_ready(cluster, base):
    return _condition(cluster, base).get('status') == 'True'


def _said(cluster, base):
    message = _condition(cluster, base).get('message')
    return ' (it says: %s)' % message if message else ''


def _clean(cluster, base, namespace):
    """Leave nothing; a run that died may have."""
    for path in ('%s/certificates/%s' % (base, NAME),
                 '%s/issuers/%s' % (base, NAME),
                 '/api/v1/namespaces/%s/secrets/%s' % (namespace, NAME)):
        cluster.delete(path)
