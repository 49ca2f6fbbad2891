# SPDX-License-Identifier: Apache-2.0
"""Namespaces: labels that others look for, and waiting for an old one."""

from k8sapp_portieris.lifecycle import cluster as clusters

# From Kubernetes 1.21 on every namespace has it, and the webhook's selector
# knows the exempt namespaces by it.
NAME_LABEL = 'kubernetes.io/metadata.name'

_GONE_SECONDS = 120


def path_of(name):
    return '/api/v1/namespaces/' + name


def label(cluster, name, labels):
    """Give a namespace that is there the labels it lacks; tell if so."""
    found = cluster.get(path_of(name))
    if found is None:
        return False
    has = found['metadata'].get('labels') or {}
    missing = {key: value for key, value in labels.items()
               if has.get(key) != value}
    if missing:
        cluster.patch(path_of(name), {'metadata': {'labels': missing}})
    return bool(missing)


def wait_while_terminating(cluster, name):
    """Wait for a deletion that has begun; return whether it is done.

    Nothing can be created in a namespace that is on its way out: an apply
    right after a removal that was given up would fail.
    """
    def is_settled():
        found = cluster.get(path_of(name))
        return found is None or not found['metadata'].get(
            'deletionTimestamp')
    return bool(clusters.wait_until(is_settled, _GONE_SECONDS))
