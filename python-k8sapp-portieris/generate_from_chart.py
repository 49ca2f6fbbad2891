# SPDX-License-Identifier: Apache-2.0
"""Write what the plugin knows of the chart as modules of the plugin.

The plugin checks user overrides at a time when it cannot read the chart, and
on Armada defines the kinds of the policies, because Tiller does not look
into a chart's crds folder. Run this after a change of the chart's values or
of its crds; it needs PyYAML.
"""

import glob
import json
import os
import pprint

import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CHART = os.path.join(ROOT, 'stx-portieris-helm', 'helm-charts', 'portieris')
COMMON = os.path.join(ROOT, 'python-k8sapp-portieris', 'k8sapp_portieris',
                      'k8sapp_portieris', 'common')

OVERRIDE_KEYS = '''\
# SPDX-License-Identifier: Apache-2.0
"""The keys of the chart's values; written by generate_from_chart.py.

A dictionary names all keys there are, a list holds the shape of its items,
a tuple the values to choose from. Below None anything goes.
"""

OVERRIDE_KEYS = \\
'''

DEFINITIONS = '''\
# SPDX-License-Identifier: Apache-2.0
"""The chart's crds without their texts; written by generate_from_chart.py."""

import json

# The kinds differ in name and scope alone.
VERSIONS = json.loads(r\'\'\'
%s
\'\'\')

DEFINITIONS = json.loads(r\'\'\'
%s
\'\'\')
for _each in DEFINITIONS:
    _each['spec']['versions'] = VERSIONS
'''


def shape(schema):
    """Return the shape of override_keys.OVERRIDE_KEYS for a JSON schema."""
    if 'enum' in schema:
        return tuple(schema['enum'])
    if schema.get('additionalProperties') is False:
        return {key: shape(value)
                for key, value in schema['properties'].items()}
    if 'items' in schema:
        item = shape(schema['items'])
        return None if item is None else [item]
    return None


def without_texts(schema):
    """Return a JSON schema without its descriptions."""
    if isinstance(schema, list):
        return [without_texts(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: without_texts(value) for key, value in schema.items()
            # A property of that name has a dictionary there.
            if key != 'description' or not isinstance(value, str)}


def override_keys():
    """Return the text of the module override_keys."""
    with open(os.path.join(CHART, 'values.schema.json'),
              encoding='utf-8') as schema:
        keys = shape(json.load(schema))
    text = pprint.pformat(keys, width=75, compact=False)
    return OVERRIDE_KEYS + ''.join(
        '    %s\n' % line for line in text.splitlines())


def definitions():
    """Return the text of the module definitions."""
    found = []
    for path in sorted(glob.glob(os.path.join(CHART, 'crds', '*.yaml'))):
        with open(path, encoding='utf-8') as crd:
            found += yaml.safe_load_all(crd)
    found = without_texts(found)
    versions = [each['spec'].pop('versions') for each in found]
    if versions.count(versions[0]) != len(versions):
        raise ValueError('the kinds of policies differ in more than name and '
                         'scope: the plugin has to hold each of them')
    return DEFINITIONS % tuple(
        json.dumps(each, indent=1, sort_keys=True)
        for each in (versions[0], found))


MODULES = {
    os.path.join(COMMON, 'override_keys.py'): override_keys,
    os.path.join(COMMON, 'definitions.py'): definitions,
}

if __name__ == '__main__':
    for path, text in MODULES.items():
        with open(path, 'w', encoding='utf-8') as target:
            target.write(text())
