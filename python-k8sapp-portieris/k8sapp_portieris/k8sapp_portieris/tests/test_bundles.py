# SPDX-License-Identifier: Apache-2.0
"""Authorities in a bundle without those above them."""

import base64
import unittest

import yaml

from k8sapp_portieris.common import bundles
from k8sapp_portieris.common import sentences

# From 2020 to 2120: a root, an authority that it issued, and one that may
# sign lists of revoked certificates alone.
ROOT = '''\
-----BEGIN CERTIFICATE-----
MIIBPzCB5aADAgECAhRZh2xnmZzCosDPduhRfWgE6r1FSTAKBggqhkjOPQQDAjAU
MRIwEAYDVQQDDAlUZXN0IFJvb3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEw
MDAwMDBaMBQxEjAQBgNVBAMMCVRlc3QgUm9vdDBZMBMGByqGSM49AgEGCCqGSM49
AwEHA0IABDUkYEzsA7FgDte13kzhgZnuRAxktCR/t82UBOnGeEpECqBEjde0VybE
Wqn3bEFhuymcfPdwWLTALnctYA06m1qjEzARMA8GA1UdEwEB/wQFMAMBAf8wCgYI
KoZIzj0EAwIDSQAwRgIhAN+r3+y72bMD73tcsXszK5jdumT5p+xG19pgytGjdiAq
AiEAkhPyieM+pZtwAagNLUVVrpUaMfG8o8oWD3c8r+lGh9c=
-----END CERTIFICATE-----
'''
ISSUING = '''\
-----BEGIN CERTIFICATE-----
MIIBRDCB66ADAgECAhQR7x/SgY0Nwi2zywyWb+k4BbdfFzAKBggqhkjOPQQDAjAU
MRIwEAYDVQQDDAlUZXN0IFJvb3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEw
MDAwMDBaMBoxGDAWBgNVBAMMD1Rlc3QgSXNzdWluZyBDQTBZMBMGByqGSM49AgEG
CCqGSM49AwEHA0IABC7uHJjtup3O2bg6sdUURP/BPkW/W8OIHrr5KMAOYTQYCfUW
tDLu/Y618qF/bVzDVnne5P7qqJ/4rF3PN3eOuZWjEzARMA8GA1UdEwEB/wQFMAMB
Af8wCgYIKoZIzj0EAwIDSAAwRQIhAImejuP4zQQ0Na6pAd+o5Gblel9kMHrVIcsh
gwLQe+F3AiBPxrRUxM+EAHVuxphzWi8iC0YRAosgmROB29uHe+ZVQA==
-----END CERTIFICATE-----
'''

SIGNS_NO_CERTIFICATE = '''\
-----BEGIN CERTIFICATE-----
MIIBUjCB+aADAgECAhRycPXEj/fx5WSZpEnBmc2VIK1BzDAKBggqhkjOPQQDAjAW
MRQwEgYDVQQDDAtUZXN0IENSTCBDQTAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEw
MTAwMDAwMFowFjEUMBIGA1UEAwwLVGVzdCBDUkwgQ0EwWTATBgcqhkjOPQIBBggq
hkjOPQMBBwNCAARatDG07PpErP1MFlSzUiiRz+U49SnDoItRsbAnl6mN1tPewDvL
792V+E7YTvnmlSr4RGWgIDWhqz4DxnVNd+wNoyMwITAPBgNVHRMBAf8EBTADAQH/
MA4GA1UdDwEB/wQEAwIBAjAKBggqhkjOPQQDAgNIADBFAiBreyPX8q1pfc3jisr1
URhigaWSZV17qx7S5HBt+jSs0wIhAKDK3KIw7XlvtvtZloYIVYGE1Wuwz3s52n0+
ZOJyJGq2
-----END CERTIFICATE-----
'''


class Signing(unittest.TestCase):

    def test_an_authority_that_may_sign_no_certificates_is_told(self):
        # Go would verify nothing by it.
        self.assertIn('number 1, that is no authority',
                      bundles.problem(SIGNS_NO_CERTIFICATE))


class Issuers(unittest.TestCase):

    def test_an_authority_alone_is_usable(self):
        # Go trusts each certificate of the bundle for itself.
        self.assertIsNone(bundles.problem(ISSUING))

    def test_an_issuer_that_is_missing_is_named(self):
        self.assertEqual([('Test Issuing CA', 'Test Root')],
                         bundles.missing_issuers(ISSUING))

    def test_a_chain_up_to_its_root_lacks_none_in_any_order(self):
        for bundle in (ROOT, ISSUING + ROOT, ROOT + ISSUING,
                       base64.b64encode((ISSUING + ROOT).encode('ascii'))
                       .decode('ascii')):
            self.assertEqual([], bundles.missing_issuers(bundle))

    def test_what_is_no_usable_bundle_lacks_none(self):
        for bundle in (None, '', 17, 'x', ISSUING[:200]):
            self.assertEqual([], bundles.missing_issuers(bundle))

    def test_the_remark_says_whom_the_servers_trust(self):
        remark, = sentences.about_issuers(
            yaml.safe_dump({'caCert': ISSUING, 'trustedCA': ROOT}))
        self.assertTrue(remark.startswith(
            'caCert holds the authority "Test Issuing CA" without "Test '
            'Root", which issued it'), remark)
        for text in (None, '', ']', 'caCert: 17'):
            self.assertEqual([], sentences.about_issuers(text))
