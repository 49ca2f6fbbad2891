# SPDX-License-Identifier: Apache-2.0
"""The helm plugin on the sysinv of every release."""

import yaml

from k8sapp_portieris.tests import base

PROXY = ('docker', 'proxy')


class Operator(object):
    """HelmOperator, of which a chart plugin sees these two."""

    def __init__(self, dbapi):
        self.dbapi = dbapi
        self.context = {}


class Manifests(object):
    """An armada or kustomize operator that records what is left out."""

    APP = 'portieris'
    CHART_GROUPS_LUT = {'portieris': 'group'}
    CHARTS_LUT = {'portieris': 'chart'}

    def __init__(self):
        self.left_out = []

    def helm_release_resource_delete(self, helmrelease_name):
        self.left_out.append(helmrelease_name)

    def chart_group_chart_delete(self, chart_group, chart):
        self.left_out.append((chart_group, chart))


def helm(**data):
    return base.plugin('helm.portieris').PortierisHelm(
        Operator(base.Db(**data)))


@base.on_each_release()
class Overrides(object):

    def test_replicas_are_the_provisioned_controllers(self):
        for count in (1, 2, 3):
            values = helm(hosts=[base.controller()] * count).get_overrides(
                'portieris')
            self.assertEqual(count, values['replicaCount'])

    def test_one_replica_before_any_controller_is_provisioned(self):
        self.assertEqual(
            1, helm().get_overrides('portieris')['replicaCount'])

    def test_controllers_that_are_down_and_workers_do_not_count(self):
        hosts = [base.controller(), base.controller(availability='offline'),
                 base.controller(administrative='locked'),
                 base.controller(personality='worker')]
        self.assertEqual(
            1, helm(hosts=hosts).get_overrides('portieris')['replicaCount'])

    def test_a_degraded_controller_counts(self):
        hosts = [base.controller(),
                 base.controller(availability='degraded')]
        self.assertEqual(
            2, helm(hosts=hosts).get_overrides('portieris')['replicaCount'])

    def test_proxies_of_the_docker_service_parameters_are_passed_on(self):
        values = helm(parameters={
            PROXY + ('http_proxy',): 'http://proxy:3128',
            PROXY + ('https_proxy',): 'http://proxy:3129',
            PROXY + ('no_proxy',): 'localhost,registry.local',
        }).get_overrides('portieris')
        self.assertEqual({'http': 'http://proxy:3128',
                          'https': 'http://proxy:3129',
                          'noProxy': 'localhost,registry.local'},
                         values['proxy'])

    def no_proxy(self, text):
        return helm(parameters={
            PROXY + ('http_proxy',): 'http://proxy:3128',
            PROXY + ('no_proxy',): text,
        }).get_overrides('portieris')['proxy']['noProxy']

    def test_the_platforms_registry_is_never_asked_through_a_proxy(self):
        self.assertEqual('registry.local', self.no_proxy(''))
        self.assertEqual('localhost,registry.local',
                         self.no_proxy(' localhost,, '))
        self.assertEqual('registry.local,a.b',
                         self.no_proxy('registry.local,a.b'))

    def test_ipv6_addresses_lose_the_brackets_that_go_does_not_know(self):
        self.assertEqual(
            'fd00::1,fd01::/64,[fd00::2]:443,registry.local',
            self.no_proxy('[fd00::1],[fd01::/64],[fd00::2]:443'))

    def test_probes_are_patient_where_platform_and_work_share_cores(self):
        self.assertEqual(
            {'timeoutSeconds': 10, 'failureThreshold': 6},
            helm(system_type='All-in-one').get_overrides(
                'portieris')['probes'])
        self.assertNotIn('probes', helm().get_overrides('portieris'))

    def test_less_is_kept_free_where_platform_and_work_share_cores(self):
        self.assertEqual(
            {'requests': {'cpu': '20m', 'memory': '48Mi'}},
            helm(system_type='All-in-one').get_overrides(
                'portieris')['resources'])
        self.assertNotIn('resources', helm().get_overrides('portieris'))

    def test_the_ca_of_the_old_chart_is_carried_under_the_weakest_name(self):
        self.assertEqual('PEM', helm(
            old_overrides='caCert: PEM\n',
            user_overrides='trustedCA: other\n').get_overrides(
                'portieris')['caCert'])

    def test_old_overrides_that_hold_no_ca_change_nothing(self):
        for text in (None, '', ']', 'caCert: ""', 'caCert: [1]', '- a',
                     'a: 2026-02-30', 'caCert:'):
            self.assertEqual({'replicaCount': 1}, helm(
                old_overrides=text).get_overrides('portieris'))

    def test_no_proxy_value_without_a_proxy(self):
        values = helm(parameters={
            PROXY + ('no_proxy',): 'localhost'}).get_overrides('portieris')
        self.assertNotIn('proxy', values)

    def test_all_namespaces_are_just_the_own_one(self):
        # Later releases write nonsense when there are more or none.
        self.assertEqual(['portieris'], list(helm().get_overrides()))
        self.assertEqual(
            ['portieris'], helm().get_namespaces_by_app('portieris'))

    def test_a_foreign_namespace_is_refused_by_name(self):
        exception = base.sysinv('common.exception')
        with self.assertRaises(exception.InvalidHelmNamespace) as caught:
            helm().get_overrides('openstack')
        self.assertIn('openstack', str(caught.exception))

    def test_the_values_survive_safe_yaml_and_hold_no_image(self):
        overrides = helm(parameters={
            PROXY + ('http_proxy',): u'http://proxy:3128'}).get_overrides()
        text = yaml.safe_dump(overrides)
        self.assertEqual(overrides, yaml.safe_load(text))
        self.assertNotIn('image', text)

    def test_asking_twice_gives_the_same(self):
        operator = helm(hosts=[base.controller()] * 2)
        self.assertEqual(operator.get_overrides(), operator.get_overrides())


