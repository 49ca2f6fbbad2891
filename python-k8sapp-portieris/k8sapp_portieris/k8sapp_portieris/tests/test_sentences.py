# SPDX-License-Identifier: Apache-2.0
"""What the operator is told about user overrides."""

import base64
import unittest

import yaml

from k8sapp_portieris.common import sentences

CERTIFICATE = '''\
-----BEGIN CERTIFICATE-----
MIIBfDCCASGgAwIBAgIUPPwOo0m2BY6fYhe5PTeOPiV4nHwwCgYIKoZIzj0EAwIw
EjEQMA4GA1UEAwwHVGVzdCBDQTAgFw0yNjExMjQwODU3MTlaGA8yMTI2MTAzMTA4
NTcxOVowEjEQMA4GA1UEAwwHVGVzdCBDQTBZMBMGByqGSM49AgEGCCqGSM49AwEH
A0IABNDnBRJ8AgFIR5EuaYQ3lSZkhHxsN6EmtC1m+2UGNotsKU/oOgRct2bgIfNZ
bmAcOEOqtxcz6Qhgm5KmcP4h4ZKjUzBRMB0GA1UdDgQWBBQtRji8RiKsxTJfUW+o
aggUSGoyzDAfBgNVHSMEGDAWgBQtRji8RiKsxTJfUW+oaggUSGoyzDAPBgNVHRMB
Af8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQCkO/sXMAgWCfNoO2mOp7vs5VrH
XVG5fhfTs0ahrDYKLwIhALpXLd9A2aQxIYF/SI3/UgYRSbD/fVQaqlnhFjGSh1vQ
-----END CERTIFICATE-----
'''


def about(**values):
    return sentences.about(yaml.safe_dump(values))


class Keys(unittest.TestCase):

    def test_an_unknown_key_gets_the_nearest_known_one(self):
        for wrong, right in (('trustServer', 'trustServers'),
                             ('trustservers', 'trustServers'),
                             ('trustedCa', 'trustedCA'),
                             ('replicas', 'replicaCount'),
                             ('webhooks', 'webHooks')):
            self.assertEqual(
                ['The key "%s" is unknown; the nearest known key is "%s".' % (
                    wrong, right)],
                about(**{wrong: 1}))

    def test_a_key_like_no_other_gets_the_list(self):
        sentence, = about(xyz=1)
        self.assertIn('known here are', sentence)
        self.assertIn('defaultPolicy', sentence)

    def test_an_unknown_key_further_down_is_named_with_its_path(self):
        self.assertEqual(
            ['The key "webHooks.failPolicy" is unknown; the nearest known '
             'key is "failurePolicy".'],
            about(webHooks={'failPolicy': 'Fail'}))
        sentence, = about(trustServers=[
            {'registry': 'r:9001', 'url': 'https://n', 'signers': []}])
        self.assertIn('"trustServers[0].signers" is unknown', sentence)
        self.assertIn('"signerSecrets"', sentence)

    def test_keys_below_an_open_value_are_free(self):
        self.assertEqual([], about(nodeSelector={'a.b/c': 'd'},
                                   resources={'limits': {'cpu': 1}}))

    def test_keys_that_are_no_text_are_refused_as_well(self):
        self.assertEqual(1, len(sentences.about('1: 2\n')))

    def test_the_keys_of_older_applications_are_known(self):
        self.assertEqual([], about(**{
            'webHooks': {'failurePolicy': 'Ignore'}, 'TrustedCACert': '',
            'caCert': '', 'PostUpgradePolicy': 'Fail',
            'ReapplyAdmissionWebhook': True, 'namespace': 'portieris',
            'app.starlingx.io/component': 'application',
            'images': {'tags': {'portieris': 'registry.local:9001/a/b:c'}}}))

    def test_a_value_to_choose_has_to_be_one_of_them(self):
        self.assertEqual(
            ['defaultPolicy is "block", but can only be "allow" or "deny" '
             'or "none".'],
            about(defaultPolicy='block'))
        self.assertEqual([], about(defaultPolicy='deny'))


