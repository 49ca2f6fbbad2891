# SPDX-License-Identifier: Apache-2.0
"""An application as StarlingX shipped it before 2.0, in three shapes.

Written to what is known of them: names, labels, selectors, hooks, the second
chart of the first two, and a plugin that relaxes the webhook through the
user's overrides. Jobs of the first shape are hook objects here, which leave
the same behind: objects that Helm does not know. The server is that of this
repository under the old name, for IBM's image cannot be had here.
"""

import hashlib
import os
import subprocess
import tarfile
import zipfile

import yaml

# The releases that had this shape.
HOOKS = '7.0'
TWO_CHARTS = '10.0'
ONE_CHART = '11.0'
VERSIONS = {HOOKS: '0.7.0', TWO_CHARTS: '0.13.16', ONE_CHART: '0.13.28'}
IMAGES = {HOOKS: 'docker.io/starlingx/portieris:stx.7.0-v0.7.0',
          TWO_CHARTS: 'icr.io/portieris/portieris:v0.13.16',
          ONE_CHART: 'icr.io/portieris/portieris:v0.13.28'}
# Chart and key of the override that holds the CA.
CA = {HOOKS: ('portieris-certs', 'caCert'),
      TWO_CHARTS: ('portieris-certs', 'caCert'),
      ONE_CHART: ('portieris', 'TrustedCACert')}

LABELS = """\
  labels:
    app: portieris
    chart: {{ .Chart.Name }}-{{ .Chart.Version }}
    release: {{ .Release.Name }}
    heritage: {{ .Release.Service }}
"""

# Annotations of an object that only exists because of a hook.
HOOK = """\
  annotations:
    helm.sh/hook: %s
    helm.sh/hook-weight: "%d"
"""

ACCOUNT = """\
apiVersion: v1
kind: ServiceAccount
imagePullSecrets:
  - name: {{ .Values.image.pullSecret }}
metadata:
  name: portieris
  namespace: {{ .Release.Namespace }}
%(labels)s%(account)s---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: portieris
%(labels)s%(role)srules:
  - apiGroups: [portieris.cloud.ibm.com]
    resources: [imagepolicies, clusterimagepolicies]
    verbs: [get, watch, list, create, patch]
  # IBM's server needs no more than "get" of the first two.
  - apiGroups: [""]
    resources: [secrets, serviceaccounts, configmaps]
    verbs: [get, list, watch]
  - apiGroups: ["", apps, batch]
    resources: [pods, replicationcontrollers, deployments, replicasets,
                daemonsets, statefulsets, jobs, cronjobs]
    verbs: [get]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: admission-portieris-webhook
%(labels)s%(role)sroleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: portieris
subjects:
  - kind: ServiceAccount
    name: portieris
    namespace: {{ .Release.Namespace }}
"""

SERVER = """\
apiVersion: v1
kind: Service
metadata:
  name: portieris
  namespace: {{ .Release.Namespace }}
%(labels)sspec:
  ports:
    - name: https
      port: 443
      targetPort: 8000
  selector:
    app: portieris
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
  namespace: {{ .Release.Namespace }}
%(labels)sspec:
  replicas: {{ .Values.replicaCount }}
  selector:
    matchLabels:
      app: portieris
      release: {{ .Release.Name }}
  template:
    metadata:
      labels:
        app: portieris
        release: {{ .Release.Name }}
    spec:
      serviceAccountName: portieris
      securityContext:
        runAsUser: 1000060001
      containers:
        - name: portieris
          image: "{{ .Values.image.host }}/portieris:{{ .Values.image.tag }}"
          # Not at home here: IBM's server exempts no namespace.
          command: [/portieris, --alsologtostderr, -v=4,
                    --namespace=kube-public]
          readinessProbe:
            httpGet: {port: 8000, path: /health/readiness, scheme: HTTPS}
            periodSeconds: 1
          volumeMounts:
            - {name: certs, readOnly: true, mountPath: /etc/certs}
      volumes:
        - name: certs
          secret: {secretName: portieris-certs}
"""

WEBHOOK = """\
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata:
  name: image-admission-config
%(labels)s  annotations:
    cert-manager.io/inject-ca-from: {{ .Release.Namespace }}/portieris-certs
%(hook)swebhooks:
  - name: trust.hooks.securityenforcement.admission.cloud.ibm.com
    clientConfig:
      service: {name: portieris, namespace: portieris, path: /admit}
    rules: %(rules)s
    failurePolicy: {{ .Values.webHooks.failurePolicy }}
    timeoutSeconds: 30
    sideEffects: None
    admissionReviewVersions: [v1]
"""
RULES = """
      - operations: [CREATE, UPDATE]
        apiGroups: ["*"]
        apiVersions: ["*"]
        resources: [pods, deployments, replicationcontrollers, replicasets,
                    daemonsets, statefulsets, jobs, cronjobs]"""

