# SPDX-License-Identifier: Apache-2.0
"""The Armada plugin, for StarlingX 5.0 and 6.0."""

try:
    from sysinv.helm.manifest_base import ArmadaManifestOperator as _Base
except ImportError:
    # 9.0 has no Armada, and 12.0 loads this class all the same: failing
    # would make it run the application without any of the plugins.
    _Base = object

from k8sapp_portieris.common import constants as app_constants


class PortierisArmadaManifestOperator(_Base):
    """Says which documents of the manifest belong to the chart."""

    APP = app_constants.HELM_APP_PORTIERIS
    ARMADA_MANIFEST = app_constants.ARMADA_MANIFEST_PORTIERIS

    CHART_GROUPS_LUT = {
        app_constants.HELM_CHART_PORTIERIS:
            app_constants.ARMADA_CHART_GROUP_PORTIERIS,
    }
    CHARTS_LUT = {
        app_constants.HELM_CHART_PORTIERIS:
            app_constants.ARMADA_CHART_PORTIERIS,
    }

    def platform_mode_manifest_updates(self, dbapi, mode):
        """Change nothing: the application has no modes."""
