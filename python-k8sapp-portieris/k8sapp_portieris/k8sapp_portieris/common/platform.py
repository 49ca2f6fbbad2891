# SPDX-License-Identifier: Apache-2.0
"""Chart values from facts about the platform."""


def chart_values(replicas, http_proxy=None, https_proxy=None, no_proxy=None):
    """Return the system overrides of the chart portieris.

    Only plain values: sysinv dumps them as safe YAML. Never an image: sysinv
    does not mirror what it finds in overrides.
    """
    values = {'replicaCount': replicas}
    proxy = {key: str(value) for key, value in (
        ('http', http_proxy), ('https', https_proxy), ('noProxy', no_proxy))
        if value}
    # Hosts to reach directly mean nothing where nothing is a proxy.
    if 'http' in proxy or 'https' in proxy:
        values['proxy'] = proxy
    return values
