# SPDX-License-Identifier: Apache-2.0
"""The helm plugin: what the platform tells the chart portieris."""

from sysinv.common import constants
from sysinv.common import exception
from sysinv.helm import base

from k8sapp_portieris.common import constants as app_constants
from k8sapp_portieris.common import overrides as user_overrides
from k8sapp_portieris.common import platform

# FluxCDBaseHelm is there from StarlingX 7.0 on.
_Base = getattr(base, 'FluxCDBaseHelm', base.BaseHelm)


class PortierisHelm(_Base):
    """Overrides of the chart; deterministic and without side effect."""

    CHART = app_constants.HELM_CHART_PORTIERIS
    HELM_RELEASE = app_constants.HELM_RELEASE_PORTIERIS
    SERVICE_NAME = app_constants.HELM_APP_PORTIERIS

    SUPPORTED_NAMESPACES = base.BaseHelm.SUPPORTED_NAMESPACES + [
        app_constants.HELM_NS_PORTIERIS]
    SUPPORTED_APP_NAMESPACES = {
        app_constants.HELM_APP_PORTIERIS: [app_constants.HELM_NS_PORTIERIS],
    }

    def get_overrides(self, namespace=None):
        """Return {namespace: values}, or the values of one namespace."""
        overrides = {
            app_constants.HELM_NS_PORTIERIS: platform.chart_values(
                self._num_replicas_for_platform_app(),
                http_proxy=self._docker_proxy(
                    constants.SERVICE_PARAM_NAME_DOCKER_HTTP_PROXY),
                https_proxy=self._docker_proxy(
                    constants.SERVICE_PARAM_NAME_DOCKER_HTTPS_PROXY),
                no_proxy=self._docker_proxy(
                    constants.SERVICE_PARAM_NAME_DOCKER_NO_PROXY),
                all_in_one=self._is_all_in_one(),
                old_ca=self._old_ca(),
                updating=self._is_updating()),
        }
        if not namespace:
            return overrides
        if namespace in self.SUPPORTED_NAMESPACES:
            return overrides[namespace]
        raise exception.InvalidHelmNamespace(chart=self.CHART,
                                             namespace=namespace)

    def execute_kustomize_updates(self, operator):
        """Leave a disabled chart out of the FluxCD kustomization."""
        if not self._is_chart_enabled(operator):
            operator.helm_release_resource_delete(self.HELM_RELEASE)

    def execute_manifest_updates(self, operator):
        """Leave a disabled chart out of the Armada manifest."""
        if not self._is_chart_enabled(operator):
            operator.chart_group_chart_delete(
                operator.CHART_GROUPS_LUT[self.CHART],
                operator.CHARTS_LUT[self.CHART])

    def _is_chart_enabled(self, operator):
        return self._is_enabled(operator.APP, self.CHART,
                                app_constants.HELM_NS_PORTIERIS)

    def _docker_proxy(self, name):
        parameter = self._get_service_parameter(
            constants.SERVICE_TYPE_DOCKER,
            constants.SERVICE_PARAM_SECTION_DOCKER_PROXY,
            name)
        return parameter.value if parameter else None

    def _is_all_in_one(self):
        return self._get_system().system_type == app_constants.ALL_IN_ONE

    def _is_updating(self):
        """Tell whether this version is put in place of another one."""
        app = self._application()
        return bool(app) and app.status == constants.APP_UPDATE_IN_PROGRESS

    def _old_ca(self):
        """Return the CA that was set for the chart portieris-certs.

        A text that cannot be read is none here; the check before the apply
        tells what is wrong with it.
        """
        app = self._application()
        if not app:
            return None
        try:
            row = self.dbapi.helm_override_get(
                app_id=app.id,
                name=app_constants.HELM_CHART_PORTIERIS_CERTS,
                namespace=app_constants.HELM_NS_PORTIERIS)
        except exception.NotFound:
            return None
        return user_overrides.text_at(row.user_overrides, 'caCert')

    def _application(self):
        """Return our row, None where there is none yet."""
        try:
            return self.dbapi.kube_app_get(app_constants.HELM_APP_PORTIERIS)
        except exception.NotFound:
            return None
