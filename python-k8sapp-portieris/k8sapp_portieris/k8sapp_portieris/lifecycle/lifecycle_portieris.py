# SPDX-License-Identifier: Apache-2.0
"""The lifecycle plugin: checks before, protection during, nothing after.

Two kinds of steps: those that refuse do so with a sentence, on a finding
and not because something could not be asked; the others are logged when
they fail, and whatever they left is taken up by the next step that sysinv
calls.
"""

import functools

from oslo_log import log as logging

from sysinv.common import constants
from sysinv.common import exception
from sysinv.helm import lifecycle_base as base
from sysinv.helm import lifecycle_utils

from k8sapp_portieris.common import constants as app_constants
from k8sapp_portieris.common import definitions
from k8sapp_portieris.common import overrides
from k8sapp_portieris.common import placement
from k8sapp_portieris.common import sentences
from k8sapp_portieris.helm import portieris as helm
from k8sapp_portieris.lifecycle import adoption
from k8sapp_portieris.lifecycle import cluster as clusters
from k8sapp_portieris.lifecycle import issuance
from k8sapp_portieris.lifecycle import namespaces
from k8sapp_portieris.lifecycle import policies
from k8sapp_portieris.lifecycle import webhook

LOG = logging.getLogger(__name__)

CHECK = constants.APP_LIFECYCLE_TYPE_SEMANTIC_CHECK
OPERATION = constants.APP_LIFECYCLE_TYPE_OPERATION
RESOURCE = constants.APP_LIFECYCLE_TYPE_RESOURCE
MANIFEST = constants.APP_LIFECYCLE_TYPE_MANIFEST
ARMADA = app_constants.LIFECYCLE_TYPE_ARMADA_REQUEST
FLUXCD = app_constants.LIFECYCLE_TYPE_FLUXCD_REQUEST
PRE = constants.APP_LIFECYCLE_TIMING_PRE
POST = constants.APP_LIFECYCLE_TIMING_POST
STATUS = app_constants.LIFECYCLE_TIMING_STATUS
APPLY = constants.APP_APPLY_OP
REMOVE = constants.APP_REMOVE_OP
DELETE = constants.APP_DELETE_OP
UPDATE = constants.APP_UPDATE_OP
ABORT = constants.APP_ABORT_OP
RECOVER = app_constants.APP_RECOVER_OP
RECOVER_UPDATE = app_constants.APP_RECOVER_UPDATE_OP
ROLLBACK = app_constants.APP_ROLLBACK_OP
# What an application is while another version of it is put in place.
UPDATING = (constants.APP_UPDATE_IN_PROGRESS,
            constants.APP_RECOVER_IN_PROGRESS)
BACKUPS = (constants.APP_BACKUP, constants.APP_ETCD_BACKUP,
           constants.APP_RESTORE)

