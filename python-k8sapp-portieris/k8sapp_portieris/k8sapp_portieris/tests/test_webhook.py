# SPDX-License-Identifier: Apache-2.0
"""The webhook during updates and backups, and after what went wrong."""

import base64
import copy
import gzip
import io
import json

from k8sapp_portieris.tests import api
from k8sapp_portieris.tests import base
from k8sapp_portieris.tests.base import run

SAVED = api.CONFIG_MAPS + 'portieris-webhook'
MARK = 'portieris.starlingx.io/relaxed-for-update'
REQUESTS = ((None, 'armada-request', 'pre', 'apply'),
            (None, 'fluxcd-request', 'pre', 'apply'))
# However an apply or a recovery ends, one of these is called at least.
ENDS = (('manual', 'manifest', 'post', 'apply'),
        ('manual', 'resource', 'post', 'apply'),
        (None, 'armada-request', 'post', 'apply'),
        (None, 'fluxcd-request', 'post', 'apply'),
        ('manual', 'resource', 'pre', 'recover'),
        ('manual', 'resource', 'post', 'recover'),
        ('manual', 'resource', None, 'recover'),
        ('manual', 'resource', 'pre', 'recover-update'),
        ('manual', 'operation', 'post', 'apply'),
        ('manual', 'operation', 'post', 'abort'))


class Webhook(object):

    def setUp(self):
        self.app_op = base.AppOperator()
        self.api = self.app_op._kube.api
        api.install(self.api)

    @property
    def live(self):
        return self.api.objects.get(api.WEBHOOK)

    @property
    def policy(self):
        return self.live['webhooks'][0]['failurePolicy']

    def set_overrides(self, text):
        self.app_op._dbapi.user_overrides = text


@base.on_each_release()
class Update(Webhook):

    def relax(self, request=REQUESTS[1], status='updating'):
        run(self.app_op, *request, status=status)

    def test_workloads_pass_while_no_server_answers(self):
        for request in REQUESTS:
            for status in ('updating', 'recovering'):
                for _ in range(2):
                    self.relax(request, status)
                    self.assertEqual('Ignore', self.policy)
                    self.assertIn(MARK, self.live['metadata']['annotations'])
                    self.assertEqual('Q0E=', self.live['webhooks'][0][
                        'clientConfig']['caBundle'])
                run(self.app_op, *ENDS[0])

    def test_the_policy_is_back_however_it_ends(self):
        for end in ENDS:
            self.relax()
            for _ in range(2):
                run(self.app_op, *end, extra={'rc': False})
                self.assertEqual('Fail', self.policy)
                self.assertNotIn(MARK, self.live['metadata']['annotations'])

    def test_an_update_that_fails_early_has_changed_nothing(self):
        # Up to 8.0 no hook follows a failure before the request.
        for moment, extra in (
                (('manual', 'check', 'pre', 'update'), {'from_app': True}),
                (('manual', 'check', 'pre', 'update'), {'to_app': True}),
                (('manual', 'resource', 'pre', 'update'), {}),
                (('manual', 'resource', 'pre', 'apply'), {}),
                (('manual', 'manifest', 'pre', 'apply'), {})):
            run(self.app_op, *moment, extra=extra, status='updating')
            self.assertEqual('Fail', self.policy)

    def test_a_plain_apply_keeps_the_protection(self):
        for request in REQUESTS:
            self.relax(request, 'applying')
            self.assertEqual('Fail', self.policy)

    def test_the_policy_afterwards_is_the_users(self):
        self.set_overrides('webHooks: {failurePolicy: Ignore}')
        self.relax()
        run(self.app_op, *ENDS[0])
        self.assertEqual('Ignore', self.policy)
        self.assertNotIn(MARK, self.live['metadata']['annotations'])

    def test_a_conductor_that_died_after_relaxing_is_no_harm(self):
        self.relax()
        again = base.AppOperator()
        again._kube.api = self.api
        run(again, *ENDS[3])
        self.assertEqual('Fail', self.policy)

    def test_nothing_to_relax_or_settle_is_no_error(self):
        del self.api.objects[api.WEBHOOK]
        self.relax()
        for end in ENDS:
            run(self.app_op, *end)
        self.assertEqual([], self.api.changes)

    def test_a_cluster_that_cannot_be_asked_stops_nothing(self):
        self.api.broken.add(api.WEBHOOK)
        self.relax()
        for end in ENDS:
            run(self.app_op, *end)
        self.api.broken.clear()
        self.assertEqual('Fail', self.policy)


