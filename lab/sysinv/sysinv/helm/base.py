# SPDX-License-Identifier: Apache-2.0
"""What a chart plugin inherits: the platform's data and the idioms."""

import abc

from sysinv.common import constants
from sysinv.common import exception
from sysinv import double
from sysinv.helm import common


class BaseHelm(object):
    """One instance per chart plugin, alive as long as the conductor."""

    SUPPORTED_NAMESPACES = []
    SUPPORTED_APP_NAMESPACES = {}

    def __init__(self, operator):
        self._operator = operator

    @property
    def context(self):
        return self._operator.context

    @property
    def dbapi(self):
        return self._operator.dbapi

    def _get_system(self):
        """Read the row once for each context: outside of one it fails."""
        if '_system' not in self.context:
            self.context['_system'] = self.dbapi.isystem_get_one()
        return self.context['_system']

    def _get_service_parameter(self, service, section, name):
        try:
            return self.dbapi.service_parameter_get_one(
                service=service, section=section, name=name)
        except (exception.NotFound, exception.MultipleResults):
            return None

    def _num_controllers_matching_criteria(self, administrative=None,
                                           operational=None,
                                           availability=None,
                                           vim_progress_status=None):
        return int(self.dbapi.count_hosts_matching_criteria(
            personality=constants.CONTROLLER,
            administrative=administrative,
            operational=operational,
            availability=availability,
            vim_progress_status=vim_progress_status))

    def _num_provisioned_controllers(self):
        return self._num_controllers_matching_criteria(
            administrative=constants.ADMIN_UNLOCKED,
            operational=constants.OPERATIONAL_ENABLED,
            availability=[constants.AVAILABILITY_AVAILABLE,
                          constants.AVAILABILITY_DEGRADED],
            vim_progress_status=constants.VIM_SERVICES_ENABLED)

    def _num_replicas_for_platform_app(self):
        return max(1, self._num_provisioned_controllers())

    def _is_enabled(self, app_name, chart_name, namespace):
        """Read the chart attribute; its absence means disabled.

        Until 5.0 an absent row meant enabled; a row without the attribute
        has always meant disabled.
        """
        try:
            app = self.dbapi.kube_app_get(app_name)
            row = self.dbapi.helm_override_get(
                app_id=app.id, name=chart_name, namespace=namespace)
        except exception.NotFound:
            return not double.at_least('stx.6.0')
        return (row.system_overrides or {}).get(
            common.HELM_CHART_ATTR_ENABLED, False)

    def get_namespaces_by_app(self, app_name):
        return self.SUPPORTED_APP_NAMESPACES.get(app_name, [])

    def get_overrides(self, namespace=None):
        return {}

    def execute_manifest_updates(self, operator):
        """Do nothing: a chart that can be disabled says so itself."""

    def execute_kustomize_updates(self, operator):
        """Do nothing: a chart that can be disabled says so itself."""


class FluxCDBaseHelm(BaseHelm):
    """Adds the two names that FluxCD needs; abstract in name only."""

    @property
    @abc.abstractmethod
    def CHART(self):
        """Name of the chart."""

    @property
    @abc.abstractmethod
    def HELM_RELEASE(self):
        """metadata.name of the HelmRelease."""