# (type, timing, operation): methods. The apply check comes in manual and in
# automatic mode; the update check on the old application and on the new one.
# An update calls no operation hook, and on success no resource/post. One that
# fails before the request calls nothing more up to 8.0, so nothing that has
# to be undone is done before the request.
CHECKS = ('_check_cert_manager', '_check_overrides', '_check_cluster')
BEFORE_BASE = {
    (CHECK, PRE, APPLY): CHECKS,
    (CHECK, PRE, UPDATE): ('_keep_old_ca',) + CHECKS,
    # At the checks of an update the new application has no user overrides
    # yet, and before 6.0 there is none.
    (RESOURCE, PRE, APPLY): ('_keep_old_ca', '_check_overrides',
                             '_check_cluster', '_drop_marker',
                             '_wait_for_namespace'),
}
AFTER_BASE = {
    (RESOURCE, PRE, APPLY): ('_label_namespaces', '_check_issuance',
                             '_convert_policies'),
    (ARMADA, PRE, APPLY): ('_define_policies', '_make_room',
                           '_relax_for_update'),
    (FLUXCD, PRE, APPLY): ('_take_over', '_relax_for_update'),
    # Up to 9.0 a version that was applied before comes back by Helm's roll
    # back, with the failure policy that the release had then.
    (ARMADA, PRE, ROLLBACK): ('_relax_for_update',),
    (FLUXCD, PRE, ROLLBACK): ('_relax_for_update',),
    (FLUXCD, STATUS, APPLY): ('_check_webhook',),
    # A removal is called "delete" by Armada up to 6.0.
    (ARMADA, PRE, DELETE): ('_export_policies', '_take_webhook_away'),
    (ARMADA, PRE, REMOVE): ('_export_policies', '_take_webhook_away'),
    (FLUXCD, PRE, REMOVE): ('_export_policies', '_take_webhook_away'),
    (RESOURCE, POST, REMOVE): ('_delete_namespace', '_forget_webhook',
                               '_undefine_policies'),
}
# However an operation ends, one of these is called. A recovery's hooks have
# the timing of the hook before them, or none.
AFTER_BASE.update({
    (ARMADA, POST, APPLY): ('_see_off', '_give_back', '_restore'),
    (FLUXCD, POST, APPLY): ('_see_off', '_give_back', '_restore', '_rebuild',
                            '_settle_values'),
    (ARMADA, POST, ROLLBACK): ('_restore',),
    (FLUXCD, POST, ROLLBACK): ('_restore',),
    (MANIFEST, POST, APPLY): ('_finish', '_restore'),
    (RESOURCE, POST, APPLY): ('_give_back', '_restore'),
    (OPERATION, POST, APPLY): ('_restore',),
    (OPERATION, POST, ABORT): ('_restore_after_abort',),
})
AFTER_BASE.update({
    (RESOURCE, timing, operation): ('_give_back', '_restore')
    for timing in (PRE, POST, None)
    for operation in (RECOVER, RECOVER_UPDATE)})
AFTER_BASE.update({(OPERATION, PRE, operation): ('_take_webhook_away',)
                   for operation in BACKUPS})
AFTER_BASE.update({(OPERATION, POST, operation): ('_restore',)
                   for operation in BACKUPS})

HOW_TO_MEND = (
    'See them with "system helm-override-show {0}"; set all anew with "system '
    'helm-override-update {0} --reset-values --values FILE".')
ROW = (app_constants.HELM_CHART_PORTIERIS, app_constants.HELM_NS_PORTIERIS)
OLD_ROW = (app_constants.HELM_CHART_PORTIERIS_CERTS,
           app_constants.HELM_NS_PORTIERIS)

# Where there are status hooks, from 10.0 on, there is the exception too.
NOT_READY = getattr(exception, 'LifecycleStatusCheckNotReady',
                    exception.LifecycleSemanticCheckException)

NODES = '/api/v1/nodes'

# cert-manager writes the CA within a second or two.
_CA_SECONDS = 30


def forgiving(step):
    """Log what goes wrong in a step, and go on."""
    @functools.wraps(step)
    def call(self, app_op, app, hook_info):
        try:
            return step(self, app_op, app, hook_info)
        except Exception:
            LOG.exception('%s: %s did not work at %s %s %s' % (
                app.name, step.__name__.strip('_'), hook_info.lifecycle_type,
                hook_info.relative_timing, hook_info.operation))
            return None
    return call


