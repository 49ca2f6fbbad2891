# SPDX-License-Identifier: Apache-2.0
"""Chart values from facts about the platform."""

import re

# The platform's registry, by the name that its images have.
LOCAL_REGISTRY = 'registry.local'

# On an all-in-one system the servers share few cores with the platform: a
# late answer there does not mean that a server is dead.
ALL_IN_ONE_PROBES = {'timeoutSeconds': 10, 'failureThreshold': 6}
# What is kept free for a server is taken from the applications there. It may
# use more, and idles below this.
ALL_IN_ONE_REQUESTS = {'cpu': '20m', 'memory': '48Mi'}

_IPV6_IN_BRACKETS = re.compile(r'^\[([^\]]*)\]$')


def chart_values(replicas, http_proxy=None, https_proxy=None, no_proxy=None,
                 all_in_one=False, old_ca=None, updating=False):
    """Return the system overrides of the chart portieris.

    Only plain values: sysinv dumps them as safe YAML. Never an image: sysinv
    does not mirror what it finds in overrides.

    ``old_ca`` is the CA that was set for the chart portieris-certs. It gets
    the weakest of the three names, so whatever is set for the chart
    portieris wins.

    ``updating`` relaxes the webhook in what Helm writes: it would set the
    failure policy back in the middle of an update.
    """
    values = {'replicaCount': replicas}
    proxy = {key: str(value) for key, value in (
        ('http', http_proxy), ('https', https_proxy)) if value}
    # Hosts to reach directly mean nothing where nothing is a proxy.
    if proxy:
        proxy['noProxy'] = without_proxy(no_proxy)
        values['proxy'] = proxy
    if all_in_one:
        values['probes'] = dict(ALL_IN_ONE_PROBES)
        values['resources'] = {'requests': dict(ALL_IN_ONE_REQUESTS)}
    if old_ca:
        values['caCert'] = old_ca
    if updating:
        values['webHooks'] = {'failurePolicy': 'Ignore'}
    return values


def without_proxy(given):
    """Return the hosts to reach directly, as the server reads them.

    The platform writes IPv6 addresses in brackets, and Go takes such an
    entry for the name of a host, unless a port follows.
    """
    hosts = [_IPV6_IN_BRACKETS.sub(r'\1', host.strip())
             for host in str(given or '').split(',')]
    hosts = [host for host in hosts if host]
    if LOCAL_REGISTRY not in hosts:
        hosts.append(LOCAL_REGISTRY)
    return ','.join(hosts)
