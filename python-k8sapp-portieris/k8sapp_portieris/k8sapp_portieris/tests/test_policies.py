# SPDX-License-Identifier: Apache-2.0
"""The users' policies at a removal, and their kinds on Armada."""

import yaml

from k8sapp_portieris.tests import api
from k8sapp_portieris.tests import base
from k8sapp_portieris.tests.base import run

EXPORT = api.CONFIG_MAPS + 'portieris-policies'
REQUEST = (None, 'fluxcd-request', 'pre', 'remove')
REMOVED = ('manual', 'resource', 'post', 'remove')
KINDS = ('imagepolicies', 'clusterimagepolicies')


class Policies(object):

    def setUp(self):
        self.app_op = base.AppOperator()
        self.api = self.app_op._kube.api
        for plural in KINDS:
            self.api.add('%s%s.portieris.cloud.ibm.com' % (
                api.DEFINITIONS, plural))

    def policy(self, name, namespace=None, **metadata):
        where = ('namespaces/%s/imagepolicies/' % namespace if namespace
                 else 'clusterimagepolicies/')
        if namespace:
            metadata['namespace'] = namespace
        return self.api.add(
            api.POLICIES + where + name, metadata=dict(
                metadata, uid='u', resourceVersion='3'),
            spec={'repositories': [{'name': '*', 'policy': {}}]})

    def exported(self, name=EXPORT):
        return list(yaml.safe_load_all(
            self.api.objects[name]['data']['policies.yaml']))


@base.on_each_release()
class Export(Policies):

    def test_the_policies_can_be_applied_again(self):
        self.policy('web', 'team', labels={'a': 'b'}, annotations={
            'kubectl.kubernetes.io/last-applied-configuration': '{}',
            'why': 'because'})
        self.policy('all')
        for _ in range(2):
            run(self.app_op, *REQUEST)
            self.assertEqual([
                {'apiVersion': 'portieris.cloud.ibm.com/v1',
                 'kind': 'ClusterImagePolicy', 'metadata': {'name': 'all'},
                 'spec': {'repositories': [{'name': '*', 'policy': {}}]}},
                {'apiVersion': 'portieris.cloud.ibm.com/v1',
                 'kind': 'ImagePolicy', 'metadata': {
                     'name': 'web', 'namespace': 'team',
                     'labels': {'a': 'b'},
                     'annotations': {'why': 'because'}},
                 'spec': {'repositories': [{'name': '*', 'policy': {}}]}}],
                self.exported())

    def test_armada_is_as_good(self):
        self.policy('all')
        run(self.app_op, None, 'armada-request', 'pre', 'delete')
        self.assertEqual(1, len(self.exported()))

    def test_the_charts_own_policy_is_not_among_them(self):
        self.policy('portieris-default')
        self.policy('other', annotations={
            'meta.helm.sh/release-name': 'portieris-portieris'})
        run(self.app_op, *REQUEST)
        self.assertNotIn(EXPORT, self.api.objects)

    def test_a_policy_of_somebody_elses_chart_is(self):
        self.policy('portieris-default', 'team')
        self.policy('all', labels={'app.kubernetes.io/managed-by': 'Helm'},
                    annotations={'meta.helm.sh/release-name': 'team'})
        run(self.app_op, *REQUEST)
        self.assertEqual(2, len(self.exported()))

    def test_without_policies_an_earlier_export_stays(self):
        self.policy('all')
        run(self.app_op, *REQUEST)
        del self.api.objects[api.POLICIES + 'clusterimagepolicies/all']
        run(self.app_op, *REQUEST)
        self.assertEqual('all', self.exported()[0]['metadata']['name'])

    def test_many_are_kept_in_several_objects_and_shrink_again(self):
        self.change('lifecycle.policies', '_BYTES', 300)
        for number in range(5):
            self.policy('all-%d' % number)
        run(self.app_op, *REQUEST)
        names = [name for name in sorted(self.api.objects)
                 if name.startswith(EXPORT)]
        self.assertGreater(len(names), 2)
        self.assertEqual(5, sum(len(self.exported(name)) for name in names))
        for number in range(1, 5):
            del self.api.objects[
                api.POLICIES + 'clusterimagepolicies/all-%d' % number]
        run(self.app_op, *REQUEST)
        self.assertEqual([EXPORT], [
            name for name in self.api.objects if name.startswith(EXPORT)])

    def test_an_export_that_fails_stops_no_removal(self):
        self.policy('all')
        self.api.broken.add(api.CONFIG_MAPS.rstrip('/'))
        run(self.app_op, *REQUEST)


@base.on_each_release()
class Removal(Policies):

    def definitions(self):
        return [path for path in self.api.objects
                if path.startswith(api.DEFINITIONS)]

    def keep(self, text):
        self.app_op._dbapi.user_overrides = text

    def test_policies_and_kinds_stay_unless_the_user_says_otherwise(self):
        for text in (None, 'keepPolicies: true', 'keepPolicies: 0', ']'):
            self.keep(text)
            run(self.app_op, *REMOVED)
            self.assertEqual(2, len(self.definitions()))

    def test_they_go_when_the_user_says_so_after_a_copy_is_kept(self):
        self.policy('all')
        self.keep('keepPolicies: false')
        for _ in range(2):
            run(self.app_op, *REMOVED)
            self.assertEqual([], self.definitions())
            self.assertEqual('all', self.exported()[0]['metadata']['name'])

    def test_without_a_copy_they_stay(self):
        self.policy('all')
        self.keep('keepPolicies: false')
        self.api.broken.add(api.CONFIG_MAPS.rstrip('/'))
        run(self.app_op, *REMOVED)
        self.assertEqual(2, len(self.definitions()))

    def test_a_removal_that_died_between_the_two_is_finished(self):
        self.keep('keepPolicies: false')
        del self.api.objects[self.definitions()[0]]
        run(self.app_op, *REMOVED)
        self.assertEqual([], self.definitions())


