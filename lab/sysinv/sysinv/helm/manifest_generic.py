# SPDX-License-Identifier: Apache-2.0
"""The armada operator of an application that brings none."""

from sysinv.helm import manifest_base as base


class GenericArmadaManifestOperator(base.ArmadaManifestOperator):

    APP = None
    ARMADA_MANIFEST = None
    CHART_GROUPS_LUT = {}
    CHARTS_LUT = {}

    def platform_mode_manifest_updates(self, dbapi, mode):
        """Change nothing."""
