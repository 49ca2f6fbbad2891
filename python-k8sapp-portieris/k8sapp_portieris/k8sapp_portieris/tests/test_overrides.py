# SPDX-License-Identifier: Apache-2.0
"""User overrides as text and as values."""

import unittest

import yaml

from k8sapp_portieris.common import overrides


class FailurePolicy(unittest.TestCase):

    def policy(self, text):
        return overrides.failure_policy(overrides.read(text))

    def test_it_is_fail_unless_the_user_says_otherwise(self):
        for text in (None, '', ']', 'webHooks: {}', 'webHooks: 1',
                     'webHooks: {failurePolicy: maybe}'):
            self.assertEqual('Fail', self.policy(text))
        self.assertEqual('Ignore',
                         self.policy('webHooks: {failurePolicy: Ignore}'))

    def test_what_an_older_application_put_aside_counts(self):
        text = 'webHooks: {failurePolicy: Ignore}\nPostUpgradePolicy: Fail\n'
        self.assertEqual('Fail', self.policy(text))
        self.assertEqual('Ignore', self.policy('PostUpgradePolicy: Ignore'))
        self.assertEqual('Fail', self.policy('PostUpgradePolicy: ""'))
        # What it wrote if there was nothing to put aside.
        self.assertEqual('Fail', self.policy(
            "webHooks: {failurePolicy: Ignore}\nPostUpgradePolicy: '~'"))


class Marker(unittest.TestCase):

    def test_the_policy_put_aside_replaces_the_relaxed_one(self):
        text = overrides.without_marker(
            'trustedCA: |\n  a: b\n  # no comment\n'
            'webHooks: {failurePolicy: Ignore, timeoutSeconds: 9}\n'
            'PostUpgradePolicy: Fail\n')
        self.assertEqual(
            {'trustedCA': 'a: b\n# no comment\n',
             'webHooks': {'failurePolicy': 'Fail', 'timeoutSeconds': 9}},
            yaml.safe_load(text))
        self.assertIsNone(overrides.without_marker(text))

    def test_a_marker_alone_becomes_the_policy(self):
        self.assertEqual(
            {'webHooks': {'failurePolicy': 'Ignore'}},
            yaml.safe_load(overrides.without_marker(
                'PostUpgradePolicy: Ignore')))

    def test_a_marker_for_nothing_leaves_nothing(self):
        relaxed = ("PostUpgradePolicy: '~'\n"
                   'webHooks: {failurePolicy: Ignore%s}\n')
        self.assertEqual('', overrides.without_marker(relaxed % ''))
        self.assertEqual(
            {'logLevel': 'debug', 'webHooks': {'timeoutSeconds': 9}},
            yaml.safe_load(overrides.without_marker(
                'logLevel: debug\n' + relaxed % ', timeoutSeconds: 9')))

    def test_what_a_failed_update_left_relaxed_is_not_taken_for_a_wish(self):
        twice = ('webHooks: {failurePolicy: Ignore}\n'
                 'PostUpgradePolicy: Ignore\n')
        self.assertEqual('', overrides.without_marker(twice, 'Fail'))
        for live in ('Ignore', None):
            self.assertEqual(
                {'webHooks': {'failurePolicy': 'Ignore'}},
                yaml.safe_load(overrides.without_marker(twice, live)))

    def test_text_without_a_marker_is_left_alone(self):
        for text in (None, '', ']', 'webHooks: {failurePolicy: Ignore}',
                     'PostUpgradePolicy: ""', 'PostUpgradePolicy: other'):
            self.assertIsNone(overrides.without_marker(text))


class ExemptNamespaces(unittest.TestCase):

    def test_a_list_replaces_the_default(self):
        self.assertEqual(['a', '1'], overrides.exempt_namespaces(
            {'exemptNamespaces': ['a', 1]}, ('b',)))
        for values in ({}, {'exemptNamespaces': 'a'}):
            self.assertEqual(['b'],
                             overrides.exempt_namespaces(values, ('b',)))
