# SPDX-License-Identifier: Apache-2.0
"""Namespaces and registry secrets of an application."""

import time

from sysinv.common import exception
from sysinv.helm import common

_NAMESPACE_DELETE_SECONDS = 300


def _namespaces(app_op, app):
    by_chart = app_op._helm.get_helm_application_namespaces(app.name)
    return sorted({each for some in by_chart.values() for each in some})


def create_local_registry_secrets(app_op, app, hook_info):
    """Give each namespace of the app, made if need be, the pull secret."""
    name = app_op.DOCKER_REGISTRY_SECRET
    source = app_op._kube.kube_get_secret(name, common.HELM_NS_KUBE_SYSTEM)
    for namespace in _namespaces(app_op, app):
        if namespace == common.HELM_NS_HELM_TOOLKIT:
            continue
        if app_op._kube.kube_get_secret(name, namespace) is not None:
            continue
        if not app_op._kube.kube_get_namespace(namespace):
            app_op._kube.kube_create_namespace(namespace)
        app_op._kube.kube_create_secret(namespace, {
            'type': 'kubernetes.io/dockerconfigjson',
            'metadata': {'name': name, 'namespace': namespace},
            'data': {
                '.dockerconfigjson': source.data['.dockerconfigjson']},
        })


def delete_local_registry_secrets(app_op, app, hook_info):
    for namespace in _namespaces(app_op, app):
        if namespace not in (common.HELM_NS_HELM_TOOLKIT,
                             common.HELM_NS_KUBE_SYSTEM):
            app_op._kube.kube_delete_secret(
                app_op.DOCKER_REGISTRY_SECRET, namespace,
                grace_period_seconds=0)


def add_pod_security_admission_controller_labels(app_op, app, hook_info):
    """Allow privileged pods in those namespaces that are known for it."""
    for namespace in _namespaces(app_op, app):
        if namespace in common.PRIVILEGED_NS:
            app_op._kube.kube_patch_namespace(namespace, {
                'metadata': {'labels': dict(
                    [('pod-security.kubernetes.io/%s' % mode, 'privileged')
                     for mode in ('enforce', 'audit', 'warn')]
                    + [('pod-security.kubernetes.io/%s-version' % mode,
                        common.POD_SECURITY_VERSION)
                       for mode in ('enforce', 'audit', 'warn')])}})


def delete_namespace(app_op, namespace):
    """Delete a namespace and wait until it is gone."""
    app_op._kube.kube_delete_namespace(namespace, grace_periods_seconds=0)
    deadline = time.time() + _NAMESPACE_DELETE_SECONDS
    while app_op._kube.kube_get_namespace(namespace):
        if time.time() > deadline:
            raise exception.KubeNamespaceDeleteTimeout(name=namespace)
        time.sleep(1)
