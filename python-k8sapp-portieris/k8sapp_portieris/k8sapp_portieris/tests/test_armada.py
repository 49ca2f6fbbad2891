# SPDX-License-Identifier: Apache-2.0
"""The Armada plugin: at work up to 8.0, harmless afterwards."""

import io
import os
import shutil
import tempfile

import yaml

from k8sapp_portieris.tests import base

MANIFEST = u'''\
---
schema: armada/Chart/v1
metadata: {name: portieris-chart}
data: {chart_name: portieris}
---
schema: armada/ChartGroup/v1
metadata: {name: portieris}
data: {chart_group: [portieris-chart]}
---
schema: armada/Manifest/v1
metadata: {name: portieris-manifest}
data: {release_prefix: portieris, chart_groups: [portieris]}
'''


def operator():
    return base.plugin('armada.manifest_portieris') \
        .PortierisArmadaManifestOperator()


@base.on_each_release()
class Loading(object):

    def test_it_can_be_called_where_there_is_no_armada(self):
        # 12.0 calls every class of the wheel, and drops all if one fails.
        self.assertEqual('portieris', operator().APP)
        operator().platform_mode_manifest_updates(None, None)


@base.on_each_release(until='stx.8.0')
class Armada(object):

    def test_a_disabled_chart_leaves_its_group(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        path = os.path.join(folder, 'portieris-manifest.yaml')
        with io.open(path, 'w', encoding='utf-8') as file:
            file.write(MANIFEST)
        manifest = operator()
        manifest.load(path)
        manifest.chart_group_chart_delete(
            manifest.CHART_GROUPS_LUT['portieris'],
            manifest.CHARTS_LUT['portieris'])
        manifest.save_overrides()
        written = os.path.join(folder, 'cg-portieris-meta.yaml')
        with io.open(written, encoding='utf-8') as file:
            self.assertEqual(
                [], yaml.safe_load(file)['data']['chart_group'])
