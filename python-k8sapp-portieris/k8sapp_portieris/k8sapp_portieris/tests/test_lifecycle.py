# SPDX-License-Identifier: Apache-2.0
"""The lifecycle plugin on the sysinv of every release."""

import yaml

from k8sapp_portieris.tests import api
from k8sapp_portieris.tests import base
from k8sapp_portieris.tests.base import run
from k8sapp_portieris.tests.test_bundles import ISSUING

BAD = 'trustServer: []\n'
APART = '''\
affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [
  {topologyKey: kubernetes.io/hostname,
   labelSelector: {matchLabels: {app: portieris}}}]}}
'''
# Each way to apply comes to one of these before anything is changed; an
# update up to 5.0 to the last alone.
WAYS = (('manual', 'check', 'pre', 'apply'),
        ('auto', 'check', 'pre', 'apply'),
        ('manual', 'check', 'pre', 'update'),
        ('auto', 'check', 'pre', 'update'),
        ('manual', 'resource', 'pre', 'apply'))
GOOD = ('trustServers:\n- registry: harbor.example.com\n'
        '  url: https://harbor.example.com:4443/\n')


@base.on_each_release()
class Checks(object):

    def refused(self, moment, app_op=None, **data):
        exception = base.sysinv('common.exception')
        app_op = app_op or base.AppOperator(base.Db(**data))
        with self.assertRaises(
                exception.LifecycleSemanticCheckException) as caught:
            run(app_op, *moment)
        self.assertEqual([], app_op._kube.api.changes)
        return str(caught.exception)

    def test_bad_overrides_stop_each_way_to_apply(self):
        for moment in WAYS:
            sentence = self.refused(moment, user_overrides=BAD)
            self.assertIn('"trustServers"', sentence)
            self.assertIn('system helm-override-update portieris portieris '
                          'portieris', sentence)

    def test_bad_overrides_of_the_old_chart_stop_it_and_are_named(self):
        sentence = self.refused(('manual', 'check', 'pre', 'apply'),
                                old_overrides='caCert: /etc/ca.pem')
        self.assertIn('overrides of portieris-certs cannot be', sentence)
        self.assertIn('system helm-override-show portieris portieris-certs '
                      'portieris', sentence)

    def test_denying_the_platforms_own_images_stops_each_way(self):
        for moment in WAYS:
            sentence = self.refused(moment,
                                    user_overrides='defaultPolicy: deny')
            self.assertIn('"registry.local:9001/*"', sentence)
            self.assertIn('system helm-override-update', sentence)

    def test_an_authority_without_its_issuer_stops_nothing(self):
        app_op = base.AppOperator(base.Db(user_overrides=yaml.safe_dump(
            {'trustedCA': ISSUING}), old_overrides='trustedCA: x'))
        told = []
        self.change('lifecycle.lifecycle_portieris', 'LOG',
                    base.Row(warning=told.append))
        run(app_op, *WAYS[0])
        self.assertEqual(1, len(told))
        self.assertIn('without "Test Root"', told[0])

    def test_an_old_kubernetes_stops_each_way(self):
        app_op = base.AppOperator()
        app_op._kube.api.objects[api.VERSION]['gitVersion'] = 'v1.17.3'
        for moment in WAYS:
            self.assertEqual(
                'portieris cannot be applied. It needs Kubernetes v1.18.1 or '
                'later, and this cluster runs v1.17.3. Upgrade Kubernetes '
                'first.', self.refused(moment, app_op))

    def test_servers_without_room_stop_each_way(self):
        for moment in WAYS:
            sentence = self.refused(moment, user_overrides=APART
                                    + 'replicaCount: 2\n')
            self.assertIn('set replicaCount to 1', sentence)
            self.assertIn('system helm-override-update', sentence)

    def test_the_number_of_servers_is_the_platforms_without_a_users(self):
        run(base.AppOperator(base.Db(
            user_overrides=APART, hosts=[base.controller()])),
            'manual', 'check', 'pre', 'apply')
        self.refused(WAYS[0], user_overrides=APART,
                     hosts=[base.controller(), base.controller()])

    def test_a_policy_in_the_cluster_for_the_platform_is_enough(self):
        app_op = base.AppOperator(base.Db(
            user_overrides='defaultPolicy: deny'))
        app_op._kube.api.add(
            api.POLICIES + 'clusterimagepolicies/platform', spec={
                'repositories': [{'name': 'registry.local:9001/*'}]})
        run(app_op, 'manual', 'check', 'pre', 'apply')

    def test_the_charts_own_policy_is_not_enough(self):
        exception = base.sysinv('common.exception')
        app_op = base.AppOperator(base.Db(
            user_overrides='defaultPolicy: deny'))
        app_op._kube.api.add(
            api.POLICIES + 'clusterimagepolicies/portieris-default', spec={
                'repositories': [{'name': '*'}]})
        with self.assertRaises(exception.LifecycleSemanticCheckException):
            run(app_op, 'manual', 'check', 'pre', 'apply')

    def test_a_cluster_that_cannot_be_asked_stops_no_apply(self):
        app_op = base.AppOperator(base.Db(
            user_overrides=APART + 'defaultPolicy: deny\nreplicaCount: 9'))
        asked = []

        def answer(path, method, **kwargs):
            asked.append(path)
            raise api.Refused(503)
        app_op._kube.api.call_api = answer
        run(app_op, 'manual', 'check', 'pre', 'apply')
        # The operator waits for each answer that does not come.
        self.assertEqual(1, len(asked))

    def test_cert_manager_has_to_be_applied_first(self):
        for status, told in (('uploaded', 'which is uploaded'),
                             ('apply-failed', 'which is apply-failed'),
                             (None, 'which is not uploaded')):
            for operation in ('apply', 'update'):
                sentence = self.refused(
                    ('manual', 'check', 'pre', operation),
                    cert_manager=status)
                self.assertIn(told, sentence)
                self.assertIn('system application-apply cert-manager',
                              sentence)

    def test_an_apply_that_has_begun_asks_cert_manager_itself(self):
        # The platform may be applying it anew at the same moment.
        run(base.AppOperator(base.Db(cert_manager='applying')),
            'manual', 'resource', 'pre', 'apply')

    def test_good_overrides_pass_each_way_to_apply(self):
        for mode in ('manual', 'auto'):
            for operation in ('apply', 'update'):
                for overrides in (GOOD, '', None):
                    db = base.Db(user_overrides=overrides,
                                 system_overrides={})
                    run(base.AppOperator(db), mode, 'check', 'pre',
                        operation)

    def test_an_application_without_override_row_passes(self):
        run(base.AppOperator(base.Db()), 'manual', 'check', 'pre', 'apply')

    def test_bad_overrides_do_not_stop_a_removal(self):
        app_op = base.AppOperator(base.Db(user_overrides=BAD))
        for operation in ('remove', 'delete'):
            run(app_op, 'manual', 'check', 'pre', operation,
                extra={'force': False}, conductor=base.Conductor())

    def test_what_the_base_forbids_stays_forbidden(self):
        exception = base.sysinv('common.exception')
        with self.assertRaises(
                exception.LifecycleSemanticCheckOpererationBlocked):
            run(base.AppOperator(), 'manual', 'check', 'pre', 'remove',
                extra={'force': False}, conductor=base.Conductor(
                    forbidden_manual_operations=['remove']))


