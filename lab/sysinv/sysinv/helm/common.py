# SPDX-License-Identifier: Apache-2.0
"""Names of namespaces and labels that sysinv's helm code shares."""

COMPONENT_LABEL_KEY = 'app.starlingx.io/component'
COMPONENT_LABEL_VALUE_PLATFORM = 'platform'
HELM_CHART_ATTR_ENABLED = 'enabled'
HELM_CHART_ATTRS = [HELM_CHART_ATTR_ENABLED]
HELM_NS_CERT_MANAGER = 'cert-manager'
HELM_NS_HELM_TOOLKIT = 'helm-toolkit'
HELM_NS_KUBE_SYSTEM = 'kube-system'
HELM_REPO_FOR_APPS = 'starlingx'
HELM_REPO_FOR_PLATFORM = 'stx-platform'
HELM_SUPPORTED_REPOS = [HELM_REPO_FOR_APPS, HELM_REPO_FOR_PLATFORM]
POD_SECURITY_VERSION = 'latest'

# Portieris is none of these, so sysinv puts no pod security label on its
# namespace.
PRIVILEGED_NS = [HELM_NS_KUBE_SYSTEM, HELM_NS_CERT_MANAGER]