DEFINITION = """\
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: %(plural)s.%(group)s
spec:
  group: %(group)s
  scope: %(scope)s
  names:
    plural: %(plural)s
    singular: %(singular)s
    kind: %(kind)s
    listKind: %(kind)sList
  versions:
    - name: %(version)s
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          x-kubernetes-preserve-unknown-fields: true
"""
# The group of policies before 8.0.
OLD_GROUP = 'securityenforcement.admission.cloud.ibm.com'

POLICIES = """\
apiVersion: portieris.cloud.ibm.com/v1
kind: ImagePolicy
metadata:
  name: default
  namespace: {{ .Release.Namespace }}
  annotations: {helm.sh/hook: post-install, helm.sh/hook-weight: "1"}
spec:
  repositories:
    - name: "{{ .Values.image.host }}/portieris"
---
apiVersion: portieris.cloud.ibm.com/v1
kind: ClusterImagePolicy
metadata:
  name: default
  annotations: {helm.sh/hook: post-install, helm.sh/hook-weight: "1"}
spec:
  repositories:
    - name: "*"
"""

# What a Job was fed with, and what is left of it.
LEFTOVER = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: image-policy-crds
  namespace: {{ .Release.Namespace }}
  annotations: {helm.sh/hook: pre-install}
data: {}
"""

BUDGET = """\
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ .Release.Name }}
  namespace: {{ .Release.Namespace }}
spec:
  minAvailable: 1
  selector:
    matchLabels: {app: portieris}
"""

CERTIFICATE = """\
apiVersion: cert-manager.io/v1
kind: Issuer
metadata:
  name: %(issuer)s
  namespace: portieris
spec:
  selfSigned: {}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata:
  name: portieris-certs
  namespace: portieris
spec:
  dnsNames: [portieris.portieris.svc]
  issuerRef: {name: %(issuer)s}
  secretName: portieris-certs
"""

# The second chart fills the Secret that cert-manager writes.
CA_SECRET = """\
apiVersion: v1
kind: Secret
metadata:
  name: portieris-certs
  namespace: portieris
type: kubernetes.io/tls
data:
  ca.pem: {{ .Values.caCert | quote }}
  tls.crt: ""
  tls.key: ""
"""
TRUSTED = """\
{{- if .Values.TrustedCACert }}
apiVersion: v1
kind: Secret
metadata:
  name: trusted-cert
  namespace: {{ .Release.Namespace }}
