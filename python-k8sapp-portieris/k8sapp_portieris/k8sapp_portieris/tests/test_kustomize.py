# SPDX-License-Identifier: Apache-2.0
"""The FluxCD plugin: one set of manifests on every release that has it."""

import io
import os
import shutil
import tempfile

import yaml

from k8sapp_portieris.tests import base

FILES = {
    'kustomization.yaml': '''\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: portieris
resources: [base, portieris]
''',
    'base/helmrepository.yaml': '''\
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {name: stx-platform}
spec: {url: "http://192.0.2.1:8080/helm_charts/stx-platform"}
''',
    'portieris/kustomization.yaml': '''\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: portieris
resources: [helmrelease.yaml]
''',
    'portieris/helmrelease.yaml': '''\
# A comment.
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: portieris}
spec: {releaseName: portieris-portieris}
''',
    'portieris/portieris-system-overrides.yaml': '',
}


@base.on_each_release(since='stx.7.0')
class Kustomize(object):

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        for name, text in FILES.items():
            path = os.path.join(self.folder, name)
            if not os.path.isdir(os.path.dirname(path)):
                os.makedirs(os.path.dirname(path))
            with io.open(path, 'w', encoding='utf-8') as file:
                file.write(u'%s' % text)
        self.operator = base.plugin('kustomize.kustomize_portieris') \
            .PortierisFluxCDKustomizeOperator()

    def read(self, name):
        with io.open(os.path.join(self.folder, name),
                     encoding='utf-8') as file:
            return yaml.safe_load(file)

    def test_the_api_versions_are_those_of_the_platform(self):
        new = self.is_at_least('stx.10.0')
        for _ in range(2):
            self.operator.load(self.folder)
            self.assertEqual(
                'helm.toolkit.fluxcd.io/' + ('v2' if new else 'v2beta1'),
                self.read('portieris/helmrelease.yaml')['apiVersion'])
            self.assertEqual(
                'source.toolkit.fluxcd.io/' + ('v1' if new else 'v1beta1'),
                self.read('base/helmrepository.yaml')['apiVersion'])

    def versions(self, **constants):
        self.change('kustomize.kustomize_portieris', 'constants',
                    base.Row(**constants))
        self.operator.load(self.folder)
        return [self.read(name)['apiVersion'].partition('/')[2] for name in (
            'portieris/helmrelease.yaml', 'base/helmrepository.yaml')]

    def test_a_platform_that_names_no_versions_has_the_oldest(self):
        self.assertEqual(['v2beta1', 'v1beta1'], self.versions())

    def test_the_repository_goes_with_the_release(self):
        self.assertEqual(['v2', 'v1'], self.versions(
            FLUXCD_CRD_HELM_REL_VERSION='v2'))
        self.assertEqual(['v2beta1', 'v1beta1'], self.versions(
            FLUXCD_CRD_HELM_REL_VERSION='v2beta1'))

    def test_nothing_but_the_version_changes_in_the_release(self):
        before = self.read('portieris/helmrelease.yaml')
        self.operator.load(self.folder)
        after = self.read('portieris/helmrelease.yaml')
        self.assertEqual(dict(before, apiVersion=after['apiVersion']), after)

    def test_a_release_that_fits_is_not_rewritten(self):
        if not self.is_at_least('stx.10.0'):
            self.operator.load(self.folder)
        path = os.path.join(self.folder, 'portieris/helmrelease.yaml')
        before = os.stat(path)
        self.operator.load(self.folder)
        self.assertEqual(before.st_mtime, os.stat(path).st_mtime)
        self.assertEqual(before.st_ino, os.stat(path).st_ino)

    def test_a_disabled_release_leaves_the_kustomization(self):
        self.operator.load(self.folder)
        self.operator.platform_mode_kustomize_updates(None, None)
        self.operator.helm_release_resource_delete('portieris')
        self.operator.save_kustomization_updates()
        self.operator.save_release_cleanup_data()
        self.assertEqual(['base'],
                         self.read('kustomization.yaml')['resources'])
        self.assertEqual(
            [{'name': 'portieris', 'namespace': 'portieris'}],
            self.read('helmrelease_cleanup.yaml')['releases'])

    def test_it_has_a_name_so_that_sysinv_asks_the_chart_plugins(self):
        self.assertEqual('portieris', self.operator.APP)
