# SPDX-License-Identifier: Apache-2.0
"""README and schema come from values.yaml."""

import json
import shutil
import subprocess
import sys

import jsonschema
import pytest
import yaml

from .conftest import CHART
from .conftest import ROOT
from .conftest import SCENARIOS

GENERATE = ROOT / 'stx-portieris-helm' / 'generate.py'


def generate(*arguments):
    return subprocess.run([sys.executable, str(GENERATE)] + list(arguments),
                          capture_output=True, text=True)


@pytest.fixture
def copy(tmp_path):
    return shutil.copytree(CHART, tmp_path / 'portieris')


def test_readme_and_schema_are_up_to_date():
    done = generate('--check')

    assert done.returncode == 0, done.stderr


def test_changed_value_makes_both_files_out_of_date(copy):
    values = copy / 'values.yaml'
    values.write_text(values.read_text().replace(
        'trustFreshness: 10s', 'trustFreshness: 20s').replace(
        '# What the server logs.', '# How much the server logs.'))

    done = generate('--check', '--chart', str(copy))

    assert done.returncode == 1
    assert 'README.md is out of date' in done.stderr
    assert 'values.schema.json is out of date' in done.stderr


def test_generating_makes_both_files_up_to_date(copy):
    (copy / 'values.schema.json').unlink()

    assert generate('--chart', str(copy)).returncode == 0
    assert generate('--check', '--chart', str(copy)).returncode == 0


def test_value_without_a_comment_is_refused(copy):
    with (copy / 'values.yaml').open('a') as values:
        values.write('\nunsaid: true\n')

    done = generate('--chart', str(copy))

    assert done.returncode == 1
    assert 'unsaid has no comment above it' in done.stderr


def sections(schema):
    """Return the schema of every section of documented values."""
    yield schema
    for child in schema.get('properties', {}).values():
        if 'patternProperties' in child:
            yield from sections(child)


def test_schema_is_closed_at_every_level():
    schema = json.loads((CHART / 'values.schema.json').read_text())

    for section in sections(schema):
        assert section['additionalProperties'] is False
        assert section['properties']


def test_schema_takes_the_values_and_every_scenario():
    schema = json.loads((CHART / 'values.schema.json').read_text())
    jsonschema.Draft7Validator.check_schema(schema)

    jsonschema.validate(yaml.safe_load((CHART / 'values.yaml').read_text()),
                        schema)
    for path in SCENARIOS.values():
        jsonschema.validate(yaml.safe_load(path.read_text()), schema)
