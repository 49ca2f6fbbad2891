# SPDX-License-Identifier: Apache-2.0
"""How sysinv edits the manifest of an armada application (until 8.0)."""

import abc
import glob
import io
import json
import os

import yaml

KEY_SCHEMA = 'schema'
VAL_SCHEMA_MANIFEST = 'armada/Manifest/v1'
VAL_SCHEMA_CHART_GROUP = 'armada/ChartGroup/v1'
VAL_SCHEMA_CHART = 'armada/Chart/v1'
KEY_METADATA = 'metadata'
KEY_METADATA_NAME = 'name'
KEY_DATA = 'data'
KEY_DATA_CHART_GROUPS = 'chart_groups'
KEY_DATA_CHART_GROUP = 'chart_group'
KEY_DATA_CHART_NAME = 'chart_name'
FILE_PREFIX = {
    KEY_DATA_CHART_GROUPS: 'm-',
    KEY_DATA_CHART_GROUP: 'cg-',
    KEY_DATA_CHART_NAME: 'c-',
}
FILE_SUFFIX = '-meta.yaml'
SUMMARY_FILE = 'armada-overrides.yaml'

_SCHEMAS = {
    KEY_DATA_CHART_GROUPS: VAL_SCHEMA_MANIFEST,
    KEY_DATA_CHART_GROUP: VAL_SCHEMA_CHART_GROUP,
    KEY_DATA_CHART_NAME: VAL_SCHEMA_CHART,
}
# Makes an abstract class on Python 2 and 3 alike.
_Abstract = abc.ABCMeta('_Abstract', (object,), {})


class ArmadaManifestOperator(_Abstract):
    """Knows the documents of a manifest and can take charts out."""

    def __init__(self, manifest_fqpn=None):
        self.manifest_path = None
        self.delete_manifest = None
        self.content = []
        self.docs = {kind: {} for kind in FILE_PREFIX}
        self.updated = {kind: set() for kind in FILE_PREFIX}
        if manifest_fqpn:
            self.load(manifest_fqpn)

    def __str__(self):
        return json.dumps(self.docs, indent=2)

    def load(self, manifest_fqpn):
        """Read the manifest anew; what was changed once stays marked so."""
        if not os.path.exists(manifest_fqpn):
            return
        self.manifest_path = os.path.dirname(manifest_fqpn)
        self.delete_manifest = '%s-del%s' % os.path.splitext(manifest_fqpn)
        with io.open(manifest_fqpn, encoding='utf-8') as file:
            self.content = list(yaml.safe_load_all(file))
        self.docs = {
            kind: {doc[KEY_METADATA][KEY_METADATA_NAME]: doc
                   for doc in self.content if doc[KEY_SCHEMA] == schema}
            for kind, schema in _SCHEMAS.items()}

    def chart_group_chart_delete(self, chart_group, chart):
        """Take a known chart out of its known group, if it is there."""
        group = self.docs[KEY_DATA_CHART_GROUP].get(chart_group)
        if group is None or chart not in self.docs[KEY_DATA_CHART_NAME]:
            return
        if chart in group[KEY_DATA][KEY_DATA_CHART_GROUP]:
            group[KEY_DATA][KEY_DATA_CHART_GROUP].remove(chart)
            self.updated[KEY_DATA_CHART_GROUP].add(chart_group)

    def _written(self):
        """Return {path: document} of what save_overrides writes."""
        return {
            os.path.join(self.manifest_path, '%s%s%s' % (
                FILE_PREFIX[kind], name, FILE_SUFFIX)): self.docs[kind][name]
            for kind, names in self.updated.items() for name in names}

    def save_summary(self, path=None):
        """List the files that Armada is given beside the manifest."""
        folder = path if path and os.path.exists(path) else self.manifest_path
        self._write_file(folder, SUMMARY_FILE,
                         os.path.join(folder, SUMMARY_FILE),
                         sorted(self._written()))

    def save_overrides(self):
        """Write each changed document beside the manifest, and no others."""
        for prefix in FILE_PREFIX.values():
            for old in glob.glob(os.path.join(
                    self.manifest_path, prefix + '*' + FILE_SUFFIX)):
                os.remove(old)
        for path, document in self._written().items():
            self._write_file(self.manifest_path, os.path.basename(path), path,
                             document)

    def save_delete_manifest(self):
        """Write the whole manifest as it is now, for the removal."""
        with io.open(self.delete_manifest, 'wb') as file:
            yaml.safe_dump_all(self.content, file, explicit_start=True,
                               default_flow_style=False, encoding='utf-8')

    def _write_file(self, path, filename, pathfilename, data):
        with io.open(pathfilename, 'wb') as file:
            yaml.safe_dump(data, file, default_flow_style=False,
                           encoding='utf-8')

    @abc.abstractmethod
    def platform_mode_manifest_updates(self, dbapi, mode):
        """Adapt the chart groups to the mode of the apply."""
