# SPDX-License-Identifier: Apache-2.0
"""What sysinv's API and conductor do around AppOperator."""

import logging
import os
import re
import tempfile

from stx_system.app_operator import AppOperator
from stx_system import app_update
from stx_system.errors import Aborted
from stx_system.errors import Failed
from stx_system.errors import Rejected
from stx_system.helm_operator import HelmOperator
from stx_system.hooks import hook_info
from stx_system.hooks import Hooks
from stx_system.platform import Application
from stx_system import tarball
from sysinv.common import exception
from sysinv import double

LOG = logging.getLogger(__name__)

IN_PROGRESS = {'uploading': 'upload-failed', 'applying': 'apply-failed',
               'updating': 'apply-failed', 'removing': 'remove-failed',
               'recovering': 'apply-failed'}
# The states in which an operation may begin.
ALLOWED = {
    'apply': ('uploaded', 'applied', 'apply-failed'),
    'update': ('applied',),
    'remove': ('applied', 'apply-failed', 'remove-failed'),
    'delete': ('uploaded', 'upload-failed'),
    'abort': ('applying', 'updating', 'removing'),
}


class Manager(object):
    """The ``conductor_obj`` of the checks, and the commands' other half."""

    def __init__(self, platform, dbapi, kube, registry):
        self._platform = platform
        self._dbapi = dbapi
        double.set_dbapi(dbapi)
        self._helm = HelmOperator(dbapi, platform)
        self.app_op = AppOperator(platform, dbapi, self._helm, kube,
                                  registry)
        # A lifecycle operator reads it.
        self.apps_metadata = self.app_op._apps_metadata

    def end_dead_operations(self):
        """As a restarted conductor does; nobody may hold the lock."""
        aborted = ('operation aborted, check system inventory logs for '
                   'details')
        for row in self._dbapi.kube_app_get_all():
            if row.status in IN_PROGRESS:
                self._dbapi.kube_app_update(row.id, {
                    'status': IN_PROGRESS[row.status], 'progress': aborted})

    # Looking.

    def find(self, name):
        try:
            return Application(self._dbapi.kube_app_get(name),
                               self._platform)
        except exception.KubeAppNotFound:
            raise Rejected('application not found: %s' % name)

    # Checks that answer to the person.

    def _find_for(self, operation, name):
        try:
            app = self.find(name)
        except Rejected as reason:
            raise Rejected('Application-%s rejected: %s' % (
                operation, reason))
        if app.status not in ALLOWED[operation]:
            raise Rejected(
                'Application-%s rejected: operation is not allowed while '
                'the current status is %s.' % (operation, app.status))
        if not os.path.isdir(app.sync_fluxcd_manifest) and operation not in (
                'abort', 'delete'):
            raise Rejected('Application-%s rejected: %s belongs to the '
                           'platform and has no tarball here.' % (
                               operation, name))
        return app

    def semantic_check(self, operation, app, mode='manual', **extra):
        """(mode, check, pre, operation): its exception is the answer."""
        info = hook_info(mode, 'check', 'pre', operation, **extra)
        try:
            self.app_op.app_lifecycle_actions(None, self, app, info)
        except Exception as error:
            LOG.exception('check of %s %s', operation, app.name)
            raise Rejected('Application-%s rejected: %s' % (
                operation, error))

    def _require_kubernetes(self, operation, content):
        try:
            self.app_op.require_kubernetes(content)
        except (Failed, exception.SysinvException) as error:
            raise Rejected('Application-%s rejected: %s' % (
                operation, error))

    def _around(self, app, operation, **extra):
        """Hooks the manager calls itself: conductor given, all forgiven."""
        info = hook_info('manual', 'operation', 'pre', operation, **extra)
        return Hooks(self.app_op, app, info, context=None, conductor=self)

    def _read_tarball(self, operation, tarfile):
        with tempfile.TemporaryDirectory() as folder:
            try:
                return tarball.check(tarfile, folder,
                                     self._platform.release)
            except Rejected as reason:
                raise Rejected('Application-%s rejected: %s' % (
                    operation, reason))

    def create_row(self, content, status):
        return Application(self._dbapi.kube_app_create({
            'status': status,
            'name': content['app_name'],
            'app_version': content['app_version'],
            'app_metadata': content,
            'helm_repo': content.get('helm_repo', 'starlingx'),
            'manifest_name': '%s-fluxcd-manifests' % content['app_name'],
            'manifest_file': tarball.FLUXCD_FOLDER}), self._platform)

    # Operations.

    def upload(self, tarfile, app_name=None, app_version=None):
        content = self._read_tarball('upload', tarfile)
        for given, key in ((app_name, 'app_name'),
                           (app_version, 'app_version')):
            if given and given != content[key]:
                raise Rejected('Application-upload rejected: %s "%s" is not '
                               '"%s", which metadata.yaml names.' % (
                                   key, given, content[key]))
        name = content['app_name']
        try:
            self._dbapi.kube_app_get(name)
        except exception.KubeAppNotFound:
            pass
        else:
            raise Rejected(
                'Application-upload rejected: application %s already '
                'exists. Use application-update, or application-delete '
                'first.' % name)
        app = self.create_row(content, 'uploading')
        try:
            self.app_op.perform_app_upload(app, tarfile)
        except (Exception, Aborted) as error:
            self._fail(app, 'upload', error)
        # The one hook of an upload.
        self._around(app, 'upload').call_and_forgive('operation', 'post')
        return app

    def apply(self, name, mode=None):
        app = self._find_for('apply', name)
        self._require_kubernetes('apply', app._kube_app.app_metadata)
        self.semantic_check('apply', app)
        self.app_op.begin(app, 'applying')
        around = self._around(app, 'apply')
        around.call_and_forgive('operation', 'pre')
        try:
            applied = self.app_op.perform_app_apply(app, mode, around.info)
        except exception.KubeAppApplyFailure as error:
            raise Failed('Application-apply failed: %s' % error)
        around.call_and_forgive('operation', 'post', app_applied=applied)
        if not applied:
            raise Failed('Application-apply failed: %s' % app.progress)
        return app

    def remove(self, name, force=False):
        app = self._find_for('remove', name)
        self.semantic_check('remove', app, force=force)
        self.app_op.begin(app, 'removing')
        around = self._around(app, 'remove', force=force)
        around.call_and_forgive('operation', 'pre')
        removed = self.app_op.perform_app_remove(app, around.info)
        around.call_and_forgive('operation', 'post', app_removed=removed)
        if not removed:
            raise Failed('Application-remove failed: %s' % app.progress)
        return app

    def delete(self, name, force=False):
        app = self._find_for('delete', name)
        self.semantic_check('delete', app, force=force)
        around = self._around(app, 'delete', force=force)
        around.call_and_forgive('operation', 'pre')
        try:
            self.app_op.perform_app_delete(app, around.info)
        except Exception as error:
            raise Failed('Application-delete failed: %s' % error)

    def update(self, tarfile):
        content = self._read_tarball('update', tarfile)
        old = self._find_for('update', content['app_name'])
        self._check_update(old, content)
        self._require_kubernetes('update', content)
        self.semantic_check('update', old, from_app=True)
        return app_update.perform(self, old, content, tarfile)

    def abort(self, name):
        """Ask for the end of what another command is at."""
        app = self._find_for('abort', name)
        self.semantic_check('abort', app)
        self.app_op.perform_app_abort(
            app, hook_info('manual', None, None, 'abort'))
        return app

    def _check_update(self, old, content):
        version = content['app_version']
        if old.version == version:
            raise Rejected('Application-update rejected: the version %s is '
                           'applied already.' % version)
        upgrades = content.get('upgrades') or {}
        # Master alone enforces from_versions; an empty list refuses all.
        if self._platform.release.is_master and 'from_versions' in upgrades:
            if not any(re.fullmatch(entry, old.version)
                       for entry in upgrades['from_versions']):
                raise Rejected('Application-update rejected: version %s '
                               'cannot be updated to %s.' % (
                                   old.version, version))

    def _fail(self, app, operation, error):
        self.app_op._update_app_status(
            app, '%s-failed' % operation, str(error)
            or 'operation aborted by user')
        self.app_op._plugins.deactivate(app)
        if isinstance(error, Aborted):
            raise error
        if not isinstance(error, (Failed, Rejected,
                                  exception.SysinvException)):
            LOG.exception('unexpected')
        raise Failed('Application-%s failed: %s' % (operation, error))
