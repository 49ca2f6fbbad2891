# SPDX-License-Identifier: Apache-2.0
"""Where the platform keeps things, below the stand-in's own root folder."""

import os

SW_VERSION = 'lab'


class Platform(object):
    """The folders of a controller and the release that runs on it."""

    def __init__(self, root, release):
        self.root = os.path.abspath(root)
        self.release = release

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    @property
    def plugin_path(self):
        """The folder of the .pth files that activate plugins, 7.0 on."""
        return self.path('var/stx_app/plugins')

    def charts_repo(self, name):
        """What lighttpd serves as http://.../helm_charts/<name>."""
        return self.path('var/www/pages/helm_charts', name)


class Application(object):
    """One version of one application: its row and its folders."""

    def __init__(self, row, platform):
        self._kube_app = row
        self._platform = platform
        place = (row.name, row.app_version)
        self.inst_path = platform.path('scratch/apps', *place)
        self.inst_charts_dir = os.path.join(self.inst_path, 'charts')
        self.inst_plugins_dir = os.path.join(self.inst_path, 'plugins')
        self.sync_overrides_dir = platform.path(
            'opt/platform/helm', SW_VERSION, *place)
        self.sync_plugins_dir = os.path.join(
            self.sync_overrides_dir, 'plugins')
        self.sync_fluxcd_manifest_dir = platform.path(
            'opt/platform/fluxcd', SW_VERSION, *place)
        self.sync_fluxcd_manifest = os.path.join(
            self.sync_fluxcd_manifest_dir, 'fluxcd-manifests')
        self.sync_imgfile = os.path.join(
            self.sync_fluxcd_manifest_dir, '%s-images.yaml' % row.name)
        self.sync_metadata_file = os.path.join(
            self.sync_fluxcd_manifest_dir, '%s-metadata.yaml' % row.name)
        self.charts = []
        self.mode = None
        self.app_metadata = {}

    @property
    def id(self):
        return self._kube_app.id

    @property
    def name(self):
        return self._kube_app.name

    @property
    def version(self):
        return self._kube_app.app_version

    @property
    def status(self):
        return self._kube_app.status

    @property
    def progress(self):
        return self._kube_app.progress

    @property
    def system_app(self):
        """True when the application ships plugins, and for that alone."""
        return (os.path.isdir(self.sync_plugins_dir)
                and bool(os.listdir(self.sync_plugins_dir)))

    @property
    def pth_file(self):
        return os.path.join(
            self._platform.plugin_path,
            'stx_app-%s-%s.pth' % (self.name, self.version))
