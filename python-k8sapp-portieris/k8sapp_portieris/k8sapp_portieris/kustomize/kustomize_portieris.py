# SPDX-License-Identifier: Apache-2.0
"""The FluxCD plugin, for StarlingX 7.0 and later."""

from oslo_log import log as logging

from sysinv.common import constants
from sysinv.helm import kustomize_base as base

from k8sapp_portieris.common import constants as app_constants
from k8sapp_portieris.kustomize import flux_api

LOG = logging.getLogger(__name__)


class PortierisFluxCDKustomizeOperator(base.FluxCDKustomizeOperator):
    """Makes one set of manifests fit every FluxCD that StarlingX has had."""

    APP = app_constants.HELM_APP_PORTIERIS

    def load(self, manifests_dir_fqpn):
        super(PortierisFluxCDKustomizeOperator, self).load(
            manifests_dir_fqpn)
        # Afterwards: the base writes the repository anew at every load.
        for path in flux_api.adapt(manifests_dir_fqpn, _api_versions()):
            LOG.info('%s: API version set to that of the platform' % path)

    def platform_mode_kustomize_updates(self, dbapi, mode):
        """Change nothing: the application has no modes."""


def _api_versions():
    """Return {kind: apiVersion} as this sysinv names them.

    One that names none has the oldest FluxCD.
    """
    release = getattr(constants, 'FLUXCD_CRD_HELM_REL_VERSION', 'v2beta1')
    repository = getattr(constants, 'FLUXCD_CRD_HELM_REPO_VERSION',
                         'v1' if release == 'v2' else 'v1beta1')
    return {'HelmRelease': 'helm.toolkit.fluxcd.io/' + release,
            'HelmRepository': 'source.toolkit.fluxcd.io/' + repository}
