# SPDX-License-Identifier: Apache-2.0
"""Update: the new version in place of the old one, or the old one back.

The manager's operation/pre and operation/post are not called during an
update: hooks see the checks, resource, manifest and request hooks alone.
"""

import logging

from stx_system.app_operator import reason_of
from stx_system.errors import Aborted
from stx_system.errors import Failed
from stx_system import flux
from stx_system.hooks import hook_info
from stx_system.hooks import Hooks
from stx_system import metadata

LOG = logging.getLogger(__name__)


def perform(manager, old, content, tarfile):
    """Return the application that is active at the end."""
    app_op = manager.app_op
    release = app_op._release
    if release.since(11) and _key(old.version) > _key(
            content['app_version']):
        _resource_hook(app_op, old, 'downgrade')
    app_op._plugins.deactivate(old)
    app_op._dbapi.kube_app_update(old.id, {'status': 'inactive'})
    new = _new_row(manager, app_op, content)
    app_op.begin(new, 'updating', 'Application update starting.')
    # One object for all hooks, those of a recovery too.
    hooks = Hooks(app_op, new, hook_info('manual', None, None, 'apply'))
    try:
        app_op.perform_app_upload(new, tarfile)
        # The new version's own check; whatever it raises means going back.
        # Its rows are still without the user's overrides.
        app_op.app_lifecycle_actions(None, None, new, hook_info(
            'manual', 'check', 'pre', 'update', to_app=True))
        app_op._update_app_status(new, 'updating')
        _maintain(app_op, old, new)
        if release.since(11):
            _resource_hook(app_op, new, 'update')
        applied = app_op.perform_app_apply(new, None, hooks.info)
    except (Exception, Aborted) as error:
        # The release is as it was: nothing is asked of FluxCD.
        _go_back(app_op, old, hooks, reason_of(error), request=False)
    if not applied:
        _go_back(app_op, old, hooks, new.progress, request=True)
    _uninstall_dropped(old, new)
    app_op._update_app_status(
        new, new_progress='Application update from version %s to version '
        '%s completed.' % (old.version, new.version))
    # Its row stays, and with it what the user set.
    app_op.clean_up(old)
    return new


def _new_row(manager, app_op, content):
    """A version that was active before takes up its row again."""
    for row in app_op._dbapi.kube_app_get_inactive(content['app_name']):
        if row.app_version == content['app_version']:
            app_op._dbapi.kube_app_update(row.id, {'status': 'updating'})
            return manager.find(content['app_name'])
    return manager.create_row(content, 'updating')


def _key(version):
    return [int(part) for part in version.replace('-', '.').split('.')
            if part.isdigit()]


def _resource_hook(app_op, app, operation):
    Hooks(app_op, app, hook_info('manual', None, None, operation)).call(
        'resource', 'pre')


def _maintain(app_op, old, new):
    """Carry rows over as the metadata says, of the manifest's charts alone.

    Another row that a plugin asked for stays empty.
    """
    dbapi = app_op._dbapi
    content = new._kube_app.app_metadata
    keep = [column for key, column in (
        ('maintain_user_overrides', 'user_overrides'),
        ('maintain_attributes', 'system_overrides'))
        if metadata.boolean(content, key)]
    if not app_op._release.since(8) and 'system_overrides' in keep:
        keep.remove('system_overrides')
    charts = [(chart.name, chart.namespace) for chart in new.charts]
    for row in dbapi.helm_override_get_all(old.id):
        values = {column: getattr(row, column) for column in keep
                  if getattr(row, column)}
        if (row.name, row.namespace) in charts and values:
            dbapi.helm_override_update(new.id, row.name, row.namespace,
                                       values)


def _uninstall_dropped(old, new):
    """Releases that Helm still has, and the new version has not."""
    kept = [release.name for release in flux.build(new.sync_fluxcd_manifest)]
    for release in flux.build(old.sync_fluxcd_manifest):
        if release.name not in kept:
            flux.uninstall(release)


def _go_back(app_op, old, hooks, reason, request):
    """Recover the old version; always raises, for the update failed."""
    new = hooks.app
    if metadata.boolean(new._kube_app.app_metadata.get('upgrades') or {},
                        'update_failure_no_rollback') and request:
        app_op.clean_up(old)
        app_op._update_app_status(
            new, 'apply-failed', 'Application %s update from version %s to '
            'version %s failed and recovery skipped.' % (
                new.name, old.version, new.version))
        raise Failed('Application-update failed: %s' % reason)
    app_op._update_app_status(old, 'recovering',
                              'recovering version %s' % old.version)
    app_op._dbapi.kube_app_update(new.id, {'status': 'inactive'})
    _recover_hooks(app_op, hooks)
    app_op.forget(new)
    try:
        applied, why = (app_op._make_request(old, 'apply') if request
                        else (True, ''))
    except (Exception, Aborted) as error:
        LOG.exception('recovery')
        applied, why = False, reason_of(error)
    outcome = ('Application recover to version %s completed.' % old.version
               if applied else 'Application recover to version %s aborted: '
               '%s' % (old.version, why))
    app_op._update_app_status(
        old, 'applied' if applied else 'apply-failed', outcome)
    raise Failed('Application-update failed: %s %s' % (reason, outcome))


def _recover_hooks(app_op, hooks):
    """9.0 on; exceptions are only logged.

    They go to the plugin of the new version, with the timing of whichever
    hook was the last.
    """
    if not app_op._release.since(9):
        return
    hooks.info.operation = 'recover'
    timing = hooks.info.relative_timing
    if not app_op._release.since(12):
        hooks.call_and_forgive('rbd', timing)
    hooks.call_and_forgive('resource', timing)
