# SPDX-License-Identifier: Apache-2.0
"""Write the keys of the chart's schema as a module of the plugin.

The plugin checks user overrides before anything is applied, at a time when
it cannot read the chart. Run this after a change of the chart's values.
"""

import json
import os
import pprint

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SCHEMA = os.path.join(ROOT, 'stx-portieris-helm', 'helm-charts', 'portieris',
                      'values.schema.json')
MODULE = os.path.join(ROOT, 'python-k8sapp-portieris', 'k8sapp_portieris',
                      'k8sapp_portieris', 'common', 'override_keys.py')

HEAD = '''\
# SPDX-License-Identifier: Apache-2.0
"""The keys of the chart's values; written by generate_override_keys.py.

A dictionary names all keys there are, a list holds the shape of its items,
a tuple the values to choose from. Below None anything goes.
"""

OVERRIDE_KEYS = \\
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


def module():
    """Return the text of the module."""
    with open(SCHEMA, encoding='utf-8') as schema:
        keys = shape(json.load(schema))
    text = pprint.pformat(keys, width=75, compact=False)
    return HEAD + ''.join('    %s\n' % line for line in text.splitlines())


if __name__ == '__main__':
    with open(MODULE, 'w', encoding='utf-8') as target:
        target.write(module())