@base.on_each_release()
class Backup(Webhook):

    def at(self, timing, operation, **extra):
        run(self.app_op, 'auto', 'operation', timing, operation, extra=extra)

    def test_it_is_away_during_each_and_back_unchanged_afterwards(self):
        for operation in ('backup', 'etcd-backup', 'restore'):
            before = copy.deepcopy(self.live['webhooks'])
            for _ in range(2):
                self.at('pre', operation)
                self.assertIsNone(self.live)
            for _ in range(2):
                self.at('post', operation, success=True)
                self.assertEqual(before, self.live['webhooks'])
            self.assertEqual('portieris/portieris-certs', self.live[
                'metadata']['annotations']['cert-manager.io/inject-ca-from'])
            self.assertEqual('portieris',
                             self.live['metadata']['labels']['app'])
            self.assertNotIn(SAVED, self.api.objects)

    def test_it_is_back_after_a_backup_that_failed(self):
        self.at('pre', 'etcd-backup')
        self.at('post', 'etcd-backup', success=False)
        self.assertEqual('Fail', self.policy)

    def test_a_restored_etcd_has_the_copy_and_gets_the_webhook(self):
        self.at('pre', 'etcd-backup')
        snapshot = copy.deepcopy(self.api.objects)
        self.at('post', 'etcd-backup')
        self.api.objects = snapshot
        self.assertIsNone(self.live)
        self.at('post', 'restore', success=True)
        self.assertEqual('Fail', self.policy)

    def test_an_apply_brings_back_what_a_dead_backup_took_away(self):
        self.at('pre', 'backup')
        run(self.app_op, *ENDS[3])
        self.assertEqual('Fail', self.policy)
        self.assertNotIn(SAVED, self.api.objects)

    def test_a_backup_that_died_between_copy_and_deletion_is_no_harm(self):
        self.api.broken.add('DELETE')
        self.at('pre', 'backup')
        self.assertIn(SAVED, self.api.objects)
        self.api.broken.clear()
        self.live['webhooks'][0]['timeoutSeconds'] = 5
        self.at('post', 'backup')
        # The live one is the newer of the two.
        self.assertEqual(5, self.live['webhooks'][0]['timeoutSeconds'])
        self.assertNotIn(SAVED, self.api.objects)

    def test_it_is_never_deleted_without_a_copy(self):
        self.api.broken.add(SAVED)
        self.at('pre', 'backup')
        self.assertEqual('Fail', self.policy)

    def test_an_application_that_is_not_applied_gets_no_webhook(self):
        self.api.objects.clear()
        for operation in ('backup', 'etcd-backup', 'restore'):
            self.at('pre', operation)
            self.at('post', operation)
        self.assertEqual([], self.api.changes)

    def test_without_a_server_the_copy_is_dropped(self):
        self.at('pre', 'backup')
        del self.api.objects[api.SERVICE]
        self.at('post', 'backup')
        self.assertIsNone(self.live)
        self.assertNotIn(SAVED, self.api.objects)


@base.on_each_release()
class PlatformScripts(Webhook):

    def test_a_failure_policy_a_script_left_at_ignore_is_back(self):
        # Set on webhooks[0] while the API server restarts.
        self.live['webhooks'][0]['failurePolicy'] = 'Ignore'
        run(self.app_op, None, 'fluxcd-request', 'post', 'apply')
        self.assertEqual('Fail', self.policy)

    def test_a_webhook_made_anew_without_ca_keeps_the_rest(self):
        del self.live['webhooks'][0]['clientConfig']['caBundle']
        run(self.app_op, 'auto', 'operation', 'pre', 'backup')
        run(self.app_op, 'auto', 'operation', 'post', 'backup')
        self.assertEqual({}, self.live['webhooks'][0]['clientConfig'])
        self.assertIn('cert-manager.io/inject-ca-from',
                      self.live['metadata']['annotations'])

    def test_after_objects_are_deleted_by_name_all_moments_work(self):
        for path in (api.WEBHOOK, api.SERVICE, api.DEPLOYMENT,
                     api.NAMESPACES + 'portieris'):
            del self.api.objects[path]
        for end in ENDS + (('manual', 'resource', 'pre', 'apply'),
                           (None, 'fluxcd-request', 'pre', 'remove'),
                           ('manual', 'resource', 'post', 'remove')):
            run(self.app_op, *end)
        self.assertIsNone(self.live)


