# SPDX-License-Identifier: Apache-2.0
"""What Armada is given on StarlingX 5.0 to 8.0, put together as sysinv does.

The manifest of the tarball, an overrides document for each chart, and, once a
chart was switched off, its chart group anew: Armada merges them in this
order, by schema and name.
"""

import copy
import pathlib
import shutil

from k8sapp_portieris.tests import base
import pytest
from stx_system import images
from sysinv import double
import yaml

ROOT = pathlib.Path(__file__).parents[2]
MANIFEST = ROOT / 'manifests' / 'armada' / 'portieris-manifest.yaml'
RELEASES = double.RELEASES[1:double.RELEASES.index('stx.9.0')]
USERS = ('trustServers:\n- {registry: harbor.example.com, '
         'url: "https://harbor.example.com:4443"}\nreplicaCount: 1\n')


@pytest.fixture(params=RELEASES)
def release(request, emulate):
    emulate(request.param, forget=['k8sapp_portieris.%s' % room
                                   for room in base.PLUGIN_ROOMS])
    return request.param


@pytest.fixture
def manifest(release, tmp_path):
    """The manifest operator, with the manifest where it may be changed."""
    path = shutil.copy(MANIFEST, tmp_path)
    operator = base.plugin('armada.manifest_portieris') \
        .PortierisArmadaManifestOperator()
    operator.load(path)
    return operator


def chart_plugin(**data):
    class Operator(object):
        dbapi = base.Db(hosts=[base.controller(), base.controller()], **data)
        context = {}
    return base.plugin('helm.portieris').PortierisHelm(Operator())


def merge(under, over):
    """As Armada merges values; what is no dictionary is replaced."""
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(under.get(key), dict):
            merge(under[key], value)
        else:
            under[key] = copy.deepcopy(value)
    return under


def documents(paths):
    return [document for path in paths for document in yaml.safe_load_all(
        pathlib.Path(path).read_text())]


def overrides_document(operator, overrides):
    """Return the document in which sysinv hands on what the plugin says.

    It has the name of the chart document with this chart and namespace;
    without one it would have a name that nothing else has.
    """
    (namespace, values), = overrides.items()
    names = [name for name, document in operator.docs['chart_name'].items()
             if (document['data']['chart_name'],
                 document['data']['namespace']) == ('portieris', namespace)]
    assert names == [operator.CHARTS_LUT['portieris']]
    return {'schema': 'armada/Chart/v1', 'metadata': {
        'schema': 'metadata/Document/v1', 'name': names[0]},
        'data': {'values': values}}


def merged(base_documents, more):
    found = {(each['schema'], each['metadata']['name']): copy.deepcopy(each)
             for each in base_documents}
    for each in more:
        merge(found[each['schema'], each['metadata']['name']], each)
    return found


def test_the_plugin_s_values_reach_the_chart_and_users_win(manifest):
    values = merge(chart_plugin().get_overrides(),
                   {'portieris': yaml.safe_load(USERS)})
    chart = merged(manifest.content, [overrides_document(manifest, values)])[
        'armada/Chart/v1', 'portieris-chart']
    assert chart['data']['values']['replicaCount'] == 1
    assert chart['data']['values']['trustServers'][0]['registry'] == \
        'harbor.example.com'
    assert chart['data']['release'] == 'portieris'


def test_every_chart_has_overrides_for_its_own_namespace(manifest):
    # sysinv gives up when one is missing.
    overrides = {'portieris': chart_plugin().get_overrides()}
    for document in manifest.docs['chart_name'].values():
        assert document['data']['namespace'] in overrides[
            document['data']['chart_name']]


def test_the_image_is_named_in_the_local_registry(manifest):
    class Release(object):
        is_master = False

        def since(self, number):
            return False

    chart = manifest.docs['chart_name']['portieris-chart']
    tags = chart['data']['values']['images']['tags']
    reference = tags['portieris']
    found = images.find(chart['data']['values'], Release())
    assert images.references(found) == [reference]
    merge(chart['data']['values'], images.with_local_registry(found))
    assert tags == {'portieris': 'registry.local:9001/' + reference}


@pytest.mark.parametrize('enabled', (True, False))
def test_a_chart_switched_off_is_left_out_and_comes_back(
        manifest, tmp_path, enabled):
    path = str(tmp_path / MANIFEST.name)
    off = chart_plugin(system_overrides={'enabled': False})
    off.execute_manifest_updates(manifest)
    if enabled:
        # The same operator lives as long as the conductor.
        manifest.load(path)
        chart_plugin(system_overrides={'enabled': True}) \
            .execute_manifest_updates(manifest)
    manifest.save_overrides()
    manifest.save_summary(str(tmp_path))
    manifest.save_delete_manifest()
    more = yaml.safe_load((tmp_path / 'armada-overrides.yaml').read_text())
    assert [pathlib.Path(each).name for each in more] == [
        'cg-portieris-meta.yaml']
    wanted = ['portieris-chart'] if enabled else []
    group = 'armada/ChartGroup/v1', 'portieris'
    given = merged(documents([path]), documents(more))
    assert given[group]['data']['chart_group'] == wanted
    removed = merged(documents([tmp_path / 'portieris-manifest-del.yaml']),
                     [])
    assert removed[group]['data']['chart_group'] == wanted
