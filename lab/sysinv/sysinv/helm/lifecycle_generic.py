# SPDX-License-Identifier: Apache-2.0
"""The lifecycle operator of an application that brings none."""

from sysinv.helm import lifecycle_base as base


class GenericAppLifecycleOperator(base.AppLifecycleOperator):

    def app_lifecycle_actions(self, context, conductor_obj, app_op, app,
                              hook_info):
        super(GenericAppLifecycleOperator, self).app_lifecycle_actions(
            context, conductor_obj, app_op, app, hook_info)
