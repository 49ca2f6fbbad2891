# SPDX-License-Identifier: Apache-2.0
"""The lifecycle plugin: checks before, and nothing left behind after."""

from oslo_log import log as logging

from sysinv.common import constants
from sysinv.common import exception
from sysinv.helm import lifecycle_base as base
from sysinv.helm import lifecycle_utils

from k8sapp_portieris.common import constants as app_constants
from k8sapp_portieris.common import sentences

LOG = logging.getLogger(__name__)

CHECK = constants.APP_LIFECYCLE_TYPE_SEMANTIC_CHECK
RESOURCE = constants.APP_LIFECYCLE_TYPE_RESOURCE
PRE = constants.APP_LIFECYCLE_TIMING_PRE
POST = constants.APP_LIFECYCLE_TIMING_POST
APPLY = constants.APP_APPLY_OP
REMOVE = constants.APP_REMOVE_OP
UPDATE = constants.APP_UPDATE_OP

# (type, timing, operation): method. The apply check comes in manual and in
# automatic mode; the update check on the old application and on the new one.
BEFORE_BASE = {
    (CHECK, PRE, APPLY): '_check',
    (CHECK, PRE, UPDATE): '_check',
}
AFTER_BASE = {
    (RESOURCE, POST, REMOVE): '_delete_namespace',
}

HOW_TO_MEND = (
    'See them with "system helm-override-show {0}"; set all anew with "system '
    'helm-override-update {0} --reset-values --values FILE".'.format(
        ' '.join((app_constants.HELM_APP_PORTIERIS,
                  app_constants.HELM_CHART_PORTIERIS,
                  app_constants.HELM_NS_PORTIERIS))))


class PortierisAppLifecycleOperator(base.AppLifecycleOperator):
    """Called at every step of every operation; each step can be repeated.

    Most steps are called without context and conductor: only app_op and app
    are used.
    """

    def app_lifecycle_actions(self, context, conductor_obj, app_op, app,
                              hook_info):
        moment = (hook_info.lifecycle_type, hook_info.relative_timing,
                  hook_info.operation)
        if moment in BEFORE_BASE:
            getattr(self, BEFORE_BASE[moment])(app_op, app)
        if not self._is_automatic_apply(moment, hook_info):
            super(PortierisAppLifecycleOperator, self).app_lifecycle_actions(
                context, conductor_obj, app_op, app, hook_info)
        if moment in AFTER_BASE:
            getattr(self, AFTER_BASE[moment])(app_op, app)

    @staticmethod
    def _is_automatic_apply(moment, hook_info):
        # The base refuses every automatic apply, and with it the re-apply
        # by which the number of replicas follows the controllers.
        return (moment == (CHECK, PRE, APPLY)
                and hook_info.mode == constants.APP_LIFECYCLE_MODE_AUTO)

    def _check(self, app_op, app):
        """Refuse what could not work, before anything is changed."""
        self._check_cert_manager(app_op, app)
        self._check_overrides(app_op, app)

    @staticmethod
    def _check_cert_manager(app_op, app):
        # From 11.0 on the platform sees to it by the metadata.
        name = constants.HELM_APP_CERT_MANAGER
        try:
            status = app_op._dbapi.kube_app_get(name).status
        except exception.NotFound:
            status = 'not uploaded'
        if status != constants.APP_APPLY_SUCCESS:
            raise exception.LifecycleSemanticCheckException(
                '%s gets its certificate from the application %s, which is '
                '%s. Bring it to the status "%s" first, with "system '
                'application-apply %s".' % (
                    app.name, name, status, constants.APP_APPLY_SUCCESS,
                    name))

    def _check_overrides(self, app_op, app):
        found = sentences.about(self._user_overrides(app_op, app))
        if found:
            raise exception.LifecycleSemanticCheckException(
                'The user overrides of %s cannot be applied. %s %s' % (
                    app.name, ' '.join(found), HOW_TO_MEND))

    @staticmethod
    def _user_overrides(app_op, app):
        dbapi = app_op._dbapi
        try:
            return dbapi.helm_override_get(
                app_id=dbapi.kube_app_get(app.name).id,
                name=app_constants.HELM_CHART_PORTIERIS,
                namespace=app_constants.HELM_NS_PORTIERIS).user_overrides
        except exception.NotFound:
            return None

    def _delete_namespace(self, app_op, app):
        """Take away what create_local_registry_secrets brought."""
        namespace = app_constants.HELM_NS_PORTIERIS
        if app_op._kube.kube_get_namespace(namespace):
            lifecycle_utils.delete_namespace(app_op, namespace)
        LOG.info('%s: namespace %s is gone' % (app.name, namespace))