class PortierisAppLifecycleOperator(base.AppLifecycleOperator):
    """Called at every step of every operation; each step can be repeated.

    Most steps are called without context and conductor: only app_op and app
    are used.
    """

    def app_lifecycle_actions(self, context, conductor_obj, app_op, app,
                              hook_info):
        moment = (hook_info.lifecycle_type, hook_info.relative_timing,
                  hook_info.operation)
        for step in BEFORE_BASE.get(moment, ()):
            getattr(self, step)(app_op, app, hook_info)
        if not self._is_automatic_apply(moment, hook_info):
            super(PortierisAppLifecycleOperator, self).app_lifecycle_actions(
                context, conductor_obj, app_op, app, hook_info)
        for step in AFTER_BASE.get(moment, ()):
            getattr(self, step)(app_op, app, hook_info)

    @staticmethod
    def _is_automatic_apply(moment, hook_info):
        # The base refuses every automatic apply. Whoever asks for one, of
        # an application that depends on this one for example, gets it.
        return (moment == (CHECK, PRE, APPLY)
                and hook_info.mode == constants.APP_LIFECYCLE_MODE_AUTO)

    # Checks: what could not work is refused before anything is changed.

    @staticmethod
    def _check_cert_manager(app_op, app, hook_info):
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

    def _check_overrides(self, app_op, app, hook_info):
        for row, about in ((ROW, sentences.about),
                           (OLD_ROW, sentences.about_old_chart)):
            text = _user_overrides(app_op, app, row)
            found = about(text)
            if found:
                raise exception.LifecycleSemanticCheckException(
                    'The user overrides of %s cannot be applied. %s %s' % (
                        row[0], ' '.join(found), _how_to_mend(row)))
            for remark in sentences.about_issuers(text):
                LOG.warning('%s: %s' % (app.name, remark))

    def _check_cluster(self, app_op, app, hook_info):
        """Refuse what does not suit the cluster as it is."""
        found = self._about_cluster(app_op, app, hook_info)
        if found:
            raise exception.LifecycleSemanticCheckException(
                '%s cannot be applied. %s' % (app.name, found))

    @forgiving
    def _about_cluster(self, app_op, app, hook_info):
        # A question that fails is the last: the operator waits for it.
        cluster = _cluster(app_op)
        # Not every release has an eye on the minimum each time.
        version = cluster.get('/version')
        found = version and sentences.about_kubernetes(version['gitVersion'])
        if found:
            return ' '.join(found)
        values = overrides.read(_user_overrides(app_op, app))
        found = (placement.about(values, _replicas(app_op, values),
                                 cluster.items(NODES))
                 + _about_default(cluster, values))
        return ' '.join(found + [_how_to_mend(ROW)]) if found else None

    def _check_issuance(self, app_op, app, hook_info):
        problem = self._issuance_problem(app_op, app, hook_info)
        if problem:
            raise exception.LifecycleSemanticCheckException(
                '%s needs a certificate, and cert-manager does not issue '
                'any: %s. Look at "kubectl get pods -n cert-manager", and '
                'apply again.' % (app.name, problem))

    @forgiving
    def _issuance_problem(self, app_op, app, hook_info):
        return issuance.problem(_cluster(app_op),
                                app_constants.HELM_NS_PORTIERIS)

    def _check_webhook(self, app_op, app, hook_info):
        """Refuse to call it applied while the API server cannot ask it.

        10.0 calls this while the pods are still coming, and takes an
        exception for the end: until there is a server nothing is wrong.
        """
        if self._lacks_ca(app_op, app, hook_info):
            raise NOT_READY(
                'cert-manager has not written the CA into %s within %d '
                'seconds, so Kubernetes refuses every workload. Look at '
                '"kubectl get pods -n cert-manager" and "kubectl get '
                'certificates -n %s", and apply again.' % (
                    webhook.NAME, _CA_SECONDS,
                    app_constants.HELM_NS_PORTIERIS))

    @forgiving
    def _lacks_ca(self, app_op, app, hook_info):
        cluster = _cluster(app_op)
        return webhook.is_served(cluster) and not clusters.wait_until(
            lambda: webhook.has_ca(cluster), _CA_SECONDS)

    # The webhook: relaxed during an update, away during a backup.

    @forgiving
    def _relax_for_update(self, app_op, app, hook_info):
        # No hook of an apply says that it is part of an update.
        if app.status in UPDATING and webhook.relax(_cluster(app_op)):
            LOG.info('%s: workloads pass while no server answers, until the '
                     'update is over' % app.name)

    @forgiving
    def _take_webhook_away(self, app_op, app, hook_info):
        """Before a snapshot of etcd, or before its server goes.

        A removal that is given up, and followed by an apply, puts it back.
        """
        if webhook.take_away(_cluster(app_op)):
            LOG.info('%s: %s is away during %s' % (
                app.name, webhook.NAME, hook_info.operation))

    @forgiving
    def _restore(self, app_op, app, hook_info):
        """Have the webhook where, and as, it is between operations."""
        cluster = _cluster(app_op)
        if webhook.put_back(cluster):
            LOG.info('%s: %s is back' % (app.name, webhook.NAME))
        policy = overrides.failure_policy(
            overrides.read(_user_overrides(app_op, app)))
        if webhook.settle(cluster, policy):
            LOG.info('%s: failure policy is %s again' % (app.name, policy))

    @forgiving
    def _settle_values(self, app_op, app, hook_info):
        # After a failure FluxCD would take it for a reason to try again.
        if (hook_info.extra or {}).get('rc'):
            webhook.settle_values(_cluster(app_op), overrides.failure_policy(
                overrides.read(_user_overrides(app_op, app))))

    def _restore_after_abort(self, app_op, app, hook_info):
        # A removal that goes on all the same takes the server away.
        if (hook_info.extra or {}).get(
                app_constants.LIFECYCLE_EXTRA_ABORTED_OP) != REMOVE:
            self._restore(app_op, app, hook_info)

    @forgiving
    def _rebuild(self, app_op, app, hook_info):
        if webhook.rebuild(_cluster(app_op)):
            LOG.warning('%s: %s was missing and is there again' % (
                app.name, webhook.NAME))

    @forgiving
    def _forget_webhook(self, app_op, app, hook_info):
        webhook.forget(_cluster(app_op))

    @forgiving
    def _drop_marker(self, app_op, app, hook_info):
        """Undo what an older application wrote before an update."""
        row = _row(app_op, app, ROW)
        text = overrides.without_marker(
            row.user_overrides, webhook.policy(_cluster(app_op))
        ) if row else None
        if text is not None:
            app_op._dbapi.helm_override_update(
                app_id=row.app_id, name=ROW[0], namespace=ROW[1],
                values={'user_overrides': text})
            LOG.info('%s: the user overrides have the failure policy of '
                     'before the update again' % app.name)

    # From an older application to this one, or back.

    @forgiving
    def _keep_old_ca(self, app_op, app, hook_info):
        """Carry over the overrides of the chart portieris-certs.

        sysinv does it for charts of the manifest alone, from the version
        that was active until the update began.
        """
        if app.status != constants.APP_UPDATE_IN_PROGRESS and not (
                hook_info.extra or {}).get(
                    app_constants.LIFECYCLE_EXTRA_TO_APP):
            return
        older = app_op._dbapi.kube_app_get_inactive(app.name)
        if not older:
            return
        before = _row_of(app_op, max(older, key=lambda each: (
            str(each.updated_at or ''), each.id)), OLD_ROW)
        now = _row(app_op, app, OLD_ROW)
        if before and now and before.user_overrides \
                and before.user_overrides != now.user_overrides:
            app_op._dbapi.helm_override_update(
                app_id=now.app_id, name=OLD_ROW[0], namespace=OLD_ROW[1],
                values={'user_overrides': before.user_overrides})
            LOG.info('%s: the user overrides of %s are kept' % (
                app.name, OLD_ROW[0]))

    @forgiving
    def _take_over(self, app_op, app, hook_info):
        _tell(app, 'taken over', adoption.take_over(_cluster(app_op)))

    @forgiving
    def _make_room(self, app_op, app, hook_info):
        _tell(app, 'deleted', adoption.make_room(_cluster(app_op)))

    @forgiving
    def _see_off(self, app_op, app, hook_info):
        """Before the webhook is strict again."""
        if (hook_info.extra or {}).get('rc') and not adoption.see_off(
                _cluster(app_op)):
            LOG.warning('%s: servers of the older application are still '
                        'there' % app.name)

    @forgiving
    def _give_back(self, app_op, app, hook_info):
        """Before the older application is applied again."""
        is_recovery = hook_info.operation in (RECOVER, RECOVER_UPDATE)
        # On success no resource hook is called at the end.
        failed = (hook_info.lifecycle_type == RESOURCE
                  or not (hook_info.extra or {}).get('rc'))
        if failed and (is_recovery or app.status in UPDATING):
            _tell(app, 'given back', adoption.give_back(_cluster(app_op)))

    @forgiving
    def _finish(self, app_op, app, hook_info):
        if not (hook_info.extra or {}).get('manifest_applied'):
            return
        for name in adoption.finish(_cluster(app_op)):
            LOG.warning('%s: %s, made by the older application, was changed '
                        'and stays in force' % (app.name, name))

    # Namespaces.

    @forgiving
    def _wait_for_namespace(self, app_op, app, hook_info):
        name = app_constants.HELM_NS_PORTIERIS
        if not namespaces.wait_while_terminating(_cluster(app_op), name):
            LOG.warning('%s: namespace %s is still being deleted' % (
                app.name, name))

    @forgiving
    def _label_namespaces(self, app_op, app, hook_info):
        cluster = _cluster(app_op)
        values = overrides.read(_user_overrides(app_op, app))
        own = app_constants.HELM_NS_PORTIERIS
        for name in sorted(set(overrides.exempt_namespaces(
                values, app_constants.EXEMPT_NAMESPACES)) | {own}):
            labels = {namespaces.NAME_LABEL: name}
            if name == own:
                labels[app_constants.COMPONENT_LABEL] = \
                    overrides.component(values)
            if namespaces.label(cluster, name, labels):
                LOG.info('%s: namespace %s is labelled' % (app.name, name))

    def _delete_namespace(self, app_op, app, hook_info):
        """Take away what create_local_registry_secrets brought."""
        namespace = app_constants.HELM_NS_PORTIERIS
        if app_op._kube.kube_get_namespace(namespace):
            lifecycle_utils.delete_namespace(app_op, namespace)
        LOG.info('%s: namespace %s is gone' % (app.name, namespace))

    # Policies.

    @forgiving
    def _define_policies(self, app_op, app, hook_info):
        # Armada's Tiller ignores a chart's crds folder.
        policies.define(_cluster(app_op), definitions.DEFINITIONS)

    @forgiving
    def _convert_policies(self, app_op, app, hook_info):
        # Before the server comes that reads the new group alone.
        names, refused = policies.convert(_cluster(app_op),
                                          definitions.DEFINITIONS)
        for problem in refused:
            LOG.error('%s: not converted: %s' % (app.name, problem))
        if names:
            LOG.warning('%s: policies of the group %s are now in %s: %s' % (
                app.name, policies.OLD_GROUP, policies.GROUP,
                ', '.join(names)))

    @forgiving
    def _export_policies(self, app_op, app, hook_info):
        names = policies.export(_cluster(app_op))
        if names:
            LOG.info('%s: the policies are kept in kube-system, ConfigMap '
                     '%s' % (app.name, ', '.join(names)))

    @forgiving
    def _undefine_policies(self, app_op, app, hook_info):
        """Delete the users' policies if a user said so."""
        values = overrides.read(_user_overrides(app_op, app))
        if values.get('keepPolicies') is not False:
            return
        cluster = _cluster(app_op)
        # Again, because the first time may have failed unnoticed.
        policies.export(cluster)
        if policies.undefine(cluster):
            LOG.info('%s: policies and their kinds are gone' % app.name)
        else:
            LOG.warning('%s: Kubernetes still deletes policies' % app.name)