@base.on_each_release()
class Resources(object):

    def test_an_apply_brings_namespace_and_pull_secret(self):
        app_op = base.AppOperator()
        for _ in range(2):
            run(app_op, 'manual', 'resource', 'pre', 'apply')
            self.assertIn('portieris', app_op._kube.namespaces)
            self.assertEqual(
                {'.dockerconfigjson': 'e30='},
                app_op._kube.secrets['portieris', 'default-registry-key'])

    def test_a_removal_leaves_neither(self):
        app_op = base.AppOperator()
        run(app_op, 'manual', 'resource', 'pre', 'apply')
        for _ in range(2):
            run(app_op, 'manual', 'resource', 'post', 'remove',
                extra={'force': False})
            self.assertEqual({'kube-system', 'default'},
                             app_op._kube.namespaces)
            self.assertEqual([('kube-system', 'default-registry-key')],
                             list(app_op._kube.secrets))

    def test_the_namespace_is_deleted_although_it_is_gone_already(self):
        # The platform's script for 22.12 deletes it by name.
        app_op = base.AppOperator()
        run(app_op, 'manual', 'resource', 'post', 'remove',
            extra={'force': False})
        self.assertNotIn('portieris', app_op._kube.namespaces)

    def labels(self, app_op, name):
        return app_op._kube.api.objects[api.NAMESPACES + name][
            'metadata'].get('labels')

    def test_exempt_namespaces_get_the_label_the_webhook_selects_by(self):
        app_op = base.AppOperator()
        for _ in range(2):
            run(app_op, 'manual', 'resource', 'pre', 'apply')
            self.assertEqual({'kubernetes.io/metadata.name': 'kube-system'},
                             self.labels(app_op, 'kube-system'))
        self.assertNotIn(api.NAMESPACES + 'flux-helm',
                         app_op._kube.api.objects)

    def test_only_what_is_exempt_is_labelled(self):
        app_op = base.AppOperator(base.Db(
            user_overrides='exemptNamespaces: [kube-system, cert-manager, '
                           'flux-helm, build]'))
        for name in ('build', 'web'):
            app_op._kube.api.add(api.NAMESPACES + name)
        run(app_op, 'manual', 'resource', 'pre', 'apply')
        self.assertIn('kubernetes.io/metadata.name',
                      self.labels(app_op, 'build'))
        self.assertIsNone(self.labels(app_op, 'web'))

    def test_labels_that_are_there_are_not_written_again(self):
        app_op = base.AppOperator()
        run(app_op, 'manual', 'resource', 'pre', 'apply')
        del app_op._kube.api.changes[:]
        run(app_op, 'manual', 'resource', 'pre', 'apply')
        self.assertEqual([], [
            path for method, path in app_op._kube.api.changes
            if method == 'PATCH'])

    def test_the_own_namespace_says_on_whose_cpus_it_runs(self):
        for text, wanted in (
                (None, 'platform'),
                ('app.starlingx.io/component: true', 'platform'),
                ('app.starlingx.io/component: application', 'application')):
            app_op = base.AppOperator(base.Db(user_overrides=text))
            run(app_op, 'manual', 'resource', 'pre', 'apply')
            self.assertEqual(wanted, self.labels(app_op, 'portieris')[
                'app.starlingx.io/component'])

    def test_an_apply_waits_for_a_removal_that_was_given_up(self):
        app_op = base.AppOperator()
        namespace = app_op._kube.api.objects[api.NAMESPACES + 'portieris']
        namespace['metadata']['deletionTimestamp'] = 'now'
        asked = []

        def gone(self, path, *args):
            if path == api.NAMESPACES + 'portieris':
                asked.append(path)
                namespace['metadata'].pop('deletionTimestamp', None)
            return api.Api._get(self, path, *args)
        app_op._kube.api._get = gone.__get__(app_op._kube.api)
        run(app_op, 'manual', 'resource', 'pre', 'apply')
        self.assertGreater(len(asked), 1)

    def test_an_apply_goes_on_when_the_cluster_cannot_be_asked(self):
        app_op = base.AppOperator()
        app_op._kube.api.broken.add('GET')
        run(app_op, 'manual', 'resource', 'pre', 'apply')
        self.assertIn('portieris', app_op._kube.namespaces)

    def test_what_an_older_application_put_aside_is_back_in_place(self):
        db = base.Db(user_overrides='webHooks: {failurePolicy: Ignore}\n'
                                    'PostUpgradePolicy: Fail\n')
        for _ in range(2):
            run(base.AppOperator(db), 'manual', 'resource', 'pre', 'apply')
            self.assertEqual('webHooks:\n  failurePolicy: Fail\n',
                             db.user_overrides)

    def update(self, db, **more):
        """Call the hook that every update comes to before anything else."""
        moment = (('manual', 'check', 'pre', 'update')
                  if self.is_at_least('stx.6.0')
                  else ('manual', 'resource', 'pre', 'apply'))
        run(base.AppOperator(db), *moment, **dict({
            'extra': {'to_app': True} if moment[1] == 'check' else {},
            'status': 'uploaded' if moment[1] == 'check' else 'updating'},
            **more))

    def test_an_update_keeps_the_overrides_of_a_chart_of_no_manifest(self):
        db = base.Db(older=[('2026-01-02 00:00:00', 'caCert: ""\na: 2\n'),
                            ('2026-01-03 00:00:00', 'caCert: ""\na: 3\n'),
                            (None, 'caCert: ""\na: 1\n')])
        for _ in range(2):
            self.update(db)
            self.assertEqual('caCert: ""\na: 3\n', db.old_overrides)

    def test_an_update_from_none_leaves_those_that_are_there(self):
        for older in ((), [(None, None)], [(None, '')]):
            db = base.Db(old_overrides='caCert: ""\n', older=older)
            self.update(db)
            self.assertEqual('caCert: ""\n', db.old_overrides)

    def test_only_an_update_takes_overrides_from_another_version(self):
        # The user may have deleted them since.
        db = base.Db(older=[(None, 'caCert: ""\n')])
        run(base.AppOperator(db), 'manual', 'resource', 'pre', 'apply')
        run(base.AppOperator(db), 'manual', 'check', 'pre', 'update',
            extra={'from_app': True}, status='applied')
        self.assertIsNone(db.old_overrides)

    def test_an_update_is_refused_for_a_bad_ca_of_the_old_chart(self):
        exception = base.sysinv('common.exception')
        with self.assertRaises(
                exception.LifecycleSemanticCheckException) as caught:
            self.update(base.Db(older=[(None, 'caCert: /etc/ca.pem\n')]))
        self.assertIn('portieris-certs', str(caught.exception))

    def test_other_moments_touch_nothing(self):
        app_op = base.AppOperator()
        for lifecycle_type in ('operation', 'manifest', 'rbd',
                               'armada-request', 'fluxcd-request',
                               'resource'):
            for timing in ('pre', 'post', 'status'):
                for operation in ('upload', 'update', 'delete', 'recover',
                                  'backup', 'restore', 'abort'):
                    run(app_op, None, lifecycle_type, timing, operation)
        self.assertEqual({'kube-system', 'default'},
                         app_op._kube.namespaces)
        self.assertEqual([], app_op._kube.api.changes)