@base.on_each_release()
class OldChart(object):

    def old(self):
        return base.plugin('helm.portieris_certs').PortierisCertsHelm(
            Operator(base.Db()))

    def test_it_has_a_row_in_the_namespace_and_no_values(self):
        self.assertEqual({'portieris': {}}, self.old().get_overrides())
        self.assertEqual({}, self.old().get_overrides('portieris'))
        self.assertEqual(
            ['portieris'], self.old().get_namespaces_by_app('portieris'))

    def test_it_changes_no_manifest(self):
        operator = Manifests()
        for name in ('execute_manifest_updates', 'execute_kustomize_updates'):
            if hasattr(self.old(), name):
                getattr(self.old(), name)(operator)
        self.assertEqual([], operator.left_out)

    def test_a_foreign_namespace_is_refused_by_name(self):
        exception = base.sysinv('common.exception')
        with self.assertRaises(exception.InvalidHelmNamespace) as caught:
            self.old().get_overrides('openstack')
        self.assertIn('openstack', str(caught.exception))


@base.on_each_release(since='stx.7.0')
class DisabledInFluxCD(object):

    def left_out(self, **data):
        operator = Manifests()
        helm(**data).execute_kustomize_updates(operator)
        return operator.left_out

    def test_a_disabled_chart_is_left_out(self):
        self.assertEqual(['portieris'],
                         self.left_out(system_overrides={'enabled': False}))

    def test_an_enabled_chart_stays(self):
        self.assertEqual([],
                         self.left_out(system_overrides={'enabled': True}))


@base.on_each_release(until='stx.8.0')
class DisabledInArmada(object):

    def left_out(self, **data):
        operator = Manifests()
        helm(**data).execute_manifest_updates(operator)
        return operator.left_out

    def test_a_disabled_chart_is_left_out(self):
        self.assertEqual([('group', 'chart')],
                         self.left_out(system_overrides={'enabled': False}))

    def test_an_enabled_chart_stays(self):
        self.assertEqual([],
                         self.left_out(system_overrides={'enabled': True}))
