# SPDX-License-Identifier: Apache-2.0
"""How sysinv edits the kustomization of a FluxCD application."""

import abc
import io
import json
import os
import shutil

import yaml

from sysinv.common import constants
from sysinv.common import utils
from sysinv.db import api as dbapi

# Makes an abstract class on Python 2 and 3 alike.
_Abstract = abc.ABCMeta('_Abstract', (object,), {})


def _read(path):
    with io.open(path, encoding='utf-8') as file:
        return list(yaml.safe_load_all(file))


def _original_of(path):
    """Return the path of the untouched copy, made at the first call."""
    original = '%s-orig%s' % os.path.splitext(path)
    if not os.path.exists(original):
        shutil.copyfile(path, original)
    return original


class FluxCDKustomizeOperator(_Abstract):
    """Knows the releases of a kustomization and can leave some out."""

    def __init__(self, manifest_fqpn=None):
        self.app_manifest_path = None
        self.kustomization_fqpn = None
        self.release_cleanup_fqpn = None
        self.kustomization_content = []
        self.kustomization_resources = []
        self.kustomization_namespace = None
        self.helmrelease_resource_map = {}
        self.helmrelease_cleanup = []
        if manifest_fqpn:
            self.load(manifest_fqpn)

    def __str__(self):
        return json.dumps({
            constants.APP_ROOT_KUSTOMIZE_FILE: self.kustomization_content,
            'helmrelease_resource_map': self.helmrelease_resource_map,
            'helmrelease_cleanup': self.helmrelease_cleanup,
        }, indent=2)

    def load(self, manifests_dir_fqpn):
        """Read the manifests, always from the first copy of each file."""
        self.app_manifest_path = manifests_dir_fqpn
        self._override_fluxcd_app_repo_url(manifests_dir_fqpn)
        self.kustomization_fqpn = os.path.join(
            manifests_dir_fqpn, constants.APP_ROOT_KUSTOMIZE_FILE)
        self.release_cleanup_fqpn = os.path.join(
            manifests_dir_fqpn, constants.APP_RELEASE_CLEANUP_FILE)
        self.helmrelease_cleanup = []
        self.kustomization_content = _read(
            _original_of(self.kustomization_fqpn))
        if len(self.kustomization_content) != 1:
            raise ValueError('%s holds %d YAML documents, not one' % (
                self.kustomization_fqpn, len(self.kustomization_content)))
        content = self.kustomization_content[0]
        self.kustomization_resources = content['resources']
        self.kustomization_namespace = content.get('namespace', 'default')
        self.helmrelease_resource_map = {}
        for resource in self.kustomization_resources:
            release = os.path.join(manifests_dir_fqpn, resource,
                                   'helmrelease.yaml')
            if os.path.isfile(release):
                self._add_release(resource, release)

    def _add_release(self, resource, release_fqpn):
        metadata = _read(release_fqpn)[0]['metadata']
        kustomization = os.path.join(os.path.dirname(release_fqpn),
                                     constants.APP_ROOT_KUSTOMIZE_FILE)
        own = _read(kustomization)[0] if os.path.isfile(kustomization) else {}
        self.helmrelease_resource_map.setdefault(metadata['name'], {
            'name': metadata['name'],
            'namespace': (own.get('namespace') or metadata.get('namespace')
                          or self.kustomization_namespace),
            'resource': resource,
        })

    def _override_fluxcd_app_repo_url(self, manifest):
        path = os.path.join(manifest, constants.APP_BASE_HELMREPOSITORY_FILE)
        repository = _read(_original_of(path))[0]
        repository['spec']['url'] = \
            utils.replace_helmrepo_url_with_floating_address(
                dbapi.get_instance(), repository['spec']['url'])
        self._write_file(os.path.dirname(path), os.path.basename(path), path,
                         repository)

    def _write_file(self, path, filename, pathfilename, data):
        with io.open(pathfilename, 'w', encoding='utf-8') as file:
            yaml.safe_dump(data, file, default_flow_style=False,
                           encoding=None, allow_unicode=True)

    def save_kustomization_updates(self):
        self._delete_kustomization_file()
        self.kustomization_content[0]['resources'] = \
            self.kustomization_resources
        self._write_file(self.app_manifest_path,
                         constants.APP_ROOT_KUSTOMIZE_FILE,
                         self.kustomization_fqpn,
                         self.kustomization_content[0])

    def save_release_cleanup_data(self):
        """Name the releases to delete after the apply, if there are any."""
        self._delete_release_cleanup_file()
        if self.helmrelease_cleanup:
            self._write_file(self.app_manifest_path,
                             constants.APP_RELEASE_CLEANUP_FILE,
                             self.release_cleanup_fqpn,
                             {'releases': self.helmrelease_cleanup})

    def _delete_kustomization_file(self):
        os.remove(self.kustomization_fqpn)

    def _delete_release_cleanup_file(self):
        if os.path.exists(self.release_cleanup_fqpn):
            os.remove(self.release_cleanup_fqpn)

    def helm_release_resource_delete(self, helmrelease_name):
        """Leave a release out; an unknown name changes nothing."""
        release = self.helmrelease_resource_map.pop(helmrelease_name, None)
        if release:
            self.kustomization_resources.remove(release['resource'])
            self.helmrelease_cleanup.append({
                'name': release['name'],
                'namespace': release['namespace'],
            })

    @abc.abstractmethod
    def platform_mode_kustomize_updates(self, dbapi, mode):
        """Adapt the resources to the mode of the apply."""
