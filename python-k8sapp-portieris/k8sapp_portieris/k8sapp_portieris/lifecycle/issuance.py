# SPDX-License-Identifier: Apache-2.0
"""Whether cert-manager issues certificates, found out by asking for one."""

import json

from k8sapp_portieris.lifecycle import cluster as clusters

GROUP = 'cert-manager.io'
# Of the issuer, the certificate and its Secret.
NAME = 'portieris-issuance-test'

# Its own webhook may need a moment after a start of the host.
_TAKEN_SECONDS = 30
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
        refusal = _ask(cluster, base, version, namespace)
        if refusal:
            return 'Kubernetes does not take the request for one (it says: ' \
                '%s)' % refusal
        if clusters.wait_until(
                lambda: _is_ready(cluster, base), _ISSUED_SECONDS):
            return None
        return ('a certificate it was asked for was not issued within %d '
                'seconds%s' % (_ISSUED_SECONDS, _said(cluster, base)))
    finally:
        _clean(cluster, base, namespace)


def _ask(cluster, base, version, namespace):
    """Ask for a certificate; return why that is refused to the end."""
    refusals = []

    def is_taken():
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
        except Exception as error:
            # An API server that gives no answer is no fault of cert-manager.
            if not getattr(error, 'status', None):
                raise
            refusals.append(_message(error))
            return False
        return True
    taken = clusters.wait_until(is_taken, _TAKEN_SECONDS)
    return None if taken else refusals[-1]


def _message(error):
    """Return what Kubernetes says in an answer that is a refusal."""
    try:
        return json.loads(error.body)['message']
    except (AttributeError, KeyError, TypeError, ValueError):
        return str(error)


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
