# SPDX-License-Identifier: Apache-2.0
"""AppOperator: apply, remove and delete, each hook in its place."""

import contextlib
import json
import logging
import os
import re
import shutil
import sys
import time

from stx_system.aborts import Aborts
from stx_system import app_images
from stx_system import app_upload
from stx_system.errors import Aborted
from stx_system.errors import Failed
from stx_system import flux
from stx_system.hooks import Hooks
from stx_system import manifests
from stx_system import metadata
from stx_system import tools
from sysinv.common import constants
from sysinv.common import exception

LOG = logging.getLogger(__name__)
ABORTED = 'operation aborted by user'


class AppOperator(object):
    """What a lifecycle operator is handed as ``app_op``."""

    DOCKER_REGISTRY_SECRET = 'default-registry-key'
    # The whole request is repeated when a hook of it raises
    # ApplicationApplyFailure.
    REQUEST_ATTEMPTS = 5
    REQUEST_RETRY_SECONDS = 30
    TELL_SECONDS = 5

    def __init__(self, platform, dbapi, helm, kube, registry):
        self._platform = platform
        self._release = platform.release
        self._dbapi = dbapi
        self._helm = helm
        self._kube = kube
        self._plugins = helm.plugins
        self._apps_metadata = {constants.APP_METADATA_APPS: {
            row.name: row.app_metadata for row in dbapi.kube_app_get_all()}}
        self.registry = registry
        self._aborts = Aborts(platform)

    def _get_metadata_value(self, app, keys, default=None):
        value = app._kube_app.app_metadata or {}
        for key in keys if isinstance(keys, (list, tuple)) else [keys]:
            if not isinstance(value, dict) or key not in value:
                return default
            value = value[key]
        return value

    def _update_app_status(self, app, new_status=None, new_progress=None):
        values = {key: value for key, value in (
            ('status', new_status), ('progress', new_progress))
            if value is not None}
        app._kube_app = self._dbapi.kube_app_update(app.id, values)
        # Why it failed is said once, at the end of the command.
        more = ('' if app.status.endswith('failed') or not app.progress
                else ', %s' % app.progress)
        print('%s %s: %s%s' % (app.name, app.version, app.status, more),
              file=sys.stderr, flush=True)

    def app_lifecycle_actions(self, context, conductor_obj, app, hook_info):
        """Call the application's operator; its plugins are active then."""
        self._plugins.activate(app, self._helm)
        LOG.info('hook of %s: %s', app.name, hook_info)
        self._helm.get_app_lifecycle_operator(
            app.name).app_lifecycle_actions(
                context, conductor_obj, self, app, hook_info)

    # Abort: asked for by another process, seen between the steps.

    def begin(self, app, status, progress=''):
        """Enter the state that shows what is going on, and can be ended."""
        self._aborts.forget(app.name)
        self._update_app_status(app, status, progress)

    def perform_app_abort(self, app, hook_info):
        hooks = Hooks(self, app, hook_info)
        operation = {'applying': 'apply', 'updating': 'update',
                     'removing': 'remove'}[app.status]
        if self._release.since(10):
            hooks.call_and_forgive('operation', 'pre', aborted_op=operation)
        self._aborts.request(app.name)
        if self._release.since(10):
            hooks.call_and_forgive('operation', 'post', aborted_op=operation)

    def is_app_aborted(self, name):
        return self._aborts.requested(name)

    def _stop_if_aborted(self, app):
        if self.is_app_aborted(app.name):
            raise Aborted()

    # Upload.

    def perform_app_upload(self, app, tarfile):
        app_upload.perform(self, app, tarfile)

    # Apply.

    def perform_app_apply(self, app, mode, hook_info):
        """Return whether it was applied; raise what ends it early.

        An exception before the manifest is touched leaves the application
        apply-failed and propagates: no later hook is called then.
        """
        hooks = Hooks(self, app, hook_info)
        app.mode = mode
        try:
            self._check_dependencies(app)
            self._prepare(app, hooks)
        except (Exception, Aborted) as error:
            reason = reason_of(error)
            self._update_app_status(app, 'apply-failed', reason)
            raise exception.KubeAppApplyFailure(
                name=app.name, version=app.version, reason=reason)
        try:
            hooks.call('manifest', 'pre')
            self._update_app_status(
                app, new_progress='applying application manifest')
            self._stop_if_aborted(app)
            applied, reason = self._make_request(app, 'apply')
            if applied:
                self._update_app_status(app, 'applied', 'completed')
                # On success neither rbd/post nor resource/post follows.
                hooks.call('manifest', 'post', manifest_applied=True)
                return True
        except (Exception, Aborted) as error:
            reason = reason_of(error)
            hooks.call_and_forgive('manifest', 'post',
                                   manifest_applied=False)
        try:
            if not self._release.since(12):
                hooks.call('rbd', 'post')
            hooks.call('resource', 'post')
        finally:
            self._update_app_status(app, 'apply-failed', reason)
        return False

    def _prepare(self, app, hooks):
        self._plugins.activate(app, self._helm)
        app.charts = manifests.charts(app.sync_fluxcd_manifest,
                                      self._release)
        # 10.0 on: overrides before resource/pre, when the namespace may
        # not exist yet.
        if self._release.since(10):
            self._generate_overrides(app)
        self._stop_if_aborted(app)
        hooks.call('resource', 'pre')
        if not self._release.since(12):
            hooks.call('rbd', 'pre')
        self._stop_if_aborted(app)
        if not self._release.since(10):
            self._generate_overrides(app)
        self._update_app_status(
            app, new_progress='retrieving docker images')
        self._stop_if_aborted(app)
        app_images.download(self, app)

    def _check_dependencies(self, app):
        if not self._release.since(11):
            return
        applied = [(row.name, row.app_version)
                   for row in self._dbapi.kube_app_get_all()
                   if row.status == 'applied']
        for entry in self._get_metadata_value(app, 'dependent_apps') or []:
            alternatives = entry if isinstance(entry, list) else [entry]
            if any(name == one['name'] and re.fullmatch(one['version'], has)
                   for one in alternatives for name, has in applied):
                continue
            text = 'it depends on %s, which is not applied' % ' or '.join(
                '%s (%s)' % (one['name'], one['version'])
                for one in alternatives)
            if any(one['action'] in ('apply', 'error')
                   for one in alternatives):
                # sysinv applies it from its own bundles; here are none.
                raise Failed(text)
            LOG.warning('%s: %s', app.name, text)

    def _generate_overrides(self, app):
        self._update_app_status(
            app, new_progress='generating application overrides')
        operator = self._helm.get_fluxcd_kustomize_operator(app.name)
        operator.load(app.sync_fluxcd_manifest)
        self._helm.generate_helm_application_overrides(
            app.sync_overrides_dir, app.name, app.mode,
            [(chart.name, chart.namespace) for chart in app.charts],
            operator)
        operator.save_kustomization_updates()
        operator.save_release_cleanup_data()
        for chart in app.charts:
            overrides = self._helm.overrides_file(
                app.sync_overrides_dir, chart.name, chart.namespace)
            if not manifests.write_system_overrides(chart, overrides):
                LOG.error('%s has no system overrides file: nothing of '
                          'them reaches helm', chart.name)

    def _make_request(self, app, operation):
        """Return (done, reason); a hook may ask for another attempt.

        Once the request is made its last hook is called, aborted or not.
        """
        for attempt in range(1, self.REQUEST_ATTEMPTS + 1):
            if self.is_app_aborted(app.name):
                return False, ABORTED
            try:
                Hooks.fresh(self, app, operation).call(
                    'fluxcd-request', 'pre')
                done, reason = True, ''
                try:
                    self._make_fluxcd_operation(app, operation)
                except (Failed, Aborted,
                        exception.SysinvException) as error:
                    done, reason = False, reason_of(error)
                Hooks.fresh(self, app, operation).call(
                    'fluxcd-request', 'post', rc=done)
                return done, reason
            except exception.ApplicationApplyFailure as error:
                done, reason = False, reason_of(error)
                LOG.warning('attempt %d: %s', attempt, reason)
                if attempt < self.REQUEST_ATTEMPTS:
                    time.sleep(self.REQUEST_RETRY_SECONDS)
        return done, reason

    def _make_fluxcd_operation(self, app, operation):
        if operation == 'remove':
            for release in flux.build(app.sync_fluxcd_manifest):
                flux.uninstall(release)
            return
        for release in flux.build(app.sync_fluxcd_manifest):
            try:
                flux.install(self._platform, release,
                             watch=self._watch(app, release))
            except Failed as failure:
                raise Failed('%s%s' % (failure, flux.pods_that_wait(
                    self._kube, release)))
            if self._release.since(11):
                self._status_hook(app, release)
            if self._dbapi.isystem_get_one().system_mode == 'simplex':
                flux.wait_for_pods(self._kube, release.namespace,
                                   release.chart['chart'])
        flux.clean_up_disabled(app.sync_fluxcd_manifest)

    def _watch(self, app, release):
        """Return what is done again and again while helm works."""
        started = told = time.monotonic()

        def poll():
            nonlocal told
            self._stop_if_aborted(app)
            now = time.monotonic()
            if now - told >= self.TELL_SECONDS:
                told = now
                print('%s %s: waiting for release %s, %d s so far' % (
                    app.name, app.version, release.name, now - started),
                    file=sys.stderr, flush=True)
            # 10.0 asks at each poll, ready or not; 11.0 on once it is ready.
            if self._release.since(10) and not self._release.since(11):
                self._status_hook(app, release)
        return poll

    def _status_hook(self, app, release):
        extra = ({'release': release.name} if self._release.since(11)
                 else {})
        Hooks.fresh(self, app, 'apply').call(
            'fluxcd-request', 'status', **extra)

    def require_kubernetes(self, content):
        """Refuse when the cluster's version is out of the app's range."""
        running = json.loads(tools.run(
            'kubectl', 'version', '--output', 'json'))[
                'serverVersion']['gitVersion']
        if not metadata.kube_version_fits(content, running):
            raise exception.IncompatibleKubeVersion(
                name=content['app_name'], version=content['app_version'],
                kube_version=running)

    # Remove and delete.

    def perform_app_remove(self, app, hook_info):
        hooks = Hooks(self, app, hook_info)
        self._update_app_status(
            app, new_progress='deleting application manifest')
        try:
            self._plugins.activate(app, self._helm)
            done, reason = self._make_request(app, 'remove')
            if done:
                if not self._release.since(12):
                    hooks.call('rbd', 'post')
                hooks.call('resource', 'post')
        except (Exception, Aborted) as error:
            done, reason = False, reason_of(error)
        if done:
            for row in self._dbapi.kube_app_get_inactive(app.name):
                self._dbapi.kube_app_destroy(row.id)
            self._update_app_status(app, 'uploaded', 'completed')
        else:
            self._update_app_status(app, 'remove-failed', reason)
        return done

    def perform_app_delete(self, app, hook_info):
        """Forget it; there is no hook behind the last file."""
        hooks = Hooks(self, app, hook_info)
        if not self._release.since(12):
            hooks.call('rbd', 'pre')
        hooks.call('resource', 'pre')
        self.forget(app)

    def forget(self, app):
        """One version goes, with its rows."""
        self.clean_up(app)
        self._dbapi.kube_app_destroy(app.id)

    def clean_up(self, app):
        """Plugins, charts and files of one version go."""
        self._plugins.deactivate(app)
        app_upload.remove_charts(self, app)
        for folder in (app.inst_path, app.sync_overrides_dir,
                       app.sync_fluxcd_manifest_dir):
            shutil.rmtree(folder, ignore_errors=True)
            with contextlib.suppress(OSError):
                # The folder of the application, when this was its last.
                os.rmdir(os.path.dirname(folder))


def reason_of(error):
    if isinstance(error, Aborted):
        return ABORTED
    if not isinstance(error, (Failed, exception.SysinvException)):
        LOG.exception('unexpected')
        return '%s: %s' % (type(error).__name__, error)
    return str(error)
