# SPDX-License-Identifier: Apache-2.0
"""What every application does in a hook, unless it does otherwise."""

from sysinv.common import constants
from sysinv.common import exception
from sysinv.helm.lifecycle_constants import LifecycleConstants
from sysinv.helm import lifecycle_utils


class AppLifecycleOperator(object):

    def app_lifecycle_actions(self, context, conductor_obj, app_op, app,
                              hook_info):
        if hook_info.lifecycle_type == \
                constants.APP_LIFECYCLE_TYPE_SEMANTIC_CHECK:
            _check(conductor_obj, app, hook_info)
        elif hook_info.lifecycle_type == constants.APP_LIFECYCLE_TYPE_RESOURCE:
            _manage_resources(app_op, app, hook_info)


def _check(conductor_obj, app, hook_info):
    if (hook_info.mode, hook_info.relative_timing, hook_info.operation) == (
            constants.APP_LIFECYCLE_MODE_AUTO,
            constants.APP_LIFECYCLE_TIMING_PRE, constants.APP_APPLY_OP):
        raise exception.LifecycleSemanticCheckException(
            'Automatic apply is disabled for %s.' % app.name)

    if hook_info.operation in (constants.APP_DELETE_OP,
                               constants.APP_REMOVE_OP):
        extra = hook_info[LifecycleConstants.EXTRA]
        if extra[constants.APP_LIFECYCLE_FORCE_OPERATION]:
            return
        metadata = conductor_obj.apps_metadata[
            constants.APP_METADATA_APPS].get(app.name, {})
        behavior = metadata.get(constants.APP_METADATA_BEHAVIOR) or {}
        forbidden = behavior.get(
            constants.APP_METADATA_FORBIDDEN_MANUAL_OPERATIONS) or []
        if hook_info.operation in forbidden:
            raise exception.LifecycleSemanticCheckOpererationBlocked(
                op=hook_info.operation.capitalize(), app=app.name)


def _manage_resources(app_op, app, hook_info):
    moment = (hook_info.operation, hook_info.relative_timing)
    if moment == (constants.APP_APPLY_OP, constants.APP_LIFECYCLE_TIMING_PRE):
        lifecycle_utils.create_local_registry_secrets(app_op, app, hook_info)
        # From 7.0 on, where the function exists.
        label = getattr(lifecycle_utils,
                        'add_pod_security_admission_controller_labels', None)
        if label:
            label(app_op, app, hook_info)
    elif moment == (constants.APP_REMOVE_OP,
                    constants.APP_LIFECYCLE_TIMING_POST):
        lifecycle_utils.delete_local_registry_secrets(app_op, app, hook_info)