def release_secret(manifest):
    """Return the data of Helm's Secret for a release."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode='wb') as file:
        file.write(json.dumps({'manifest': manifest}).encode('utf-8'))
    return {'release': base64.b64encode(base64.b64encode(
        packed.getvalue())).decode('ascii')}


@base.on_each_release(since='stx.7.0')
class Rebuilt(Webhook):

    def setUp(self):
        Webhook.setUp(self)
        del self.api.objects[api.WEBHOOK]
        for version, policy in (('9', 'Ignore'), ('10', 'Fail')):
            self.api.add(
                api.NAMESPACES + 'portieris/secrets/release-' + version,
                metadata={'labels': {
                    'version': version, 'owner': 'helm',
                    'status': 'deployed', 'name': 'portieris-portieris'}},
                data=release_secret(
                    '---\n# Nothing but a comment.\n---\nkind: Service\n'
                    'metadata: {name: portieris}\n---\n'
                    'kind: MutatingWebhookConfiguration\n'
                    'metadata: {name: image-admission-config}\n'
                    'webhooks: [{name: a, failurePolicy: %s}]\n' % policy))

    def apply(self):
        run(self.app_op, None, 'fluxcd-request', 'post', 'apply')

    def test_a_webhook_deleted_by_name_is_that_of_the_newest_release(self):
        for _ in range(2):
            self.apply()
            self.assertEqual('Fail', self.policy)
        self.assertEqual('portieris-portieris', self.live['metadata'][
            'annotations']['meta.helm.sh/release-name'])

    def test_a_chart_that_is_disabled_gets_none(self):
        del self.api.objects[api.SERVICE]
        self.apply()
        self.assertIsNone(self.live)

    def test_a_release_that_cannot_be_read_stops_no_apply(self):
        for secret in self.api.items(api.NAMESPACES + 'portieris/secrets'):
            secret['data'] = {'release': 'AAAA'}
        self.apply()
        self.assertIsNone(self.live)


@base.on_each_release(since='stx.10.0')
class Status(Webhook):

    def setUp(self):
        Webhook.setUp(self)
        self.change('lifecycle.lifecycle_portieris', '_CA_SECONDS', 0)

    def status(self):
        run(self.app_op, None, 'fluxcd-request', 'status', 'apply')

    def test_a_webhook_with_its_ca_is_fine(self):
        self.status()

    def test_it_says_nothing_until_a_server_is_there(self):
        self.live['webhooks'][0]['clientConfig'] = {}
        for change in ({'status': {'availableReplicas': 0}}, {'status': {}},
                       {'status': None}):
            self.api.objects[api.DEPLOYMENT].update(change)
            self.status()
        del self.api.objects[api.DEPLOYMENT]
        self.status()

    def test_a_server_without_a_webhook_is_no_failure(self):
        # A chart that is disabled, and will be deleted after the apply.
        del self.api.objects[api.WEBHOOK]
        self.status()

    def test_a_webhook_nobody_can_trust_is_not_called_applied(self):
        self.live['webhooks'][0]['clientConfig'] = {}
        exception = base.sysinv('common.exception')
        with self.assertRaises(
                exception.LifecycleStatusCheckNotReady) as caught:
            self.status()
        self.assertIn('kubectl get certificates -n portieris',
                      str(caught.exception))

    def test_a_cluster_that_cannot_be_asked_fails_no_apply(self):
        self.api.broken.add('GET')
        self.status()


@base.on_each_release()
class Removal(Webhook):

    REQUESTS = ((None, 'armada-request', 'pre', 'delete'),
                (None, 'armada-request', 'pre', 'remove'),
                (None, 'fluxcd-request', 'pre', 'remove'))

    def test_the_webhook_goes_before_its_server(self):
        for request in self.REQUESTS:
            api.install(self.api)
            for _ in range(2):
                run(self.app_op, *request)
                self.assertIsNone(self.live)

    def test_nothing_of_it_is_left_in_the_end(self):
        run(self.app_op, *self.REQUESTS[2])
        for _ in range(2):
            run(self.app_op, 'manual', 'resource', 'post', 'remove')
            self.assertIsNone(self.live)
            self.assertNotIn(SAVED, self.api.objects)

    def test_an_abort_does_not_bring_it_back_to_a_server_that_goes(self):
        run(self.app_op, *self.REQUESTS[2])
        run(self.app_op, 'manual', 'operation', 'post', 'abort',
            extra={'aborted_op': 'remove'})
        self.assertIsNone(self.live)

    def test_an_apply_after_a_removal_given_up_brings_it_back(self):
        run(self.app_op, *self.REQUESTS[2])
        run(self.app_op, *ENDS[3])
        self.assertEqual('Fail', self.policy)
        run(self.app_op, *self.REQUESTS[2])
        run(self.app_op, 'manual', 'resource', 'post', 'remove')
        self.assertIsNone(self.live)