data:
  trustedcert.pem: {{ .Values.TrustedCACert | quote }}
{{- end }}
"""

PLUGIN = '''
import yaml

from sysinv.helm import base
from sysinv.helm import lifecycle_base


class Chart(base.FluxCDBaseHelm):
    SUPPORTED_NAMESPACES = ["portieris"]
    SUPPORTED_APP_NAMESPACES = {"portieris": ["portieris"]}

    def get_overrides(self, namespace=None):
        return {} if namespace else {"portieris": {}}


class Portieris(Chart):
    CHART = HELM_RELEASE = "portieris"


class PortierisCerts(Chart):
    CHART = HELM_RELEASE = "portieris-certs"


class Lifecycle(lifecycle_base.AppLifecycleOperator):

    def app_lifecycle_actions(self, context, conductor_obj, app_op, app,
                              hook_info):
        if (hook_info.mode, hook_info.lifecycle_type,
                hook_info.operation) == ("manual", "check", "update"):
            self.relax(app_op._dbapi)
        super(Lifecycle, self).app_lifecycle_actions(
            context, conductor_obj, app_op, app, hook_info)

    def relax(self, dbapi):
        app_id = dbapi.kube_app_get("portieris").id
        row = dbapi.helm_override_get(app_id, "portieris", "portieris")
        values = yaml.safe_load(row.user_overrides or "") or {}
        hooks = values.setdefault("webHooks", {})
        values["PostUpgradePolicy"] = hooks.get("failurePolicy", "~")
        hooks["failurePolicy"] = "Ignore"
        dbapi.helm_override_update(
            app_id, "portieris", "portieris",
            {"user_overrides": yaml.safe_dump(values)})
'''

ENTRY_POINTS = """\
[systemconfig.helm_applications]
portieris = systemconfig.helm_plugins.portieris
[systemconfig.helm_plugins.portieris]
001_portieris-certs = k8sapp_portieris.older:PortierisCerts
002_portieris = k8sapp_portieris.older:Portieris
[systemconfig.app_lifecycle]
portieris = k8sapp_portieris.older:Lifecycle
"""


def definitions(group, version):
    """Return the kinds of policies, as YAML."""
    return ''.join(DEFINITION % {
        'group': group, 'version': version, 'plural': plural,
        'singular': kind.lower(), 'kind': kind, 'scope': scope,
    } for plural, kind, scope in (
        ('imagepolicies', 'ImagePolicy', 'Namespaced'),
        ('clusterimagepolicies', 'ClusterImagePolicy', 'Cluster')))


def platform_reference(shape):
    return 'registry.local:9001/' + IMAGES[shape]


def make_tarball(folder, shape):
    """Write the tarball of an older application; return its path."""
    folder = str(folder)
    root = os.path.join(folder, 'portieris-' + shape)
    host, _, tag = IMAGES[shape].rpartition(':')
    _chart(root, 'portieris', VERSIONS[shape], {
        'replicaCount': 1, 'images': {'tags': {'portieris': IMAGES[shape]}},
        'image': {'host': 'registry.local:9001/' + host.rpartition('/')[0],
                  'tag': tag, 'pullSecret': 'default-registry-key'},
        'webHooks': {'failurePolicy': 'Fail'}, 'TrustedCACert': ''},
        # Helm makes no mark of its own on what lies in crds/.
        dict(_templates(shape), **{'crds/policies.yaml': definitions(
            'portieris.cloud.ibm.com', 'v1')}))
    charts = {'portieris': VERSIONS[shape]}
    if shape != ONE_CHART:
        # FluxCD installs both at once; here the first waits for the second.
        charts = {'portieris-certs': '0.1.0', 'portieris': VERSIONS[shape]}
        _chart(root, 'portieris-certs', '0.1.0', {'caCert': ''}, {
            'templates/secret.yaml': CA_SECRET,
            'templates/certificate.yaml': CERTIFICATE % {
                'issuer': 'stx-portieris'}})
    _write(root, 'metadata.yaml', {
        'app_name': 'portieris', 'app_version': '1.0-50',
        'helm_repo': 'stx-platform', 'maintain_user_overrides': True,
        'supported_k8s_version': {'minimum': 'v1.18.1'}})
    _manifests(root, charts)
    _wheel(root)
    return _pack(root, os.path.join(folder, 'portieris-1.0-50.tgz'))


def _templates(shape):
    def hook(when, weight):
        return HOOK % (when, weight) if shape == HOOKS else ''
    templates = {
        'templates/account.yaml': ACCOUNT % {
            'labels': LABELS, 'account': hook('pre-install', -7),
            'role': hook('pre-install', -9)},
        'templates/server.yaml': SERVER % {'labels': LABELS},
        'templates/policies.yaml': POLICIES,
    }
    # Annotations go on below those of the object.
    real = WEBHOOK % {
        'labels': LABELS, 'rules': RULES, 'hook': '    helm.sh/hook: %s\n' % (
            'post-install' if shape == HOOKS
            else 'post-install,post-upgrade,post-rollback')}
    if shape == HOOKS:
        templates.update({'templates/webhooks.yaml': real,
                          'templates/crd-creation.yaml': LEFTOVER})
    else:
        inert = WEBHOOK % {'labels': LABELS, 'rules': '[]', 'hook': ''}
        templates.update({
            'templates/webhooks.yaml': inert + '---\n' + real,
            'templates/pdb.yaml': BUDGET})
    if shape == ONE_CHART:
        templates.update({
            'templates/trusted.yaml': TRUSTED,
            'templates/secret.yaml': CERTIFICATE % {'issuer': 'portieris'}})
    return templates


def _write(root, name, content):
    path = os.path.join(root, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w', encoding='utf-8') as out:
        out.write(content if isinstance(content, str)
                  else yaml.safe_dump(content))
    return path


def _chart(root, name, version, values, files):
    source = '%s-%s-chart' % (root, name)
    _write(source, 'Chart.yaml', {
        'apiVersion': 'v1', 'name': name, 'version': version,
        'description': 'An older chart', 'icon': 'file:///none'})
    _write(source, 'values.yaml', values)
    for path, text in files.items():
        _write(source, path, text)
    os.makedirs(os.path.join(root, 'charts'), exist_ok=True)
    with tarfile.open(os.path.join(root, 'charts', '%s-%s.tgz' % (
            name, version)), 'w:gz') as packed:
        packed.add(source, name)


def _manifests(root, charts):
    _write(root, 'fluxcd-manifests/kustomization.yaml', {
        'apiVersion': 'kustomize.config.k8s.io/v1beta1',
        'kind': 'Kustomization', 'namespace': 'portieris',
        'resources': ['base'] + list(charts)})
    _write(root, 'fluxcd-manifests/base/kustomization.yaml',
           {'resources': ['helmrepository.yaml']})
    _write(root, 'fluxcd-manifests/base/helmrepository.yaml', {
        'apiVersion': 'source.toolkit.fluxcd.io/v1',
        'kind': 'HelmRepository', 'metadata': {'name': 'stx-platform'},
        'spec': {'url': 'http://192.0.2.1:8080/helm_charts/stx-platform',
                 'interval': '60m'}})
    for name, version in charts.items():
        overrides = ['%s-%s-overrides' % (name, kind)
                     for kind in ('static', 'system')]
        base = 'fluxcd-manifests/%s/' % name
        _write(root, base + 'kustomization.yaml', {
            'namespace': 'portieris', 'resources': ['helmrelease.yaml'],
            'secretGenerator': [{'name': each, 'files': [each + '.yaml']}
                                for each in overrides],
            'generatorOptions': {'disableNameSuffixHash': True}})
        for each in overrides:
            _write(root, base + each + '.yaml', '')
        _write(root, base + 'helmrelease.yaml', {
            'apiVersion': 'helm.toolkit.fluxcd.io/v2', 'kind': 'HelmRelease',
            'metadata': {'name': name},
            'spec': {'releaseName': 'portieris-' + name, 'interval': '1m',
                     'timeout': '2m', 'chart': {'spec': {
                         'chart': name, 'version': version,
                         'sourceRef': {'kind': 'HelmRepository',
                                       'name': 'stx-platform'}}},
                     'valuesFrom': [{'kind': 'Secret', 'name': each,
                                     'valuesKey': each + '.yaml'}
                                    for each in overrides]}})


def _wheel(root):
    info = 'k8sapp_portieris-1.0.50.dist-info/'
    members = {
        'k8sapp_portieris/__init__.py': '',
        'k8sapp_portieris/older.py': PLUGIN,
        info + 'METADATA': 'Metadata-Version: 2.1\nName: k8sapp-portieris\n'
                           'Version: 1.0.50\n',
        info + 'WHEEL': 'Wheel-Version: 1.0\nGenerator: test\n'
                        'Root-Is-Purelib: true\nTag: py2-none-any\n'
                        'Tag: py3-none-any\n',
        info + 'entry_points.txt': ENTRY_POINTS,
    }
    members[info + 'RECORD'] = ''.join(
        '%s,,\n' % name for name in list(members) + [info + 'RECORD'])
    wheel = os.path.join(
        root, 'plugins/k8sapp_portieris-1.0.50-py2.py3-none-any.whl')
    os.makedirs(os.path.dirname(wheel), exist_ok=True)
    with zipfile.ZipFile(wheel, 'w') as packed:
        for name, text in members.items():
            packed.writestr(name, text)


def _pack(root, path):
    _checksum(root)
    subprocess.run(['tar', '-C', root, '-zcf', path, '.'], check=True)
    return path


def _checksum(root):
    lines = []
    for folder, _, names in sorted(os.walk(root)):
        for name in sorted(set(names) - {'checksum.md5'}):
            path = os.path.join(folder, name)
            with open(path, 'rb') as content:
                lines.append('%s  ./%s\n' % (
                    hashlib.md5(content.read()).hexdigest(),
                    os.path.relpath(path, root)))
    _write(root, 'checksum.md5', ''.join(lines))


def with_timeout(tarball, folder, timeout):
    """Return a copy of an application that waits that long for its pods."""
    root = os.path.join(str(folder), 'impatient')
    os.makedirs(root)
    subprocess.run(['tar', '-C', root, '-xf', tarball], check=True)
    path = os.path.join(root, 'fluxcd-manifests/portieris/helmrelease.yaml')
    with open(path, encoding='utf-8') as stored:
        release = yaml.safe_load(stored)
    release['spec']['timeout'] = timeout
    _write(root, os.path.relpath(path, root), release)
    return _pack(root, os.path.join(str(folder),
                                    os.path.basename(tarball)))