def _cluster(app_op):
    return clusters.Cluster(
        app_op._kube._get_kubernetesclient_core().api_client)


def _tell(app, done, paths):
    if paths:
        LOG.info('%s: of the older application: %s: %s' % (
            app.name, done, ', '.join(paths)))


def _row(app_op, app, row):
    """Return a row of overrides, None if there is none."""
    try:
        return _row_of(app_op, app_op._dbapi.kube_app_get(app.name), row)
    except exception.NotFound:
        return None


def _row_of(app_op, version, row):
    """Return that of one version of the application."""
    name, namespace = row
    try:
        return app_op._dbapi.helm_override_get(
            app_id=version.id, name=name, namespace=namespace)
    except exception.NotFound:
        return None


def _user_overrides(app_op, app, row=ROW):
    found = _row(app_op, app, row)
    return found.user_overrides if found else None


def _replicas(app_op, values):
    # No more of the chart plugin: outside of an apply sysinv keeps no
    # context for it.
    return int(values.get('replicaCount') or helm.PortierisHelm(
        app_op._helm)._num_replicas_for_platform_app())


def _about_default(cluster, values):
    if not sentences.about_default(values, ()):
        return []
    names = [entry.get('name')
             for policy in policies.written_by_users(cluster)
             for entry in policy['spec'].get('repositories') or []]
    return sentences.about_default(values, names)


def _how_to_mend(row):
    return HOW_TO_MEND.format(' '.join(
        (app_constants.HELM_APP_PORTIERIS,) + row))