class TrustServers(unittest.TestCase):

    def problems(self, **server):
        return about(trustServers=[dict(
            {'registry': 'r:9001', 'url': 'https://n:4443'}, **server)])

    def test_a_trailing_slash_is_accepted(self):
        self.assertEqual([], self.problems(url='https://n:4443/'))

    def test_a_url_without_scheme_gets_the_one_to_type(self):
        self.assertEqual(
            ['trustServers[0].url is "n:4443", but has to begin with '
             'https://, as https://n:4443 does.'],
            self.problems(url='n:4443'))

    def test_plain_http_is_refused(self):
        sentence, = self.problems(url='http://n:4443')
        self.assertIn('has to begin with https://', sentence)

    def test_a_registry_with_scheme_gets_the_one_to_type(self):
        sentence, = self.problems(registry='https://r:9001/')
        self.assertIn('without scheme', sentence)
        self.assertTrue(sentence.endswith('names of images: r:9001.'))

    def test_each_missing_part_is_named(self):
        self.assertEqual(['trustServers[0] has no registry.',
                          'trustServers[0] has no url.'],
                         about(trustServers=[{}]))

    def test_one_that_is_no_list_gets_the_options_to_type(self):
        sentence, = about(trustServers='https://n:4443')
        self.assertIn('--set trustServers[0].url=', sentence)

    def test_an_entry_that_is_text_is_named(self):
        sentence, = about(trustServers=['https://n:4443'])
        self.assertIn('trustServers[0] has no registry and url', sentence)


class Certificates(unittest.TestCase):

    def encoded(self, text):
        return base64.b64encode(text.encode('ascii')).decode('ascii')

    def test_pem_and_base64_of_pem_pass_under_every_name(self):
        for key in ('trustedCA', 'TrustedCACert', 'caCert'):
            for bundle in (CERTIFICATE, CERTIFICATE * 2,
                           '# internal CA\n' + CERTIFICATE,
                           self.encoded(CERTIFICATE), '', None):
                self.assertEqual([], about(**{key: bundle}))

    def test_what_is_no_pem_is_named(self):
        for bundle in ('/etc/ssl/ca.pem', self.encoded('hello'), '%%%', 17,
                       CERTIFICATE.replace('CERTIFICATE', 'PUBLIC KEY')):
            sentence, = about(trustedCA=bundle)
            self.assertTrue(sentence.startswith('trustedCA is no '), sentence)
            self.assertIn('--values', sentence)

    def test_a_damaged_certificate_is_named(self):
        for broken in (CERTIFICATE.replace('MII', 'MIX', 1),
                       CERTIFICATE + CERTIFICATE.replace('MII', 'MIX', 1),
                       CERTIFICATE.replace('MII', '%%%', 1)):
            sentence, = about(caCert=broken)
            self.assertIn('caCert holds a certificate that cannot be read',
                          sentence)

    def test_a_certificate_cut_short_is_named(self):
        for broken in (CERTIFICATE[:200], CERTIFICATE + CERTIFICATE[:200]):
            sentence, = about(caCert=broken)
            self.assertIn('caCert holds a certificate that is cut short',
                          sentence)

    def test_comments_may_be_in_any_language(self):
        self.assertEqual([], about(
            trustedCA=u'# F\u0151tan\u00fas\u00edtv\u00e1ny\n' + CERTIFICATE))

    def test_a_private_key_is_refused(self):
        sentence, = about(
            trustedCA=CERTIFICATE + '-----BEGIN PRIVATE KEY-----\n')
        self.assertIn('private key', sentence)


class Text(unittest.TestCase):

    def test_no_overrides_are_no_problem(self):
        for text in (None, '', '\n', '{}', 'null'):
            self.assertEqual([], sentences.about(text))

    def test_broken_yaml_is_named_with_its_line(self):
        self.assertEqual(['They are no YAML from line 2 on.'],
                         sentences.about('a: 1\nb: ]\n'))

    def test_a_date_that_does_not_exist_is_told(self):
        sentence, = sentences.about('trustFreshness: 2026-02-30\n')
        self.assertIn('put it in quotes', sentence)

    def test_yaml_that_is_no_mapping_is_named(self):
        self.assertEqual(['They are a list, not keys with values.'],
                         sentences.about('- trustServers\n'))
        self.assertEqual(['They are a single value, not keys with values.'],
                         sentences.about('trustServers\n'))

    def test_sentences_about_foreign_letters_are_ascii(self):
        found = about(**{
            'defaultPolicy': u'l\u00f6schen', 'trustServers': [
                {'registry': u'https://h\u00e4fen', 'url': u'h\u00e4fen'}]})
        found += sentences.about(u'l\u00f6schen: 1\n')
        self.assertEqual(4, len(found))
        for sentence in found:
            self.assertEqual(str, type(sentence))
            sentence.encode('ascii')

    def test_all_problems_are_told_at_once(self):
        self.assertEqual(3, len(about(
            xyz=1, trustServers=[{'registry': 'r', 'url': 'n'}],
            trustedCA='x')))
