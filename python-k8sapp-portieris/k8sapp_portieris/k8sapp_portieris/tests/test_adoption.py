# SPDX-License-Identifier: Apache-2.0
"""From applications of before 2.0, on the sysinv of every release."""

import base64
import copy

import yaml

from k8sapp_portieris.tests import api
from k8sapp_portieris.tests import base
from k8sapp_portieris.tests.base import run

FLUXCD = (None, 'fluxcd-request', 'pre', 'apply')
ARMADA = (None, 'armada-request', 'pre', 'apply')
DONE = ('manual', 'manifest', 'post', 'apply')
# However a failed update ends, one of these is called before the older
# application is applied again.
FAILURES = (((None, 'fluxcd-request', 'post', 'apply'), {'rc': False}),
            ((None, 'armada-request', 'post', 'apply'), {'rc': False}),
            (('manual', 'resource', 'post', 'apply'), {}),
            (('manual', 'resource', 'pre', 'recover'), {}),
            (('manual', 'resource', None, 'recover-update'), {}))
COPIES = api.SECRETS + 'portieris-before-update'
SERVED = api.SECRETS + 'portieris-certs'
KEEP = 'helm.sh/resource-policy'
OTHER_SELECTOR = {'matchLabels': {'app': 'portieris'}}


class Older(object):
    """An older application is there, and ours is put in its place."""

    hooks = False
    status = 'updating'

    def setUp(self):
        self.app_op = base.AppOperator()
        self.api = api.install_older(self.app_op._kube.api, self.hooks)
        self.before = copy.deepcopy(self.api.objects)

    def call(self, moment, **extra):
        run(self.app_op, *moment, extra=extra, status=self.status)

    def annotations(self, path):
        return self.api.objects[path]['metadata'].get('annotations') or {}

    def apply_chart(self):
        """Do what Helm does with our chart, as to what is looked at."""
        for path in (api.WEBHOOK, api.SERVICE, api.DEPLOYMENT, api.ACCOUNT,
                     api.ROLE, api.BINDING, api.CERTIFICATE):
            found = self.api.objects.get(path) or self.api.add(
                path, spec={'selector': {'matchLabels': api.SELECTOR}})
            for key, value in api.of_chart().items():
                found['metadata'].setdefault(key, {}).update(value)
        self.api.add(api.POLICIES + 'clusterimagepolicies/portieris-default',
                     spec={'repositories': []})

    def update(self, request=FLUXCD):
        self.call(request)
        self.apply_chart()
        self.call((None, request[1], 'post', 'apply'), rc=True)
        self.call(DONE, manifest_applied=True)


