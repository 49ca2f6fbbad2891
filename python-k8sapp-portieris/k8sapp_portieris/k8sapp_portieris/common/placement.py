# SPDX-License-Identifier: Apache-2.0
"""Whether the hosts have room for the servers, as their owner wants them."""

# What the chart's pods are labelled with.
LABELS = {'app': 'portieris', 'release': 'portieris-portieris',
          'app.kubernetes.io/name': 'portieris',
          'app.kubernetes.io/instance': 'portieris-portieris'}
REQUIRED = 'requiredDuringSchedulingIgnoredDuringExecution'
PREFERRED = 'preferredDuringSchedulingIgnoredDuringExecution'


def about(values, replicas, nodes):
    """Return sentences about user overrides that no server can start with.

    ``nodes`` are those of the cluster. More servers than controllers are no
    harm in themselves: by default they only prefer hosts of their own.
    """
    wanted = _dict(values.get('nodeSelector'))
    hosts = [labels for labels in (
        node['metadata'].get('labels') or {} for node in nodes)
        if all(labels.get(key) == value for key, value in wanted.items())]
    if nodes and not hosts:
        return ['No host has the labels of nodeSelector (%s). See those there '
                'are with "kubectl get nodes --show-labels".' % ', '.join(
                    '%s=%s' % each for each in sorted(wanted.items()))]
    return [sentence for key in _apart(values)
            for sentence in _about_room(key, replicas, hosts)]


def _about_room(key, replicas, hosts):
    places = [labels.get(key) for labels in hosts]
    room = len(set(places))
    # A host without the label is no place that could be taken.
    if not places or None in places or replicas < room:
        return []
    return ['affinity keeps any two servers apart by %s. For %d, and one more '
            'while they are replaced, there have to be %d of them, and there '
            'is room for %d. Put that rule below %s%s.' % (
                key, replicas, replicas + 1, room, PREFERRED,
                ', or set replicaCount to %d' % (room - 1)
                if room > 1 else '')]


def _apart(values):
    """Return the topology keys that no two servers may have in common."""
    terms = _dict(_dict(values.get('affinity')).get('podAntiAffinity')).get(
        REQUIRED)
    return [str(term['topologyKey'])
            for term in (terms if isinstance(terms, list) else [])
            if isinstance(term, dict) and term.get('topologyKey')
            and _selects_servers(term.get('labelSelector'))]


def _selects_servers(selector):
    # No selector selects nothing; one with expressions is not judged here.
    if not isinstance(selector, dict) or selector.get('matchExpressions'):
        return False
    return all(LABELS.get(key) == value for key, value in _dict(
        selector.get('matchLabels')).items())


def _dict(value):
    return value if isinstance(value, dict) else {}