@base.on_each_release()
class Definitions(object):

    REQUEST = (None, 'armada-request', 'pre', 'apply')

    def setUp(self):
        self.app_op = base.AppOperator()
        self.api = self.app_op._kube.api
        self.change('lifecycle.policies', '_ESTABLISHED_SECONDS', 0)

    def path(self, plural):
        return '%s%s.portieris.cloud.ibm.com' % (api.DEFINITIONS, plural)

    def test_armada_finds_the_kinds_defined(self):
        for _ in range(2):
            run(self.app_op, *self.REQUEST)
            for plural in KINDS:
                versions = self.api.objects[self.path(plural)][
                    'spec']['versions']
                self.assertEqual(['v1'], [each['name'] for each in versions])
                self.assertIn('openAPIV3Schema', versions[0]['schema'])

    def test_a_definition_of_an_older_version_is_brought_up_to_date(self):
        old = self.api.add(self.path('imagepolicies'), spec={
            'versions': [{'name': 'v1', 'schema': {}}]}, status={
                'conditions': [{'type': 'Established', 'status': 'True'}]})
        run(self.app_op, *self.REQUEST)
        self.assertIn('openAPIV3Schema', old['spec']['versions'][0]['schema'])

    def test_a_definition_that_is_not_served_is_logged_only(self):
        self.api.watch = lambda method, path: None
        run(self.app_op, *self.REQUEST)
        self.assertIn(self.path('clusterimagepolicies'), self.api.objects)

    def test_fluxcd_defines_them_itself(self):
        run(self.app_op, None, 'fluxcd-request', 'pre', 'apply')
        self.assertEqual([], self.api.changes)


@base.on_each_release()
class Conversion(object):

    MOMENT = ('manual', 'resource', 'pre', 'apply')
    PLACES = ('namespaces/team/imagepolicies/web',
              'clusterimagepolicies/all')

    def setUp(self):
        self.app_op = base.AppOperator()
        self.api = self.app_op._kube.api
        for place in self.PLACES:
            self.api.add(api.OLD_POLICIES + place, metadata={
                'uid': 'u', 'labels': {'a': 'b'}}, spec={'repositories': [
                    {'name': place, 'policy': {}}]})
        self.api.objects[api.OLD_POLICIES + self.PLACES[0]]['metadata'][
            'namespace'] = 'team'

    def test_policies_of_the_old_group_count_in_the_new_one(self):
        for _ in range(2):
            run(self.app_op, *self.MOMENT)
            for place in self.PLACES:
                new = self.api.objects[api.POLICIES + place]
                self.assertEqual('portieris.cloud.ibm.com/v1',
                                 new['apiVersion'])
                self.assertEqual({'a': 'b'}, new['metadata']['labels'])
                self.assertEqual(place,
                                 new['spec']['repositories'][0]['name'])
                self.assertIn(api.OLD_POLICIES + place, self.api.objects)

    def test_their_kinds_are_defined_before(self):
        run(self.app_op, *self.MOMENT)
        posted = [path for method, path in self.api.changes
                  if method == 'POST']
        self.assertLess(posted.index(api.DEFINITIONS.rstrip('/')),
                        posted.index(api.POLICIES + 'clusterimagepolicies'))

    def test_a_new_policy_of_that_name_stays_as_it_is(self):
        new = self.api.add(api.POLICIES + self.PLACES[0], spec={'my': 'own'})
        run(self.app_op, *self.MOMENT)
        self.assertEqual({'my': 'own'}, new['spec'])

    def test_one_that_was_deleted_since_does_not_come_back(self):
        run(self.app_op, *self.MOMENT)
        del self.api.objects[api.POLICIES + self.PLACES[1]]
        run(self.app_op, *self.MOMENT)
        self.assertNotIn(api.POLICIES + self.PLACES[1], self.api.objects)

    def test_a_run_that_died_before_the_mark_is_finished(self):
        self.api.broken.add('PATCH')
        run(self.app_op, *self.MOMENT)
        self.api.broken.clear()
        run(self.app_op, *self.MOMENT)
        for place in self.PLACES:
            self.assertIn(api.POLICIES + place, self.api.objects)

    def test_one_that_is_refused_does_not_keep_the_others(self):
        self.api.broken.add(api.POLICIES + 'clusterimagepolicies')
        run(self.app_op, *self.MOMENT)
        self.assertIn(api.POLICIES + self.PLACES[0], self.api.objects)
        self.api.broken.clear()
        run(self.app_op, *self.MOMENT)
        self.assertIn(api.POLICIES + self.PLACES[1], self.api.objects)

    def test_without_old_policies_no_kind_is_defined(self):
        for place in self.PLACES:
            del self.api.objects[api.OLD_POLICIES + place]
        run(self.app_op, *self.MOMENT)
        self.assertEqual([], [path for path in self.api.objects
                              if path.startswith(api.DEFINITIONS)])