class OnFluxCD(Older):

    def test_helm_may_touch_what_hooks_made(self):
        for _ in range(2):
            self.call(FLUXCD)
            for path in (api.WEBHOOK, api.ACCOUNT, api.ROLE, api.BINDING,
                         api.SERVICE, api.DEPLOYMENT):
                for key, value in api.OWNED.items():
                    self.assertEqual(value, self.annotations(path)[key])

    def test_the_certificate_is_made_anew_and_its_secret_stays(self):
        self.call(FLUXCD)
        self.assertNotIn(api.CERTIFICATE, self.api.objects)
        self.assertEqual(self.before[SERVED], self.api.objects[SERVED])

    def test_the_older_server_does_not_judge_the_image_of_ours(self):
        hook = self.api.objects[api.WEBHOOK]['webhooks'][0]
        hook['namespaceSelector'] = {'matchExpressions': [
            {'key': 'a', 'operator': 'Exists'}]}
        for _ in range(2):
            self.call(FLUXCD)
        self.assertEqual(
            [{'key': 'a', 'operator': 'Exists'},
             {'key': 'kubernetes.io/metadata.name', 'operator': 'NotIn',
              'values': ['portieris']}],
            self.api.objects[api.WEBHOOK]['webhooks'][0][
                'namespaceSelector']['matchExpressions'])

    def test_a_deployment_with_our_selector_is_never_deleted(self):
        self.update()
        self.assertNotIn(('DELETE', api.DEPLOYMENT), [
            (method, path.partition('?')[0])
            for method, path in self.api.changes])

    def test_helm_forgets_the_second_chart_and_its_objects_stay(self):
        self.api.add('/apis/helm.toolkit.fluxcd.io', preferredVersion={
            'groupVersion': 'helm.toolkit.fluxcd.io/v2'})
        release = api.HELM_RELEASES + 'portieris-certs'
        self.api.add(release, spec={})
        for kind in ('static', 'system'):
            self.api.add('%sportieris-certs-%s-overrides' % (
                api.SECRETS, kind))
        self.update()
        changes = [path for path in self.api.changes if path[1] == release]
        # FluxCD uninstalls nothing when a suspended one is deleted.
        self.assertEqual([('PATCH', release), ('DELETE', release)], changes)
        self.assertEqual(
            {'portieris-certs', 'portieris-portieris.v1'},
            {path.rpartition('/')[2] for path in self.api.objects
             if path.startswith(api.SECRETS)})
        self.assertIn(api.CERTIFICATE, self.api.objects)
        self.assertNotIn(api.OLD_ISSUER, self.api.objects)

    def test_it_is_forgotten_only_when_the_update_has_worked(self):
        self.call(FLUXCD)
        self.call(DONE, manifest_applied=False)
        self.call(DONE)
        self.assertIn(api.SECRETS + 'portieris-portieris-certs.v1',
                      self.api.objects)

    def test_a_chart_that_is_disabled_replaces_nothing(self):
        del self.api.objects[api.SERVICE]
        self.api.objects[api.CERTIFICATE]['metadata']['annotations'] = dict(
            api.OWNED)
        self.call(DONE, manifest_applied=True)
        self.assertIn(api.SECRETS + 'portieris-portieris-certs.v1',
                      self.api.objects)

    def test_policies_that_hooks_made_go_when_ours_is_there(self):
        default = api.POLICIES + 'clusterimagepolicies/default'
        own = api.POLICIES + 'namespaces/portieris/imagepolicies/default'
        self.call(DONE, manifest_applied=True)
        self.assertIn(default, self.api.objects)
        self.update()
        self.assertNotIn(default, self.api.objects)
        self.assertNotIn(own, self.api.objects)

    def test_a_default_policy_that_says_more_is_the_users(self):
        default = api.POLICIES + 'clusterimagepolicies/default'
        for repositories in ([{'name': '*'}, {'name': 'a/*'}], [],
                             [{'name': '*', 'policy': {'trust': {}}}]):
            self.setUp()
            self.api.objects[default]['spec']['repositories'] = repositories
            self.update()
            self.assertIn(default, self.api.objects)

    def test_a_default_policy_that_no_hook_made_is_the_users(self):
        default = api.POLICIES + 'clusterimagepolicies/default'
        self.api.objects[default]['metadata']['annotations'] = {}
        self.update()
        self.assertIn(default, self.api.objects)

    def test_nothing_of_the_way_over_is_left(self):
        self.update()
        self.assertNotIn(COPIES, self.api.objects)
        for path in (api.WEBHOOK, api.ACCOUNT, api.ROLE, api.BINDING):
            self.assertNotIn(KEEP, self.annotations(path))
            self.assertNotIn('helm.sh/hook', self.annotations(path))
        self.assertNotIn(api.PORTIERIS + 'configmaps/image-policy-crds',
                         self.api.objects)
        del self.api.changes[:]
        self.status = 'applying'
        self.update()
        self.assertEqual([], self.api.changes)

    def policy_in_fluxcd(self, after, **extra):
        """Return the one in the values that FluxCD reads."""
        path = api.SECRETS + 'portieris-system-overrides'
        key = 'portieris-system-overrides.yaml'
        text = 'replicaCount: 1\nwebHooks: {failurePolicy: Ignore}\n'
        self.api.add(path, data={key: base64.b64encode(
            text.encode('ascii')).decode('ascii')})
        for _ in range(2):
            self.call(after, **extra)
        values = yaml.safe_load(base64.b64decode(
            self.api.objects[path]['data'][key]))
        self.assertEqual(1, values['replicaCount'])
        return values['webHooks']['failurePolicy']

    def test_fluxcd_does_not_bring_the_relaxed_policy_back(self):
        # Nor when a version comes back that was put in place by an update:
        # its values are those of then.
        for status in ('updating', 'recovering'):
            self.status = status
            self.assertEqual('Fail', self.policy_in_fluxcd(
                (None, 'fluxcd-request', 'post', 'apply'), rc=True))

    def test_fluxcd_gets_no_reason_to_repeat_an_update_that_failed(self):
        for moment, extra in FAILURES:
            self.assertEqual('Ignore', self.policy_in_fluxcd(
                moment, **extra))

    # Failures.

    def test_a_failed_update_leaves_everything_as_it_was(self):
        for moment, extra in FAILURES:
            for deleted in ((), (api.ACCOUNT, api.WEBHOOK, SERVED)):
                self.setUp()
                self.call(FLUXCD)
                self.apply_chart()
                self.api.objects[SERVED]['data']['tls.crt'] = 'TkVX'
                for path in deleted:
                    # By Helm's roll back, or by somebody.
                    del self.api.objects[path]
                for _ in range(2):
                    self.call(moment, **extra)
                    self.assert_as_before()

    def assert_as_before(self):
        for path in (api.WEBHOOK, SERVED, api.CERTIFICATE):
            found = copy.deepcopy(self.api.objects[path])
            # Still under way, a roll back spares it for this.
            self.assertEqual('keep', found['metadata']['annotations'].pop(
                KEEP))
            self.assertEqual(self.of_users(self.before[path]),
                             self.of_users(found))
        self.assertNotIn(COPIES, self.api.objects)

    @staticmethod
    def of_users(body):
        body = copy.deepcopy(body)
        body.pop('status', None)
        for key in ('uid', 'resourceVersion'):
            body['metadata'].pop(key, None)
        return body

    def test_the_certificate_of_one_chart_alone_is_given_back_too(self):
        # From 11.0 on there is no second chart.
        for path in (api.CERTIFICATE, SERVED):
            self.api.objects[path]['metadata']['annotations'] = dict(
                api.OWNED)
        self.before = copy.deepcopy(self.api.objects)
        self.call(FLUXCD)
        self.assertIn(api.CERTIFICATE, self.api.objects)
        self.apply_chart()
        self.api.objects[api.CERTIFICATE]['spec']['issuerRef'] = {}
        self.api.objects[SERVED]['data']['tls.crt'] = 'TkVX'
        self.call(*FAILURES[2][:1])
        self.assert_as_before()

    def test_a_plain_apply_that_fails_gives_nothing_back(self):
        self.call(FLUXCD)
        self.status = 'applying'
        for moment, extra in FAILURES[:3]:
            self.call(moment, **extra)
        self.assertIn(COPIES, self.api.objects)

    def test_the_copies_are_of_before_the_first_try(self):
        self.call(FLUXCD)
        # The conductor died; cert-manager has made another certificate.
        self.api.add(api.CERTIFICATE, spec={'issuerRef': {'name': 'ours'}})
        self.api.objects[SERVED]['data']['tls.crt'] = 'TkVX'
        self.call(FLUXCD)
        self.call(*FAILURES[2][:1])
        self.assert_as_before()

    # Older servers.

    def pod(self, name, **labels):
        path = api.PORTIERIS + 'pods/' + name
        self.api.add(path, metadata={'labels': dict(
            labels, app='portieris')})
        return path

    def test_the_webhook_is_strict_again_when_no_older_server_is_left(self):
        pod = self.pod('older')
        self.pod('ours', **{'app.kubernetes.io/name': 'portieris'})
        policies = []

        def goes(condition, seconds):
            policies.append(self.policy())
            self.assertFalse(condition())
            del self.api.objects[pod]
            return condition()
        self.change('lifecycle.cluster', 'wait_until', goes)
        self.update()
        self.assertEqual(['Ignore'], policies)
        self.assertEqual('Fail', self.policy())

    def policy(self):
        return self.api.objects[api.WEBHOOK]['webhooks'][0]['failurePolicy']

    def test_an_older_server_that_stays_holds_up_no_update(self):
        self.pod('older')
        self.change('lifecycle.adoption', '_GONE_SECONDS', 0)
        self.update()
        self.assertEqual('Fail', self.policy())

    # Another selector.

    def other_selector(self):
        self.api.objects[api.DEPLOYMENT]['spec']['selector'] = copy.deepcopy(
            OTHER_SELECTOR)

    def test_a_deployment_of_another_selector_goes_and_its_pods_stay(self):
        self.other_selector()
        for _ in range(2):
            self.call(FLUXCD)
            self.assertNotIn(api.DEPLOYMENT, self.api.objects)
        self.assertEqual(
            [('DELETE', api.DEPLOYMENT + '?propagationPolicy=Orphan')],
            [change for change in self.api.changes
             if change[1].startswith(api.DEPLOYMENT)
             and change[0] == 'DELETE'])

    def test_its_pods_go_when_ours_serve(self):
        self.other_selector()
        orphan, ours = [
            '/apis/apps/v1/namespaces/portieris/replicasets/' + name
            for name in ('orphan', 'ours')]
        for path, owners in ((orphan, []), (ours, [{'kind': 'Deployment'}])):
            self.api.add(path, metadata={'labels': {'app': 'portieris'},
                                         'ownerReferences': owners})
        self.update()
        self.assertNotIn(orphan, self.api.objects)
        self.assertIn(ours, self.api.objects)

    def test_after_a_failure_it_has_its_pods_again(self):
        self.other_selector()
        self.call(FLUXCD)
        self.apply_chart()
        self.call(*FAILURES[2][:1])
        self.assertEqual(OTHER_SELECTOR, self.api.objects[api.DEPLOYMENT][
            'spec']['selector'])


