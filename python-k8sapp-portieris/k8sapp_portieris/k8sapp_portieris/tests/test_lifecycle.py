# SPDX-License-Identifier: Apache-2.0
"""The lifecycle plugin on the sysinv of every release."""

from k8sapp_portieris.tests import base

BAD = 'trustServer: []\n'
GOOD = ('trustServers:\n- registry: harbor.example.com\n'
        '  url: https://harbor.example.com:4443/\n')


class Conductor(object):

    def __init__(self, **behavior):
        self.apps_metadata = {'portieris': {'behavior': behavior}}


def run(app_op, mode, lifecycle_type, timing, operation, extra=None,
        conductor=None):
    """Call the plugin as sysinv does at that moment."""
    hook_info = base.sysinv('helm.lifecycle_hook').LifecycleHookInfo()
    hook_info.init(mode, lifecycle_type, timing, operation)
    hook_info.extra = extra or {}
    base.plugin('lifecycle.lifecycle_portieris') \
        .PortierisAppLifecycleOperator().app_lifecycle_actions(
            None, conductor, app_op, base.Row(name='portieris'), hook_info)


@base.on_each_release()
class Checks(object):

    def refused(self, moment, **data):
        exception = base.sysinv('common.exception')
        app_op = base.AppOperator(base.Db(**data))
        with self.assertRaises(
                exception.LifecycleSemanticCheckException) as caught:
            run(app_op, *moment)
        return str(caught.exception)

    def test_bad_overrides_stop_each_way_to_apply(self):
        for moment in (('manual', 'check', 'pre', 'apply'),
                       ('auto', 'check', 'pre', 'apply'),
                       ('manual', 'check', 'pre', 'update'),
                       ('auto', 'check', 'pre', 'update')):
            sentence = self.refused(moment, user_overrides=BAD)
            self.assertIn('"trustServers"', sentence)
            self.assertIn('system helm-override-update portieris portieris '
                          'portieris', sentence)

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
                extra={'force': False}, conductor=Conductor())

    def test_what_the_base_forbids_stays_forbidden(self):
        exception = base.sysinv('common.exception')
        with self.assertRaises(
                exception.LifecycleSemanticCheckOpererationBlocked):
            run(base.AppOperator(), 'manual', 'check', 'pre', 'remove',
                extra={'force': False}, conductor=Conductor(
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
