# SPDX-License-Identifier: Apache-2.0
"""Names that the plugin shares with the manifests and with the platform."""

HELM_APP_PORTIERIS = 'portieris'
HELM_CHART_PORTIERIS = 'portieris'
HELM_NS_PORTIERIS = 'portieris'

# metadata.name of the HelmRelease in the FluxCD manifests.
HELM_RELEASE_PORTIERIS = 'portieris'

# Documents of the Armada manifest.
ARMADA_MANIFEST_PORTIERIS = 'portieris-manifest'
ARMADA_CHART_GROUP_PORTIERIS = 'portieris'
ARMADA_CHART_PORTIERIS = 'portieris-chart'
