# SPDX-License-Identifier: Apache-2.0
"""Bundles of CA certificates, as an operator gives them.

Each certificate of a bundle is trusted for itself: that the one which issued
it is missing or out of date does no harm to what is below it.
"""

import base64
import re
import ssl
import time

CERTIFICATE_BEGIN = u'-----BEGIN CERTIFICATE-----'
CERTIFICATE = re.compile(
    CERTIFICATE_BEGIN + u'[^-]*-----END CERTIFICATE-----')
PRIVATE_KEY = u'PRIVATE KEY-----'

TEXT_TYPES = (str, type(u''))

_HOW = ('give the text of certificates in PEM, plain or in base64, in a file '
        'for --values')


def problem(bundle):
    """Return why a bundle cannot be used, None if it can or is empty."""
    if bundle is None or bundle == '':
        return None
    if not isinstance(bundle, TEXT_TYPES):
        return 'is no text; ' + _HOW
    pem = _pem(bundle)
    if pem is None or CERTIFICATE_BEGIN not in pem:
        return 'is no PEM certificate; ' + _HOW
    if PRIVATE_KEY in pem:
        return ('holds a private key, which has no business there; '
                'give the certificates alone, and replace that key')
    if len(CERTIFICATE.findall(pem)) != pem.count(CERTIFICATE_BEGIN):
        return 'holds a certificate that is cut short; ' + _HOW
    try:
        found = _authorities(pem)
    except (ssl.SSLError, ValueError):
        return 'holds a certificate that cannot be read; ' + _HOW
    return _authority_problem(found, time.time())


def missing_issuers(bundle):
    """Return (authority, its issuer) for issuers that a bundle lacks."""
    if not bundle or problem(bundle):
        return []
    found = _authorities(_pem(bundle))
    subjects = [each['subject'] for each in found]
    return [(_name(each['subject']), _name(each['issuer'])) for each in found
            if each['issuer'] not in subjects]


def _pem(bundle):
    return bundle if '-----' in bundle else _from_base64(bundle)


def _from_base64(text):
    try:
        return base64.b64decode(
            ''.join(text.split()).encode('ascii')).decode('utf-8')
    except (TypeError, ValueError):
        return None


def _authorities(pem):
    # Comments between the certificates may be in any language.
    return [_authority(each) for each in CERTIFICATE.findall(pem)]


def _authority(pem):
    """Return what OpenSSL says of a certificate, None if it is no CA's."""
    # On Python 2 a str would be taken for DER.
    context = ssl.create_default_context(cadata=u'%s' % pem)
    authorities = context.get_ca_certs()
    return authorities[0] if authorities else None


def _authority_problem(authorities, now):
    """Say why the bundle verifies nothing, or never will.

    A certificate out of date among others in date does no harm: bundles of
    public authorities have some.
    """
    for place, authority in enumerate(authorities, 1):
        if authority is None:
            return ('holds a certificate, number %d, that is no authority\'s '
                    '(it has no CA flag, or may not sign certificates); give '
                    'the certificate of the CA that signed it' % place)
    dates = [(ssl.cert_time_to_seconds(each['notBefore']),
              ssl.cert_time_to_seconds(each['notAfter']), each)
             for each in authorities]
    if any(begin <= now <= end for begin, end, _ in dates):
        return None
    _, end, newest = max(dates, key=lambda each: each[1])
    return 'holds no certificate in date: %s; give the one in use today' % (
        'the newest ended on ' + newest['notAfter'] if end < now
        else 'the newest begins on ' + newest['notBefore'])


def _name(distinguished):
    """Return the last part of a name, which tells authorities apart."""
    parts = [value for part in distinguished for _, value in part]
    return parts[-1] if parts else ''
