#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write values.schema.json and the table in README.md from values.yaml.

The comment above a value documents it; a comment line "@schema {...}" narrows
what its schema accepts, where "is" stands for a kind of name. With --check
nothing is written, and the exit code says whether the two files are up to
date.
"""

import argparse
import json
import pathlib
import re
import sys

import ruamel.yaml

CHART = pathlib.Path(__file__).parent / 'helm-charts' / 'portieris'
VALUES = 'values.yaml'
SCHEMA = 'values.schema.json'
README = 'README.md'
TABLE = re.compile(r'(?<=<!-- values -->\n).*(?=<!-- end of values -->)',
                   re.DOTALL)

# Keys of IBM's chart that mean nothing here, and what takes their place.
RETIRED = {
    'AllowAdmissionSkip': 'remove it, the label is always honoured',
    'NamespaceSelectorAdmissionSkip': 'write exemptNamespaces',
    'ObjectSelectorAdmissionSkip': 'remove it, write exemptNamespaces',
    'PolicySet': 'write defaultPolicy',
    'SkipSecretCreation': 'remove it, cert-manager makes the Secret',
    'UseCertManager': 'remove it, cert-manager is always used',
    'UseGeneratedCerts': 'remove it, cert-manager is always used',
    'certManagerIssuer': 'remove it, the chart brings its own CA',
    'clusterPolicy': 'write defaultPolicy',
    'deploymentAnnotations': 'write podAnnotations',
    'priorityClass': 'write priorityClassName',
    'securityContext': 'remove it, the server runs as any user',
    'selectByRelease': 'remove it, pods are always selected by release',
    'service': 'remove it, the ports are fixed',
    'useHostNetwork': 'remove it, the server uses the pod network',
    'image.host': 'write repository, the whole name without tag',
    'image.image': 'write repository, the whole name without tag',
    'image.pullPolicy': 'remove it',
    'image.pullSecret': 'write imagePullSecrets at the top level',
}


# Kinds of names that Kubernetes has, for "is" in an @schema.
LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
NAME = r'%s(\.%s)*' % (LABEL, LABEL)
WORD = '[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?'
KINDS = {
    'label': (LABEL, 63),
    'name': (NAME, 253),
    'key': ('(%s/)?%s' % (NAME, WORD), 253),
    'value': ('(%s)?' % WORD, 63),
}


def expanded(schema):
    """Return a schema in which each kind of name is a pattern."""
    if isinstance(schema, list):
        return [expanded(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: expanded(value) for key, value in schema.items()
              if key not in ('is', 'empty')}
    if 'is' in schema:
        pattern, longest = KINDS[schema['is']]
        if schema.get('empty'):
            pattern = '(%s)?' % pattern
        result.update(type='string', pattern='^%s$' % pattern,
                      maxLength=longest)
    return result


class Value:
    """One documented value: its path, default, comment and constraints."""

    def __init__(self, path, default, comment, children):
        self.path = path
        self.key = path[-1]
        self.default = default
        self.children = children
        self.text = ' '.join(
            line for line in comment if not line.startswith('@schema'))
        if not self.text:
            raise SystemExit('%s: %s has no comment above it'
                             % (VALUES, '.'.join(path)))
        self.narrowed = {}
        for line in comment:
            if line.startswith('@schema'):
                self.narrowed.update(expanded(
                    ruamel.yaml.YAML(typ='safe').load(line[len('@schema'):])))


def comment_above(lines, number):
    """Return the comment lines that stand directly above a line."""
    found = []
    while number and lines[number - 1].lstrip().startswith('#'):
        number -= 1
        found.insert(0, lines[number].strip().lstrip('#').strip())
    return found


def read(lines, mapping, path=()):
    """Return the values of a mapping in the order of the file.

    A mapping is a section of documented values if a comment stands above one
    of its keys, and one value otherwise.
    """
    values = []
    for key, default in mapping.items():
        comment = comment_above(lines, mapping.lc.key(key)[0])
        children = []
        if isinstance(default, dict) and any(
                comment_above(lines, default.lc.key(child)[0])
                for child in default):
            children = read(lines, default, path + (key,))
        values.append(Value(path + (key,), default, comment, children))
    return values


def misspellings(key, siblings):
    """Return a pattern for names that come close to a key but are not it."""
    words = re.sub(r'(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])', ' ',
                   key).lower().split()
    camel = ''.join(word.title() for word in words)
    near = {key.lower(), key.upper(), '_'.join(words), '-'.join(words),
            key + 's', key[:-1] if key.endswith('s') else key + 'es',
            camel, camel[0].lower() + camel[1:],
            key[0].upper() + key[1:], key[0].lower() + key[1:]}
    if len(key) > 4:
        near.update(key[:i] + key[i + 1:] for i in range(len(key)))
        near.update(key[:i] + key[i + 1] + key[i] + key[i + 2:]
                    for i in range(len(key) - 1))
    near.update({name.lower() for name in near})
    return '^(%s)$' % '|'.join(
        re.escape(name) for name in sorted(near - set(siblings)))


def number(narrowed):
    """Return the schema of a whole number, or of a string of its digits."""
    low, high = narrowed.get('minimum', 0), narrowed.get('maximum')
    digits = '0|[1-9][0-9]*' if low == 0 else '[1-9][0-9]*'
    if high is not None and set(str(high)) == {'9'}:
        digits = '[1-9][0-9]{0,%d}' % (len(str(high)) - 1)
    elif high is not None:
        digits = '|'.join(str(n) for n in range(low, high + 1))
    return dict(narrowed, type=['integer', 'string'],
                pattern='^(%s)$' % digits)


def schema_of(value):
    """Return the JSON schema of one value."""
    about = {'description': value.text}
    if value.narrowed.get('any'):
        return about
    if value.children:
        return dict(about, **section(value.children, value.path))
    for kind, name in ((bool, 'boolean'), (int, 'integer'), (str, 'string'),
                       (list, 'array'), (dict, 'object')):
        if isinstance(value.default, kind):
            break
    narrowed = dict({'type': name}, **value.narrowed)
    if narrowed['type'] == 'integer':
        narrowed = number(narrowed)
    elif 'enum' not in narrowed:
        # Helm takes a null away, but not from values that it uses again. The
        # templates know what can be without a value.
        narrowed['type'] = [narrowed['type'], 'null']
    return dict(about, **narrowed)


def section(values, path=()):
    """Return the closed JSON schema of a section.

    JSON schema has no error message of its own. A name that must equal a
    sentence brings the sentence into the one Helm prints.
    """
    keys = [value.key for value in values]
    taken = set(keys)
    hints = {}
    for key in keys:
        hints[misspellings(key, taken)] = {
            'const': 'unknown key, write %s' % key}
    for name, cure in RETIRED.items():
        parent, _, key = name.rpartition('.')
        if parent == '.'.join(path):
            hints['^%s$' % key] = {'const': "key of IBM's chart, %s" % cure}
    return {
        'type': 'object',
        'additionalProperties': False,
        'properties': {value.key: schema_of(value) for value in values},
        'patternProperties': hints,
    }


def schema(values):
    """Return the text of values.schema.json."""
    whole = {
        '$schema': 'http://json-schema.org/draft-07/schema#',
        '$comment': 'SPDX-License-Identifier: Apache-2.0. Written from '
                    'values.yaml by generate.py. The patternProperties with a '
                    'const are near misses; it is the hint Helm prints.',
        'title': 'Values of the portieris chart',
    }
    whole.update(section(values))
    # Helm and the condition of a dependency put them there. They are no
    # values of this chart, so they are no properties.
    whole['patternProperties']['^(enabled|global)$'] = {
        'description': 'Belongs to a chart that depends on this one.'}
    return json.dumps(whole, indent=2, ensure_ascii=False) + '\n'


def rows(values):
    """Return the lines of the table, one for each value that can be set."""
    for value in values:
        if value.children:
            yield from rows(value.children)
            continue
        name = '.'.join(part.replace('.', '\\.') for part in value.path)
        default = json.dumps(value.default)
        if isinstance(value.default, str):
            default = value.default or '""'
        yield '| `%s` | `%s` | %s |' % (
            name, default, value.text.replace('|', '\\|'))


def readme(text, values):
    """Return the text of README.md with the table of today."""
    table = ['', '| Key | Default | Meaning |', '|---|---|---|',
             *rows(values), '', '']
    return TABLE.sub(lambda _: '\n'.join(table), text)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--check', action='store_true',
                        help='write nothing, exit 1 if a file is out of date')
    parser.add_argument('--chart', type=pathlib.Path, default=CHART,
                        help='folder of the chart')
    args = parser.parse_args(argv)

    text = (args.chart / VALUES).read_text()
    values = read(text.splitlines(), ruamel.yaml.YAML().load(text))
    wanted = {SCHEMA: schema(values),
              README: readme((args.chart / README).read_text(), values)}
    stale = [name for name, new in wanted.items()
             if not (args.chart / name).exists()
             or (args.chart / name).read_text() != new]
    if args.check:
        for name in stale:
            print('%s is out of date: run %s'
                  % (args.chart / name, pathlib.Path(__file__).name),
                  file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        (args.chart / name).write_text(wanted[name])
        print('wrote %s' % (args.chart / name))
    return 0


if __name__ == '__main__':
    sys.exit(main())
