# SPDX-License-Identifier: Apache-2.0
"""The cluster as sysinv hands it to a plugin, on the kubernetes client.

The client is imported when the first call needs it: unit tests replace
KubeOperator and run where the client is not installed.
"""

from __future__ import absolute_import

import os

KUBERNETES_ADMIN_CONF = '/etc/kubernetes/admin.conf'
_NOT_FOUND = 404


class KubeOperator(object):
    """One method per call; a missing object is None, [] or silence."""

    def __init__(self, host=None):
        self._host = host
        self._core = None

    def _get_kubernetesclient_core(self):
        if self._core is None:
            from kubernetes import client
            from kubernetes import config
            settings = client.Configuration()
            config.load_kube_config(
                config_file=os.environ.get('KUBECONFIG',
                                           KUBERNETES_ADMIN_CONF),
                client_configuration=settings)
            if self._host:
                settings.host = self._host
            self._core = client.CoreV1Api(client.ApiClient(settings))
        return self._core

    @staticmethod
    def _found(call, *args, **kwargs):
        """Return the object, or None where there is none."""
        try:
            return call(*args, **kwargs)
        except Exception as error:
            if getattr(error, 'status', None) != _NOT_FOUND:
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

    def kube_delete_secret(self, name, namespace, **kwargs):
        core = self._get_kubernetesclient_core()
        self._found(core.delete_namespaced_secret, name, namespace,
                    body=dict(kwargs))

    # Pods.

    def kube_get_pods_by_selector(self, namespace, label_selector,
                                  field_selector):
        core = self._get_kubernetesclient_core()
        return core.list_namespaced_pod(
            namespace, label_selector=label_selector,
            field_selector=field_selector).items
