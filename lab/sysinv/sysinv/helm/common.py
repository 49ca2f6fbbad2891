# SPDX-License-Identifier: Apache-2.0
"""Names of namespaces and labels that sysinv's helm code shares."""

HELM_CHART_ATTR_ENABLED = 'enabled'
HELM_NS_CERT_MANAGER = 'cert-manager'
HELM_NS_HELM_TOOLKIT = 'helm-toolkit'
HELM_NS_KUBE_SYSTEM = 'kube-system'
POD_SECURITY_VERSION = 'latest'

# Portieris is none of these, so sysinv puts no pod security label on its
# namespace.
PRIVILEGED_NS = [HELM_NS_KUBE_SYSTEM, HELM_NS_CERT_MANAGER]
