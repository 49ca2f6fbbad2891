# SPDX-License-Identifier: Apache-2.0
"""Whether the hosts have room for the servers."""

import unittest

from k8sapp_portieris.common import placement

HOST = 'kubernetes.io/hostname'


def node(name, **labels):
    return {'metadata': {'name': name, 'labels': dict(labels, **{
        HOST: name})}}


NODES = [node('controller-0', role='control', zone='a'),
         node('controller-1', role='control', zone='a'),
         node('compute-0', zone='b')]


def about(values, replicas=2, nodes=tuple(NODES)):
    return placement.about(values, replicas, nodes)


def apart(key=HOST, kind=placement.REQUIRED, **selector):
    return {'affinity': {'podAntiAffinity': {kind: [{
        'topologyKey': key, 'labelSelector': selector or {
            'matchLabels': {'app': 'portieris'}}}]}}}


class Hosts(unittest.TestCase):

    def test_more_servers_than_hosts_are_no_harm_by_themselves(self):
        self.assertEqual([], about({}, replicas=9))

    def test_a_selector_that_some_host_matches_passes(self):
        self.assertEqual([], about({'nodeSelector': {'role': 'control'}}))

    def test_a_selector_that_no_host_matches_is_told(self):
        sentence, = about({'nodeSelector': {'role': 'storage', 'b': 'c'}})
        self.assertIn('(b=c, role=storage)', sentence)
        self.assertIn('kubectl get nodes --show-labels', sentence)

    def test_a_cluster_that_shows_no_hosts_refutes_nothing(self):
        self.assertEqual([], about(
            dict(apart(), nodeSelector={'role': 'storage'}), nodes=()))


class Apart(unittest.TestCase):

    def test_room_for_the_servers_and_the_one_more_is_enough(self):
        self.assertEqual([], about(apart(), replicas=2))

    def test_without_room_for_one_more_no_update_would_end(self):
        self.assertEqual(
            ['affinity keeps any two servers apart by kubernetes.io/hostname. '
             'For 3, and one more while they are replaced, there have to be '
             '4 of them, and there is room for 3. Put that rule below '
             'preferredDuringSchedulingIgnoredDuringExecution, or set '
             'replicaCount to 2.'], about(apart(), replicas=3))

    def test_where_no_number_would_do_none_is_named(self):
        sentence, = about(apart(), replicas=1, nodes=NODES[:1])
        self.assertTrue(sentence.endswith('IgnoredDuringExecution.'))

    def test_only_hosts_of_the_selector_count(self):
        self.assertEqual(1, len(about(dict(
            apart(), nodeSelector={'role': 'control'}), replicas=2)))

    def test_zones_count_once(self):
        self.assertEqual(1, len(about(apart('zone'), replicas=2)))

    def test_a_host_without_the_label_takes_any_number(self):
        self.assertEqual([], about(apart('role'), replicas=9))

    def test_a_wish_is_no_demand(self):
        self.assertEqual([], about(apart(kind=placement.PREFERRED),
                                   replicas=9))

    def test_rules_about_other_pods_are_not_judged(self):
        for selector in (
                {'matchLabels': {'app': 'other'}},
                {'matchLabels': {'app': 'portieris', 'release': 'other'}},
                {'matchExpressions': [{'key': 'app',
                                       'operator': 'Exists'}]}):
            self.assertEqual([], about(apart(**selector), replicas=9))

    def test_what_the_chart_will_refuse_is_left_to_it(self):
        for affinity in ('x', [], {'podAntiAffinity': []},
                         {'podAntiAffinity': {placement.REQUIRED: 'x'}},
                         {'podAntiAffinity': {placement.REQUIRED: ['x', {}]}}):
            self.assertEqual([], about({'affinity': affinity,
                                        'nodeSelector': 'x'}))
