# SPDX-License-Identifier: Apache-2.0
"""The cluster as sysinv hands it to a plugin, on the kubernetes client.

The client is imported when the first call needs it: unit tests replace
KubeOperator and run where the client is not installed.
"""

from __future__ import absolute_import

import os

KUBERNETES_ADMIN_CONF = '/etc/kubernetes/admin.conf'
_NOT_FOUND = 404


def _is_not_found(error):
    return getattr(error, 'status', None) == _NOT_FOUND


class KubeOperator(object):
    """One method per call; a missing object is None, [] or silence."""

    def __init__(self, host=None):
        self._host = host
        self._apis = {}

    def _api(self, kind):
        if kind not in self._apis:
            from kubernetes import client
            from kubernetes import config
            settings = client.Configuration()
            config.load_kube_config(
                config_file=os.environ.get('KUBECONFIG',
                                           KUBERNETES_ADMIN_CONF),
                client_configuration=settings)
            if self._host:
                settings.host = self._host
            self._apis[kind] = getattr(client, kind)(
                client.ApiClient(settings))
        return self._apis[kind]

    def _get_kubernetesclient_core(self):
        return self._api('CoreV1Api')

    def _get_kubernetesclient_custom_objects(self):
        return self._api('CustomObjectsApi')

    def _get_kubernetesclient_admission_registration(self):
        return self._api('AdmissionregistrationV1Api')

    def _get_kubernetesclient_apps_v1_api(self):
        return self._api('AppsV1Api')

    @staticmethod
    def _found(call, *args, **kwargs):
        """Return the object, or None where there is none."""
        try:
            return call(*args, **kwargs)
        except Exception as error:
            if not _is_not_found(error):
                raise
            return None

    # Namespaces.

    def kube_get_namespace(self, namespace):
        core = self._get_kubernetesclient_core()
        return self._found(core.read_namespace, namespace) is not None

    def kube_create_namespace(self, namespace):
        core = self._get_kubernetesclient_core()
        return core.create_namespace({'metadata': {'name': namespace}})

    def kube_patch_namespace(self, namespace, body):
        core = self._get_kubernetesclient_core()
        return core.patch_namespace(namespace, body)

    def kube_delete_namespace(self, namespace, **kwargs):
        # lifecycle_utils passes grace_periods_seconds, which is no option
        # of the client: sysinv turns every keyword into the body.
        core = self._get_kubernetesclient_core()
        self._found(core.delete_namespace, namespace, body=dict(kwargs))

    # Secrets.

    def kube_get_secret(self, name, namespace):
        core = self._get_kubernetesclient_core()
        return self._found(core.read_namespaced_secret, name, namespace)

    def kube_create_secret(self, namespace, body):
        core = self._get_kubernetesclient_core()
        return core.create_namespaced_secret(namespace, body)

    def kube_copy_secret(self, name, src_namespace, dst_namespace):
        core = self._get_kubernetesclient_core()
        source = core.read_namespaced_secret(name, src_namespace)
        return core.create_namespaced_secret(dst_namespace, {
            'metadata': {'name': name},
            'type': source.type,
            'data': source.data,
        })

    def kube_delete_secret(self, name, namespace, **kwargs):
        core = self._get_kubernetesclient_core()
        self._found(core.delete_namespaced_secret, name, namespace,
                    body=dict(kwargs))

    # Workloads.

    def kube_get_pods_by_selector(self, namespace, label_selector,
                                  field_selector):
        core = self._get_kubernetesclient_core()
        return core.list_namespaced_pod(
            namespace, label_selector=label_selector,
            field_selector=field_selector).items

    def kube_get_namespaced_deployment(self, name, namespace):
        apps = self._get_kubernetesclient_apps_v1_api()
        return self._found(apps.read_namespaced_deployment, name, namespace)

    # Admission webhooks.

    def kube_get_mutating_webhook_configurations_by_selector(
            self, label_selector, field_selector):
        admission = self._get_kubernetesclient_admission_registration()
        return admission.list_mutating_webhook_configuration(
            label_selector=label_selector,
            field_selector=field_selector).items

    def kube_delete_mutating_webhook_configuration(self, name, **kwargs):
        admission = self._get_kubernetesclient_admission_registration()
        self._found(admission.delete_mutating_webhook_configuration, name,
                    body=dict(kwargs))

    # Custom resources.

    def get_custom_resource(self, group, version, namespace, plural, name):
        custom = self._get_kubernetesclient_custom_objects()
        return self._found(custom.get_namespaced_custom_object,
                           group, version, namespace, plural, name)

    def list_custom_resources(self, group, version, plural, pretty=False,
                              label_selector='', resource_version='',
                              watch=False):
        custom = self._get_kubernetesclient_custom_objects()
        found = self._found(custom.list_cluster_custom_object,
                            group, version, plural,
                            label_selector=label_selector)
        return (found or {}).get('items', [])

    def apply_custom_resource(self, group, version, namespace, plural, name,
                              body):
        custom = self._get_kubernetesclient_custom_objects()
        if self.get_custom_resource(group, version, namespace, plural, name):
            custom.patch_namespaced_custom_object(
                group, version, namespace, plural, name, body)
        else:
            custom.create_namespaced_custom_object(
                group, version, namespace, plural, body)

    def delete_custom_resource(self, group, version, namespace, plural,
                               name):
        custom = self._get_kubernetesclient_custom_objects()
        self._found(custom.delete_namespaced_custom_object,
                    group, version, namespace, plural, name)

    def get_clusterwide_custom_resource(self, group, version, plural, name):
        custom = self._get_kubernetesclient_custom_objects()
        return self._found(custom.get_cluster_custom_object,
                           group, version, plural, name)

    def delete_clusterwide_custom_resource(self, group, version, plural,
                                           name):
        custom = self._get_kubernetesclient_custom_objects()
        self._found(custom.delete_cluster_custom_object,
                    group, version, plural, name)
