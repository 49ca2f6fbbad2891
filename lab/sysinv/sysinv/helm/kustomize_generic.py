# SPDX-License-Identifier: Apache-2.0
"""The kustomize operator of an application that brings none."""

from sysinv.helm import kustomize_base as base


class GenericFluxCDKustomizeOperator(base.FluxCDKustomizeOperator):

    APP = None

    def platform_mode_kustomize_updates(self, dbapi, mode):
        """Change nothing."""