@base.on_each_release(since='stx.7.0')
class FluxCD(OnFluxCD):
    """From 8.0 on."""


@base.on_each_release(since='stx.7.0', until='stx.8.0')
class FluxCDFromHooks(OnFluxCD):
    """Up to 7.0."""

    hooks = True


@base.on_each_release(until='stx.8.0')
class Armada(Older):

    hooks = True

    def test_what_helm_2_would_stumble_over_makes_room(self):
        for _ in range(2):
            self.call(ARMADA)
            for path in (api.WEBHOOK, api.ACCOUNT, api.ROLE, api.BINDING,
                         api.CERTIFICATE):
                self.assertNotIn(path, self.api.objects)
        self.assertIn(api.DEPLOYMENT, self.api.objects)
        self.assertEqual(self.before[SERVED], self.api.objects[SERVED])
        # Without the webhook nobody asks a server that lacks the others.
        self.assertEqual(api.WEBHOOK, [
            path for method, path in self.api.changes
            if method == 'DELETE'][0])

    def test_what_our_chart_made_stays(self):
        self.update(ARMADA)
        self.call(ARMADA)
        for path in (api.WEBHOOK, api.ACCOUNT, api.CERTIFICATE):
            self.assertIn(path, self.api.objects)

    def test_a_failed_update_gives_back_what_made_room(self):
        for moment, extra in FAILURES:
            self.setUp()
            self.call(ARMADA)
            self.call(moment, **extra)
            for path in (api.WEBHOOK, api.ACCOUNT, api.ROLE, api.BINDING,
                         api.CERTIFICATE):
                self.assertIn(path, self.api.objects)
            self.assertNotIn(COPIES, self.api.objects)


