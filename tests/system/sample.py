# SPDX-License-Identifier: Apache-2.0
"""A small application: one chart, one wheel whose plugins write down calls."""

import hashlib
import os
import subprocess
import tarfile
import zipfile

import yaml

METADATA = {'app_name': 'sample', 'app_version': '1.0-1',
            'helm_repo': 'stx-platform', 'maintain_user_overrides': True,
            'supported_k8s_version': {'minimum': 'v1.18.1'}}

CHART = {
    'Chart.yaml': 'apiVersion: v1\nname: sample\nversion: %s\n'
                  'description: A config map\nicon: file:///none\n',
    'values.yaml': 'images:\n  tags:\n    main: sample/main:1\n'
                   'replicaCount: 1\ncolour: red\n',
    'templates/configmap.yaml': 'apiVersion: v1\nkind: ConfigMap\n'
                                'metadata:\n  name: sample\ndata:\n'
                                '  colour: {{ .Values.colour | quote }}\n',
}

MANIFESTS = {
    'kustomization.yaml': {
        'apiVersion': 'kustomize.config.k8s.io/v1beta1',
        'kind': 'Kustomization', 'namespace': 'sample',
        'resources': ['base', 'sample']},
    'base/kustomization.yaml': {'resources': ['helmrepository.yaml']},
    'base/helmrepository.yaml': {
        'apiVersion': 'source.toolkit.fluxcd.io/v1',
        'kind': 'HelmRepository', 'metadata': {'name': 'stx-platform'},
        'spec': {'url': 'http://192.0.2.1:8080/helm_charts/stx-platform',
                 'interval': '5m'}},
    'sample/kustomization.yaml': {
        'namespace': 'sample', 'resources': ['helmrelease.yaml'],
        'secretGenerator': [
            {'name': 'sample-static-overrides',
             'files': ['sample-static-overrides.yaml']},
            {'name': 'sample-system-overrides',
             'files': ['sample-system-overrides.yaml']}],
        'generatorOptions': {'disableNameSuffixHash': True}},
    'sample/helmrelease.yaml': {
        'apiVersion': 'helm.toolkit.fluxcd.io/v2', 'kind': 'HelmRelease',
        'metadata': {'name': 'sample'},
        'spec': {
            'releaseName': 'sample-sample', 'interval': '5m',
            'chart': {'spec': {
                'chart': 'sample', 'version': '1.0.1',
                'sourceRef': {'kind': 'HelmRepository',
                              'name': 'stx-platform'}}},
            'upgrade': {'remediation': {'retries': 1}},
            'valuesFrom': [
                {'kind': 'Secret', 'name': 'sample-static-overrides',
                 'valuesKey': 'sample-static-overrides.yaml'},
                {'kind': 'Secret', 'name': 'sample-system-overrides',
                 'valuesKey': 'sample-system-overrides.yaml'}]}},
    'sample/sample-static-overrides.yaml': {'colour': 'static'},
    'sample/sample-system-overrides.yaml': {},
}

ENTRY_POINTS = """\
[systemconfig.helm_applications]
sample = systemconfig.helm_plugins.sample
[systemconfig.helm_plugins.sample]
001_sample = k8sapp_sample.plugins:SampleHelm
[systemconfig.app_lifecycle]
sample = k8sapp_sample.plugins:SampleLifecycle
[systemconfig.fluxcd.kustomize_ops]
sample = k8sapp_sample.plugins:SampleKustomize
"""

