# SPDX-License-Identifier: Apache-2.0
"""The tables of values and policy fields are complete and true."""

import re

import pytest
import yaml

from tests.docs import manual

CHART = manual.ROOT / 'stx-portieris-helm' / 'helm-charts' / 'portieris'
# Values below which the manual names no further key.
WHOLE = {'resources', 'nodeSelector', 'tolerations', 'affinity',
         'podAnnotations'}


def overrides():
    rows = manual.tables_with_header(manual.read('platform/overrides.rst'),
                                     'Key', 'Default', 'Required', 'Meaning')
    return {manual.literal(row[0]): manual.literal(row[1]) for row in rows}


def values():
    """Return each leaf of the chart's values with its default."""
    tree = yaml.safe_load((CHART / 'values.yaml').read_text())
    leaves = {}

    def walk(prefix, node):
        for key, value in node.items():
            path = prefix + key
            if isinstance(value, dict) and value and path not in WHOLE:
                walk(path + '.', value)
            else:
                leaves[path] = value

    walk('', tree)
    return leaves


def test_every_value_of_the_chart_is_in_the_manual():
    assert sorted(set(values()) - set(overrides())) == []


def test_every_value_in_the_manual_is_in_the_chart():
    known = set(values()) | {'trustServers[].' + key for key in
                             ('registry', 'url', 'signerSecrets')}
    assert sorted(set(overrides()) - known) == []


@pytest.mark.parametrize('key, said', sorted(overrides().items()))
def test_the_default_is_the_chart_s(key, said):
    default = values().get(key)
    if default in ('', None):
        assert said in ('empty', 'none')
    elif key not in WHOLE:
        assert yaml.safe_load(said) == default


@pytest.mark.parametrize('key', sorted({
    word.split('=')[0] for _, words in manual.of_program('system')
    for before, word in zip(words, words[1:])
    if before == '--set' and word != 'KEY=VALUE'}))
def test_the_override_is_a_value_of_the_chart(key):
    assert re.sub(r'\[\d+\]$', '',
                  re.sub(r'\[\d+\]\.', '[].', key)) in overrides()


def fields():
    rows = manual.tables_with_header(manual.read('policies/fields.rst'),
                                     'Key', 'Default', 'Required', 'Meaning')
    return {manual.literal(row[0]) for row in rows}


def schema(kind):
    path = CHART / 'crds' / ('portieris.cloud.ibm.com_%s.yaml' % kind)
    crd = yaml.safe_load(path.read_text())
    spec = crd['spec']['versions'][0]['schema']['openAPIV3Schema']
    return spec['properties']['spec']['properties']['repositories']['items']


def leaves(prefix, node):
    for key, child in node.get('properties', {}).items():
        path = prefix + key
        if child['type'] == 'array':
            path, child = path + '[]', child['items']
        if child.get('properties'):
            yield from leaves(path + '.', child)
        else:
            yield path


@pytest.mark.parametrize('kind', ['imagepolicies', 'clusterimagepolicies'])
def test_every_field_of_a_policy_is_in_the_manual(kind):
    def covered(leaf):
        return any(leaf == field or leaf.startswith(field + '.')
                   for field in fields())
    missing = [leaf for leaf in leaves('', schema(kind))
               if not covered(leaf)]
    assert missing == []


@pytest.mark.parametrize('field', sorted(fields()))
def test_the_field_is_in_the_definition(field):
    node = schema('imagepolicies')
    for key in field.split('.'):
        node = node['properties'][key.replace('[]', '')]
        if key.endswith('[]'):
            node = node['items']


def examples():
    return [pytest.param(block, id='%s %d' % (manual.name(page), number))
            for page in manual.pages()
            for number, block in enumerate(manual.blocks(
                page.read_text(encoding='utf-8'), 'yaml'))]


@pytest.mark.parametrize('block', examples())
def test_an_example_of_a_policy_has_known_fields_only(block):
    document = yaml.safe_load(block)
    if isinstance(document, dict) and 'spec' not in document:
        assert set(document) <= {key.split('.')[0] for key in values()}
        return
    entries = (document if isinstance(document, list)
               else document['spec']['repositories'])
    for entry in entries:
        known('', entry, schema('imagepolicies'))


def known(path, value, node):
    if isinstance(value, list):
        for item in value:
            known(path + '[]', item, node['items'])
    elif isinstance(value, dict):
        for key, child in value.items():
            assert key in node.get('properties', {}), path + '.' + key
            known(path + '.' + key, child, node['properties'][key])