@base.on_each_release()
class Overrides(Older):

    def values(self, status):
        dbapi = self.app_op._dbapi
        dbapi.apps['portieris'].status = status
        operator = base.Row(dbapi=dbapi, context={})
        return base.plugin('helm.portieris').PortierisHelm(
            operator).get_overrides('portieris')

    def test_what_helm_writes_is_relaxed_during_an_update_only(self):
        self.assertEqual({'failurePolicy': 'Ignore'},
                         self.values('updating')['webHooks'])
        for status in ('applying', 'applied', 'uploaded', 'recovering'):
            self.assertNotIn('webHooks', self.values(status))

    def test_a_database_without_the_application_is_no_update(self):
        dbapi = base.Db()
        dbapi.apps.clear()
        values = base.plugin('helm.portieris').PortierisHelm(base.Row(
            dbapi=dbapi, context={})).get_overrides('portieris')
        self.assertFalse({'webHooks', 'caCert'} & set(values))

    def test_the_policy_before_the_update_is_the_users_again(self):
        relaxed = 'webHooks: {failurePolicy: Ignore}\nPostUpgradePolicy: %s\n'
        for marker, live, text in (
                ("'~'", 'Fail', ''), ('Ignore', 'Fail', ''),
                ('Ignore', 'Ignore', 'webHooks:\n  failurePolicy: Ignore\n'),
                ('Fail', 'Fail', 'webHooks:\n  failurePolicy: Fail\n')):
            self.app_op._dbapi.user_overrides = relaxed % marker
            self.api.objects[api.WEBHOOK]['webhooks'][0][
                'failurePolicy'] = live
            self.call(('manual', 'resource', 'pre', 'apply'))
            self.assertEqual(text, self.app_op._dbapi.user_overrides)
