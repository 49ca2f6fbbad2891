# SPDX-License-Identifier: Apache-2.0
"""How sysinv edits the manifest of an armada application (until 8.0)."""

import abc
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
SUMMARY_FILE = 'armada-overrides.yaml'

# Makes an abstract class on Python 2 and 3 alike.
_Abstract = abc.ABCMeta('_Abstract', (object,), {})


class ArmadaManifestOperator(_Abstract):
    """Knows the documents of a manifest and can take charts out."""

    def __init__(self, manifest_fqpn=None):
        self.manifest_path = None
        self.content = []
        self.docs = {}
        self.updated = {}
        if manifest_fqpn:
            self.load(manifest_fqpn)

    def __str__(self):
        return json.dumps(self.docs, indent=2)

    def load(self, manifest_fqpn):
        self.manifest_path = os.path.dirname(manifest_fqpn)
        with io.open(manifest_fqpn, encoding='utf-8') as file:
            self.content = list(yaml.safe_load_all(file))
        self.docs = {VAL_SCHEMA_MANIFEST: {}, VAL_SCHEMA_CHART_GROUP: {},
                     VAL_SCHEMA_CHART: {}}
        self.updated = {schema: set() for schema in self.docs}
        for doc in self.content:
            name = doc[KEY_METADATA][KEY_METADATA_NAME]
            self.docs[doc[KEY_SCHEMA]][name] = doc

    def chart_group_chart_delete(self, chart_group, chart):
        """Take the chart document out of its group, if it is there."""
        group = self.docs[VAL_SCHEMA_CHART_GROUP].get(chart_group)
        if group and chart in group[KEY_DATA][KEY_DATA_CHART_GROUP]:
            group[KEY_DATA][KEY_DATA_CHART_GROUP].remove(chart)
            self.updated[VAL_SCHEMA_CHART_GROUP].add(chart_group)

    def save_overrides(self):
        """Write each changed document beside the manifest."""
        for chart_group in self.updated[VAL_SCHEMA_CHART_GROUP]:
            filename = 'cg-%s-meta.yaml' % chart_group
            self._write_file(
                self.manifest_path, filename,
                os.path.join(self.manifest_path, filename),
                self.docs[VAL_SCHEMA_CHART_GROUP][chart_group])

    def _write_file(self, path, filename, pathfilename, data):
        with io.open(pathfilename, 'w', encoding='utf-8') as file:
            yaml.safe_dump(data, file, default_flow_style=False,
                           encoding=None, explicit_start=True)

    @abc.abstractmethod
    def platform_mode_manifest_updates(self, dbapi, mode):
        """Adapt the chart groups to the mode of the apply."""
