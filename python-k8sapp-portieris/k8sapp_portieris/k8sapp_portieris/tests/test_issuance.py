# SPDX-License-Identifier: Apache-2.0
"""cert-manager is asked for a certificate before it is relied on."""

import time

from k8sapp_portieris.tests import api
from k8sapp_portieris.tests import base
from k8sapp_portieris.tests.base import run

MOMENT = ('manual', 'resource', 'pre', 'apply')
NAME = 'portieris-issuance-test'


@base.on_each_release()
class Issuance(object):

    def setUp(self):
        for name in ('_TAKEN_SECONDS', '_ISSUED_SECONDS'):
            self.change('lifecycle.issuance', name, 0)

    def app_op(self, cluster):
        app_op = base.AppOperator()
        app_op._kube.api = cluster
        return app_op

    def refused(self, cluster):
        exception = base.sysinv('common.exception')
        with self.assertRaises(
                exception.LifecycleSemanticCheckException) as caught:
            run(self.app_op(cluster), *MOMENT)
        return str(caught.exception)

    def left(self, cluster):
        return [path for path in cluster.objects if NAME in path]

    def test_a_certificate_is_issued_and_nothing_is_left_of_it(self):
        for version in ('v1', 'v1alpha2'):
            cluster = api.platform(version=version)
            for _ in range(2):
                run(self.app_op(cluster), *MOMENT)
                self.assertEqual([], self.left(cluster))
            self.assertIn(
                ('POST', '/apis/cert-manager.io/%s/namespaces/portieris/'
                         'certificates' % version), cluster.changes)

    def test_no_certificate_in_time_stops_the_apply(self):
        cluster = api.platform(issues=False)
        sentence = self.refused(cluster)
        self.assertIn('was not issued within', sentence)
        self.assertIn('kubectl get pods -n cert-manager', sentence)
        self.assertEqual([], self.left(cluster))

    def test_what_cert_manager_says_is_passed_on(self):
        cluster = api.platform(issues=False)

        def say(method, path):
            if path.endswith('/certificates'):
                for each in cluster.items(path):
                    each['status'] = {'conditions': [{
                        'type': 'Ready', 'status': 'False',
                        'message': 'Issuer is not ready'}]}
        cluster.watch = say
        self.assertIn('(it says: Issuer is not ready)',
                      self.refused(cluster))

    def refusing(self, times, **answer):
        """Return a cluster whose cert-manager has no webhook for a while."""
        cluster = api.platform()
        create = cluster._post
        asked = []

        def refuse(path, body, content):
            asked.append(path)
            if len(asked) > times:
                return create(path, body, content)
            error = api.Refused(500, 'Internal Server Error')
            for name, value in answer.items():
                setattr(error, name, value)
            raise error
        cluster._post = refuse
        return cluster

    def test_a_webhook_of_cert_manager_that_is_down_stops_the_apply(self):
        said = 'failed calling webhook "webhook.cert-manager.io"'
        for body in ('{"message": "%s"}' % said.replace('"', r'\"'),
                     None, 'no JSON', '[]'):
            sentence = self.refused(self.refusing(9, body=body))
            self.assertIn(said if body and body[0] == '{'
                          else '500 Internal Server Error', sentence)

    def test_one_that_comes_up_in_time_stops_nothing(self):
        self.change('lifecycle.issuance', '_TAKEN_SECONDS', 60)
        self.change('lifecycle.cluster', 'time', base.Row(
            time=time.time, sleep=lambda seconds: None))
        cluster = self.refusing(3)
        run(self.app_op(cluster), *MOMENT)
        self.assertEqual([], self.left(cluster))

    def test_a_cluster_without_cert_manager_stops_the_apply(self):
        cluster = api.platform()
        del cluster.objects[api.CERT_MANAGER]
        self.assertIn('does not know its kinds', self.refused(cluster))

    def test_what_a_run_that_died_left_is_no_answer(self):
        cluster = api.platform(issues=False)
        base_path = '/apis/cert-manager.io/v1/namespaces/portieris/'
        cluster.add(base_path + 'certificates/' + NAME, status={
            'conditions': [{'type': 'Ready', 'status': 'True'}]})
        cluster.add(base_path + 'issuers/' + NAME)
        self.assertIn('was not issued', self.refused(cluster))
        self.assertEqual([], self.left(cluster))
