# SPDX-License-Identifier: Apache-2.0
"""Keeps the overrides of a chart that older applications had.

sysinv makes a row of overrides for each chart that a plugin names. Without
this plugin there would be none for the CA set for the chart portieris-certs:
the lifecycle plugin carries it over at an update, and a user can change it.
"""

from sysinv.common import exception
from sysinv.helm import base

from k8sapp_portieris.common import constants as app_constants


class PortierisCertsHelm(base.BaseHelm):
    """A row and nothing else: no manifest has a chart of this name."""

    CHART = app_constants.HELM_CHART_PORTIERIS_CERTS
    SERVICE_NAME = app_constants.HELM_APP_PORTIERIS

    SUPPORTED_NAMESPACES = base.BaseHelm.SUPPORTED_NAMESPACES + [
        app_constants.HELM_NS_PORTIERIS]
    SUPPORTED_APP_NAMESPACES = {
        app_constants.HELM_APP_PORTIERIS: [app_constants.HELM_NS_PORTIERIS],
    }

    def get_overrides(self, namespace=None):
        overrides = {app_constants.HELM_NS_PORTIERIS: {}}
        if not namespace:
            return overrides
        if namespace in self.SUPPORTED_NAMESPACES:
            return overrides[namespace]
        raise exception.InvalidHelmNamespace(chart=self.CHART,
                                             namespace=namespace)