# SAMPLE_RECORD names the file the calls go to, SAMPLE_TELLS a socket that may
# be there to hear of them; SAMPLE_RAISE a hook as type/timing/operation, or
# version of it, that is to raise the exception named behind a colon;
# SAMPLE_GATE one that is to wait at the gate named behind an equals sign.
PLUGINS = '''
import json
import os
import socket

from sysinv.common import exception
from sysinv.helm import base
from sysinv.helm import kustomize_base
from sysinv.helm import lifecycle_base


def record(what, **more):
    path = os.environ.get("SAMPLE_RECORD")
    if path:
        with open(path, "a") as record:
            record.write(json.dumps(dict(more, hook=what)) + "\\n")
    try:
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(
            what.encode(), os.environ.get("SAMPLE_TELLS", ""))
    except OSError:
        pass
    hook, _, gate = os.environ.get("SAMPLE_GATE", "").partition("=")
    if hook in (what, "%s@%s" % (what, more.get("version"))):
        waiting = socket.socket(socket.AF_UNIX)
        waiting.connect(gate)
        waiting.recv(1)


class SampleHelm(base.FluxCDBaseHelm):
    CHART = "sample"
    HELM_RELEASE = "sample"
    SUPPORTED_NAMESPACES = ["sample"]
    SUPPORTED_APP_NAMESPACES = {"sample": ["sample"]}

    def get_overrides(self, namespace=None):
        record("overrides")
        overrides = {"sample": {
            "replicaCount": self._num_replicas_for_platform_app(),
            "colour": "system"}}
        if not namespace:
            return overrides
        if namespace in self.SUPPORTED_NAMESPACES:
            return overrides[namespace]
        raise exception.InvalidHelmNamespace(
            chart=self.CHART, namespace=namespace)

    def execute_kustomize_updates(self, operator):
        if not self._is_enabled(operator.APP, self.CHART, "sample"):
            operator.helm_release_resource_delete(self.HELM_RELEASE)


class SampleLifecycle(lifecycle_base.AppLifecycleOperator):

    def app_lifecycle_actions(self, context, conductor_obj, app_op, app,
                              hook_info):
        name = "/".join(str(part) for part in (
            hook_info.lifecycle_type, hook_info.relative_timing,
            hook_info.operation))
        record(name, mode=hook_info.mode, extra=hook_info.extra,
               version=app.version, status=app.status,
               conductor=conductor_obj is not None)
        wanted, _, kind = os.environ.get("SAMPLE_RAISE", "").partition(":")
        if wanted in (name, "%s@%s" % (name, app.version)):
            raise getattr(exception, kind)("sample says no")
        if hook_info.lifecycle_type == "check":
            super(SampleLifecycle, self).app_lifecycle_actions(
                context, conductor_obj, app_op, app, hook_info)


class SampleKustomize(kustomize_base.FluxCDKustomizeOperator):
    APP = "sample"

    def platform_mode_kustomize_updates(self, dbapi, mode):
        pass
'''


class Sample(object):
    """The unpacked application; change it, then pack it."""

    def __init__(self, folder, version='1.0-1', metadata=None, wheel=True):
        self.folder = str(folder)
        self.version = version
        dotted = version.replace('-', '.')
        content = dict(METADATA, app_version=version, **(metadata or {}))
        self.write('metadata.yaml', {key: value for key, value in
                                     content.items() if value is not None})
        for name, document in MANIFESTS.items():
            self.write('fluxcd-manifests/' + name, document)
        self.change('sample/helmrelease.yaml', lambda release: release[
            'spec']['chart']['spec'].update(version=dotted))
        self.pack_chart(dotted)
        if wheel:
            self.pack_wheel(dotted)

    def path(self, name):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def write(self, name, content):
        with open(self.path(name), 'w') as stored:
            if isinstance(content, str):
                stored.write(content)
            elif content:
                yaml.safe_dump(content, stored)

    def change(self, name, edit):
        """Edit one of the manifests in place."""
        with open(self.path('fluxcd-manifests/' + name)) as stored:
            content = yaml.safe_load(stored)
        edit(content)
        self.write('fluxcd-manifests/' + name, content)

    def pack_chart(self, version, **changed):
        chart = self.path('charts/sample-%s.tgz' % version)
        source = self.folder + '-chart'
        for name, text in dict(CHART, **changed).items():
            path = os.path.join(source, 'sample', name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, 'w') as stored:
                stored.write(text % version if '%s' in text else text)
        with tarfile.open(chart, 'w:gz') as packed:
            packed.add(os.path.join(source, 'sample'), 'sample')

    def pack_wheel(self, version, plugins=PLUGINS, entry_points=ENTRY_POINTS):
        info = 'k8sapp_sample-%s.dist-info/' % version
        members = {
            'k8sapp_sample/__init__.py': '',
            'k8sapp_sample/plugins.py': plugins,
            info + 'METADATA': 'Metadata-Version: 2.1\nName: k8sapp-sample\n'
                               'Version: %s\n' % version,
            info + 'WHEEL': 'Wheel-Version: 1.0\nGenerator: test\n'
                            'Root-Is-Purelib: true\n'
                            'Tag: py2-none-any\nTag: py3-none-any\n',
            info + 'entry_points.txt': entry_points,
        }
        members[info + 'RECORD'] = ''.join(
            '%s,,\n' % name for name in list(members) + [info + 'RECORD'])
        wheel = self.path('plugins/k8sapp_sample-%s-py2.py3-none-any.whl'
                          % version)
        with zipfile.ZipFile(wheel, 'w') as packed:
            for name, text in members.items():
                packed.writestr(name, text)

    def checksum(self):
        lines = []
        for folder, _, names in sorted(os.walk(self.folder)):
            for name in sorted(names):
                if not name.endswith('.md5'):
                    path = os.path.join(folder, name)
                    with open(path, 'rb') as content:
                        made = hashlib.md5(content.read()).hexdigest()
                    lines.append('%s  ./%s\n' % (
                        made, os.path.relpath(path, self.folder)))
        self.write('checksum.md5', ''.join(lines))

    def pack(self, name=None):
        """Return the path of the tarball."""
        target = os.path.join(os.path.dirname(self.folder),
                              name or 'sample-%s.tgz' % self.version)
        subprocess.run(['tar', '-C', self.folder, '-zcf', target, '.'],
                       check=True)
        return target
