# SPDX-License-Identifier: Apache-2.0
"""What the operator is told about user overrides."""

import base64
import unittest

import yaml

from k8sapp_portieris.common import sentences

# From 2020 to 2120; of 2010; from 2110 on; and not of a CA.
CERTIFICATE = '''\
-----BEGIN CERTIFICATE-----
MIIBOTCB4aADAgECAhRXo9NzUWmB+c3BMTPBnJsrZIeOCzAKBggqhkjOPQQDAjAS
MRAwDgYDVQQDDAdUZXN0IENBMCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAxMDAw
MDAwWjASMRAwDgYDVQQDDAdUZXN0IENBMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcD
QgAEo83HCTiMPLRRVEEIp5nKx053hV8Ly3HxcO8zfP4L5wqH85DISjdv8AbsyLCD
fTHsPcLiDF5tr+p+LIl6tt7aKaMTMBEwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjO
PQQDAgNHADBEAiBiku2aDGT9QSjmxPcf7GItM2RbxfBQD+sow528GZr3IwIgcIOs
tHOuUjLjpl1EGZ+q02Hn47HAC0HQvRxu4gzr7P4=
-----END CERTIFICATE-----
'''
EXPIRED = '''\
-----BEGIN CERTIFICATE-----
MIIBNjCB3aADAgECAhQR35PE0i76/n+oaLDB+OtSDUT3RDAKBggqhkjOPQQDAjAR
MQ8wDQYDVQQDDAZPbGQgQ0EwHhcNMTAwMTAxMDAwMDAwWhcNMTEwMTAxMDAwMDAw
WjARMQ8wDQYDVQQDDAZPbGQgQ0EwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAS5
RU24emaNgxDqhHMhfJn1WMnyg+15q00sVN30C8XkFkNO7PmxlCVFd3Oh1nNSAkk/
tzxiZDLX1qvxK2TPKYaHoxMwETAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMC
A0gAMEUCIQDFhwwXKaHyt0VpJkXMiX5vKPTHE/etoDGAQwz5OzrNhwIgK85PuzZg
DrclFEAUBVEE1ALqRz5nG2j1lWwer0pHxvE=
-----END CERTIFICATE-----
'''
FUTURE = '''\
-----BEGIN CERTIFICATE-----
MIIBOzCB46ADAgECAhRcIid0Rv01683z5ABB2DxOZV45EjAKBggqhkjOPQQDAjAS
MRAwDgYDVQQDDAdOZXh0IENBMCIYDzIxMTAwMTAxMDAwMDAwWhgPMjEyMDAxMDEw
MDAwMDBaMBIxEDAOBgNVBAMMB05leHQgQ0EwWTATBgcqhkjOPQIBBggqhkjOPQMB
BwNCAASuNXFBenAEscn5XH/bxELAIj+b+PkJbL+GNsPiqcxH8cPCuGk7Rj+FgP05
v0G6ri77J5A2vT8KY/u5sPSl1FUuoxMwETAPBgNVHRMBAf8EBTADAQH/MAoGCCqG
SM49BAMCA0cAMEQCIDfbdwCo1LEVJ8oluP6cgADRDn9lkYZtZNaSnUYttS4XAiAC
kCf1525OZtj1ZS0mSvvyhSP/E07X39NZvAOSFibLRA==
-----END CERTIFICATE-----
'''
SERVER = '''\
-----BEGIN CERTIFICATE-----
MIIBTjCB9KADAgECAhQIahUjGKuR1D2e2rSla8k32hrZgjAKBggqhkjOPQQDAjAd
MRswGQYDVQQDDBJoYXJib3IuZXhhbXBsZS5jb20wIBcNMjAwMTAxMDAwMDAwWhgP
MjEyMDAxMDEwMDAwMDBaMB0xGzAZBgNVBAMMEmhhcmJvci5leGFtcGxlLmNvbTBZ
MBMGByqGSM49AgEGCCqGSM49AwEHA0IABOATZ48pMX0ewKzYEeOkG25bTmTT5h4t
uBYtiTLhR3N8/zmpz4ciimEGFY7tTUx4x4ZGyt0hQGORzvAmyY3k8gWjEDAOMAwG
A1UdEwEB/wQCMAAwCgYIKoZIzj0EAwIDSQAwRgIhAKXRaXL5I7YnmQDh79dQpMM/
3t99CJx5MjTPfn9o1BS3AiEAx7ZmSufmNx1ysJpbKNhboz6fpR0MiGZzWy4G7TV/
8ZM=
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

    def test_a_key_that_needs_a_value_may_not_be_empty(self):
        # Helm would drop the default, of exempt namespaces for example.
        for key in sentences.NEED_A_VALUE:
            self.assertEqual(
                ['%s is given without a value: leave the key out, or give '
                 'it one.' % key], about(**{key: None}))
        self.assertEqual(
            ['proxy is given without a value: leave the key out, or give it '
             'one.',
             'webHooks.failurePolicy is given without a value: leave the key '
             'out, or give it one.'],
            about(webHooks={'failurePolicy': None}, proxy=None))

    def test_a_key_that_may_mean_nothing_may_be_empty(self):
        self.assertEqual([], about(
            tolerations=None, nodeSelector=None, caCert=None,
            affinity={'nodeAffinity': None}, resources={'limits': None},
            PostUpgradePolicy=None))


class TrustServers(unittest.TestCase):

    def problems(self, **server):
        return about(trustServers=[dict(
            {'registry': 'r:9001', 'url': 'https://n:4443'}, **server)])

    def test_a_registry_that_begins_no_image_gets_what_to_write(self):
        # Its entry would match nothing, and the default policy would judge.
        for registry, cure in (
                ('r.io/*', 'meant without a star: r.io.'),
                ('*.r.io', 'a star would take in registries of others'),
                ('r.io/team:v1', 'HOST[:PORT][/PATH]'),
                ('/r.io', 'HOST[:PORT][/PATH]'),
                ('r.io//team', 'HOST[:PORT][/PATH]'),
                ('[::ffff:10.0.0.1]:9001', 'HOST[:PORT][/PATH]'),
                ('r.io/Team', 'HOST[:PORT][/PATH]')):
            sentence, = self.problems(registry=registry)
            self.assertIn('trustServers[0].registry is "%s"' % registry,
                          sentence)
            self.assertIn(cure, sentence)

    def test_a_registry_may_have_port_path_and_address(self):
        for registry in ('localhost', 'Harbor.example.com', '10.0.0.1:5000',
                         '[fd00::1]:9001', 'r.io/team_a/b--c/d.e/'):
            self.assertEqual([], self.problems(registry=registry))

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

    def test_an_ipv6_address_stands_in_brackets(self):
        self.assertEqual([], self.problems(
            registry='[fd00::1]:9001', url='https://[fd00::1]:4443'))
        for wrong in ({'registry': 'fd00::1'}, {'url': 'https://::1:4443/'},
                      {'url': 'https://FD00:0:0::1'}):
            sentence, = self.problems(**wrong)
            self.assertIn('an IPv6 address stands in brackets, as in',
                          sentence)

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

    def test_an_expired_authority_is_named_with_its_end(self):
        sentence, = about(trustedCA=EXPIRED)
        self.assertEqual(
            'trustedCA holds no certificate in date: the newest ended on '
            'Jan  1 00:00:00 2011 GMT; give the one in use today.', sentence)

    def test_an_authority_of_tomorrow_is_named_with_its_begin(self):
        sentence, = about(TrustedCACert=self.encoded(FUTURE + EXPIRED))
        self.assertIn('the newest begins on Jan  1 00:00:00 2110 GMT',
                      sentence)

    def test_an_expired_one_beside_one_in_date_does_no_harm(self):
        self.assertEqual([], about(trustedCA=EXPIRED + CERTIFICATE))

    def test_a_certificate_without_ca_flag_is_named_with_its_place(self):
        sentence, = about(caCert=CERTIFICATE + SERVER)
        self.assertIn('number 2, that is no authority', sentence)
        self.assertIn('give the certificate of the CA', sentence)

    def test_comments_may_be_in_any_language(self):
        self.assertEqual([], about(
            trustedCA=u'# F\u0151tan\u00fas\u00edtv\u00e1ny\n' + CERTIFICATE))

    def test_a_private_key_is_refused(self):
        sentence, = about(
            trustedCA=CERTIFICATE + '-----BEGIN %s-----\n' % 'PRIVATE KEY')
        self.assertIn('private key', sentence)


class OldChart(unittest.TestCase):

    def test_its_ca_is_checked_and_nothing_else(self):
        for text in (None, '', 'caCert: ""\n', 'anything: goes\n'):
            self.assertEqual([], sentences.about_old_chart(text))
        self.assertEqual([], sentences.about_old_chart(
            yaml.safe_dump({'caCert': CERTIFICATE})))
        sentence, = sentences.about_old_chart('caCert: /etc/ca.pem\n')
        self.assertIn('caCert is no PEM certificate', sentence)

    def test_broken_yaml_is_named(self):
        self.assertEqual(['They are no YAML from line 1 on.'],
                         sentences.about_old_chart(']'))


class Namespaces(unittest.TestCase):

    def test_leaving_out_the_platforms_is_told(self):
        sentence, = about(exemptNamespaces=['kube-system', 'web'])
        self.assertIn('leaves out cert-manager, flux-helm', sentence)
        self.assertTrue(sentence.endswith('Add them.'))
        sentence, = about(exemptNamespaces=['kube-system', 'cert-manager'])
        self.assertTrue(sentence.endswith('Add it.'))

    def test_more_than_the_platforms_is_fine(self):
        self.assertEqual([], about(exemptNamespaces=[
            'flux-helm', 'cert-manager', 'kube-system', 'build']))


class Replicas(unittest.TestCase):

    def test_a_number_passes_also_as_text(self):
        for count in (1, 2, '3', 100):
            self.assertEqual([], about(replicaCount=count))

    def test_what_is_no_number_of_servers_is_told(self):
        for count in (0, -1, 101, 'two', True, [2], '0'):
            sentence, = about(replicaCount=count)
            self.assertIn('has to be a number from 1 to 100', sentence)


class Budget(unittest.TestCase):

    def test_one_that_lets_a_server_go_passes(self):
        for budget in ({'maxUnavailable': 1}, {'maxUnavailable': '2'},
                       {'enabled': False}):
            self.assertEqual([], about(podDisruptionBudget=budget))

    def test_one_that_lets_none_go_is_told(self):
        for count in (0, '0', '0%', -1):
            sentence, = about(podDisruptionBudget={'maxUnavailable': count})
            self.assertIn('the drain of a host would never end', sentence)

    def test_a_number_that_has_to_stay_is_unknown(self):
        # With as many as there are replicas it would stop every drain.
        sentence, = about(replicaCount=1,
                          podDisruptionBudget={'minAvailable': 1})
        self.assertIn('"podDisruptionBudget.minAvailable" is unknown',
                      sentence)


class Kubernetes(unittest.TestCase):

    def test_the_minimum_and_anything_newer_passes(self):
        for version in ('v1.18.1', 'v1.18.10', 'v1.36.0', '1.19.13+vendor',
                        'v1.21.8-rc.1', 'v2.0'):
            self.assertEqual([], sentences.about_kubernetes(version))

    def test_anything_older_is_told(self):
        for version in ('v1.18.0', 'v1.9.11', 'v0.19'):
            sentence, = sentences.about_kubernetes(version)
            self.assertIn('runs %s.' % version, sentence)


class DefaultPolicy(unittest.TestCase):

    def told(self, names=(), **values):
        return sentences.about_default(values, names)

    def test_denying_without_an_entry_for_the_platform_is_told(self):
        for default in ('deny', 'none'):
            sentence, = self.told(
                names=['harbor.example.com/*', None],
                defaultPolicy=default, trustServers=[
                    {'registry': 'harbor.example.com', 'url': 'https://h'}])
            self.assertIn('"registry.local:9001/*"', sentence)
            self.assertIn('defaultPolicy "%s"' % default, sentence)

    def test_an_entry_for_the_platform_is_enough(self):
        for name in ('registry.local:9001/*', '*', '*/team/*'):
            self.assertEqual([], self.told([name], defaultPolicy='deny'))
        self.assertEqual([], self.told(defaultPolicy='none', trustServers=[
            {'registry': 'registry.local:9001', 'url': 'https://n'}]))

    def test_allowing_needs_nothing(self):
        for default in ('allow', None):
            self.assertEqual([], self.told(defaultPolicy=default))


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
