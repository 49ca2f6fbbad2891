# SPDX-License-Identifier: Apache-2.0
"""Plugins: from the wheel in the tarball to operators in this process."""

import glob
import importlib.metadata
import logging
import os
import re
import shutil
import site
import sys
import zipfile

from stevedore import extension

LOG = logging.getLogger(__name__)

APPLICATIONS = 'systemconfig.helm_applications'
LIFECYCLE = 'systemconfig.app_lifecycle'
KUSTOMIZE = 'systemconfig.fluxcd.kustomize_ops'
# The groups whose classes are given the helm operator by 12.0's loader.
WITH_OPERATOR = (APPLICATIONS, 'systemconfig.helm_plugins',
                 'systemconfig.puppet_plugins')


def install(app):
    """Unzip every wheel of the tarball; nothing else installs anything."""
    shutil.rmtree(app.sync_plugins_dir, ignore_errors=True)
    for wheel in sorted(glob.glob(os.path.join(app.inst_plugins_dir,
                                               '*.whl'))):
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(app.sync_plugins_dir)
        LOG.info('plugins of %s extracted', wheel)


class Plugins(object):
    """The operators of activated applications, by name."""

    def __init__(self, platform):
        self._platform = platform
        self.forget()

    def forget(self):
        self.charts = {}
        self.applications = {}
        self.lifecycle = {}
        self.kustomize = {}

    def activate(self, app, helm_operator):
        """Write the .pth, put the folder on sys.path, load what it offers."""
        if not app.system_app:
            return
        os.makedirs(self._platform.plugin_path, exist_ok=True)
        with open(app.pth_file, 'w') as pth:
            pth.write(app.sync_plugins_dir + '\n')
        if app.sync_plugins_dir not in sys.path:
            site.addsitedir(self._platform.plugin_path)
            self._discover(app.sync_plugins_dir, helm_operator)

    def deactivate(self, app):
        """Take the folder from sys.path, and all that came from it."""
        if os.path.exists(app.pth_file):
            os.remove(app.pth_file)
        if app.sync_plugins_dir not in sys.path:
            return
        sys.path.remove(app.sync_plugins_dir)
        for name, module in list(sys.modules.items()):
            if (getattr(module, '__file__', None) or '').startswith(
                    app.sync_plugins_dir + os.sep):
                del sys.modules[name]
        importlib.invalidate_caches()
        extension.ExtensionManager.ENTRY_POINT_CACHE.clear()
        self.forget()

    def _discover(self, folder, helm_operator):
        importlib.invalidate_caches()
        extension.ExtensionManager.ENTRY_POINT_CACHE.clear()
        if self._platform.release.since(12):
            _load_all(folder, helm_operator)
        for dist in importlib.metadata.distributions(path=[folder]):
            for entry in dist.entry_points:
                # The value names another group; it is never imported.
                if entry.group == APPLICATIONS:
                    self._load_charts(entry.name, entry.value,
                                      helm_operator)
        self.lifecycle.update(self._operators(LIFECYCLE))
        self.kustomize.update(self._operators(KUSTOMIZE))

    def _load_charts(self, app_name, group, helm_operator):
        loaded = self._extensions(group, (helm_operator,))
        # The NNN_ of a name gives the order, and is cut off unseen up to
        # 11.0: a name without it loses its first four characters there.
        self.applications[app_name] = []
        for found in loaded:
            name = (self._bare(found.name)
                    if self._platform.release.since(12) else found.name[4:])
            self.charts[name] = found.obj
            self.applications[app_name].append(name)

    def _operators(self, group):
        # The highest _NNN of a name wins.
        return {self._bare(found.name): found.obj
                for found in self._extensions(group, ())}

    @staticmethod
    def _bare(name):
        return re.match(r'^(?:\d{3}_)?(.*?)(?:_\d{3})?$', name).group(1)

    @staticmethod
    def _extensions(group, args):
        manager = extension.ExtensionManager(
            namespace=group, invoke_on_load=True, invoke_args=args,
            on_load_failure_callback=_not_loaded)
        return sorted(manager, key=lambda found: found.name)


_told = set()


def _not_loaded(manager, entry_point, error):
    """Say it once; sysinv only logs it and takes generic operators."""
    text = 'plugin %s did not load: %s: %s' % (
        entry_point.value, type(error).__name__, error)
    if text not in _told:
        _told.add(text)
        print('warning: %s. StarlingX would go on without it.' % text,
              file=sys.stderr)
        LOG.error(text)


def _load_all(folder, helm_operator):
    """12.0's loader: every entry point of the wheel is loaded and called."""
    for dist in importlib.metadata.distributions(path=[folder]):
        for entry in dist.entry_points:
            if entry.group == APPLICATIONS:
                continue
            try:
                module = entry.value.partition(':')[0].partition('.')[0]
                importlib.metadata.distribution(module)
                args = ((helm_operator,)
                        if entry.group.startswith(WITH_OPERATOR) else ())
                entry.load()(*args)
            except Exception as error:
                _not_loaded(None, entry, error)
