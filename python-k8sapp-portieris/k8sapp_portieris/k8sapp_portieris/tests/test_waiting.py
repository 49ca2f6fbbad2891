# SPDX-License-Identifier: Apache-2.0
"""Waiting ends, with what was found or without."""

import unittest

from k8sapp_portieris.lifecycle import cluster


class Waiting(unittest.TestCase):

    def test_what_the_condition_finds_is_returned(self):
        answers = [None, False, 'there']
        self.assertEqual('there', cluster.wait_until(
            lambda: answers.pop(0), 60, pause=0))
        self.assertEqual([], answers)

    def test_it_asks_once_even_without_time(self):
        self.assertEqual(1, cluster.wait_until(lambda: 1, 0))

    def test_it_ends_when_the_time_is_over(self):
        self.assertIsNone(cluster.wait_until(lambda: None, 0.01, pause=0))
