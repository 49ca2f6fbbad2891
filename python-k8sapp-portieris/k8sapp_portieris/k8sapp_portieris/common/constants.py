# SPDX-License-Identifier: Apache-2.0
"""Names that the plugin shares with the manifests and with the platform."""

HELM_APP_PORTIERIS = 'portieris'
HELM_CHART_PORTIERIS = 'portieris'
HELM_NS_PORTIERIS = 'portieris'

# The second chart of older applications. The chart is gone, its row of
# overrides lives on.
HELM_CHART_PORTIERIS_CERTS = 'portieris-certs'

# metadata.name of the HelmRelease in the FluxCD manifests.
HELM_RELEASE_PORTIERIS = 'portieris'

# Documents of the Armada manifest.
ARMADA_MANIFEST_PORTIERIS = 'portieris-manifest'
ARMADA_CHART_GROUP_PORTIERIS = 'portieris'
ARMADA_CHART_PORTIERIS = 'portieris-chart'

# As in the application's metadata, which older releases do not hand on.
KUBERNETES_MINIMUM = 'v1.18.1'

# Says on whose CPUs the pods of a namespace run.
COMPONENT_LABEL = 'app.starlingx.io/component'
COMPONENT_PLATFORM = 'platform'
COMPONENT_APPLICATION = 'application'

# Namespaces that the platform cannot do without, and all that the chart
# exempts by default. That of Armada was not always one of them.
PLATFORM_NAMESPACES = ('kube-system', 'cert-manager', 'flux-helm')
EXEMPT_NAMESPACES = PLATFORM_NAMESPACES + ('armada', HELM_NS_PORTIERIS)

# What hooks are called with, where not every release has a name for it.
LIFECYCLE_TYPE_ARMADA_REQUEST = 'armada-request'
LIFECYCLE_TYPE_FLUXCD_REQUEST = 'fluxcd-request'
LIFECYCLE_TIMING_STATUS = 'status'
LIFECYCLE_EXTRA_ABORTED_OP = 'aborted_op'
LIFECYCLE_EXTRA_TO_APP = 'to_app'
APP_RECOVER_OP = 'recover'
APP_RECOVER_UPDATE_OP = 'recover-update'
APP_ROLLBACK_OP = 'rollback'

# isystem.system_type of a system whose controllers are its workers too.
ALL_IN_ONE = 'All-in-one'
