# SPDX-License-Identifier: Apache-2.0
"""Whatever the schema takes renders to what Kubernetes takes.

Values are invented from values.schema.json itself. Those that no schema can
judge may be refused, but then with a sentence of the chart's own.
"""

import json
import re

from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies
from hypothesis_jsonschema import from_schema
import jsonschema
import pytest

from .conftest import CHART
from .conftest import Release
from .conftest import template
from .test_rendering import closed
from .test_rendering import crds
from .test_rendering import validate

KUBERNETES = ('1.25.0', '1.30.0', '1.37.0')
OURS = 'portieris/templates/validate.yaml'

# What the sentences of validate.yaml ask for beyond the schema, so that most
# values get as far as a manifest. Nothing here is wider than the schema.
NARROWER = {
    ('trustServers', 'items', 'properties', 'registry'): {
        'pattern': r'\A[a-z]{1,9}\.example(:[0-9]{2,4})?(/[a-z]{1,5})?/?\Z'},
    ('trustServers', 'items', 'properties', 'url'): {
        'pattern': r'\Ahttps://[a-z]{1,9}(:[0-9]{2,4})?/{0,2}\Z'},
    ('trustedCA',): {'const': ''},
    ('TrustedCACert',): {'const': ''},
    ('caCert',): {'const': ''},
    ('images', 'properties', 'tags', 'properties', 'portieris'): {
        'pattern': r'\A[a-z]{1,9}(/[a-z]{1,9}){0,2}:[A-Za-z0-9_.-]{1,9}\Z'},
    ('image', 'properties', 'repository'): {
        'enum': ['', 'icr.io/portieris/portieris']},
    ('image', 'properties', 'tag'): {
        'enum': ['v0.14.2', 'sha256:' + 'a' * 64]},
    ('certificates', 'properties', 'caDuration'): {
        'enum': ['87600h', '175200h30m']},
    ('certificates', 'properties', 'duration'): {
        'enum': ['90m', '8760h', '17520h']},
    ('certificates', 'properties', 'renewBefore'): {'enum': ['5m', '80m']},
    ('trustFreshness',): {'enum': ['0s', '10s', '60s', '1m']},
    ('trustStaleness',): {'enum': ['0s', '90s', '15m', '24h']},
    ('proxy', 'properties', 'http'): {
        'enum': ['', 'http://proxy:3128', 'https://proxy/']},
    ('proxy', 'properties', 'https'): {
        'enum': ['', 'http://proxy:3128', 'http://[2001:db8::1]:3128']},
    ('affinity',): {'enum': [{}, {'nodeAffinity': {}}, {'podAntiAffinity': {
        'requiredDuringSchedulingIgnoredDuringExecution': [{
            'topologyKey': 'kubernetes.io/hostname'}]}}]},
}


def without_near_misses(schema):
    """Leave out the misspelt keys, which are there to be refused.

    A pattern ends where the text ends: Python's "$" bears a line feed more.
    """
    if isinstance(schema, list):
        return [without_near_misses(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: (re.sub(r'\$$', r'\\Z', value) if key == 'pattern'
                  else without_near_misses(value))
            for key, value in schema.items()
            if key not in ('patternProperties', 'description', 'title',
                           '$comment')}


def whole():
    return without_near_misses(json.loads(
        (CHART / 'values.schema.json').read_text()))


def narrowed():
    schema = whole()
    for path, narrower in NARROWER.items():
        place = schema['properties']
        for step in path[:-1]:
            place = place[step]
        place[path[-1]].update(narrower)
    # The keys of IBM's chart, whose hint is all they are allowed to hold.
    schema['properties'] = {
        key: value for key, value in schema['properties'].items()
        if 'const' not in value or (key,) in NARROWER}
    return schema


def hopeless(done):
    """Return what Helm said if it is not a sentence of the chart's own."""
    return None if OURS in done.stderr else done.stderr


def invented(schema):
    """Return values in JSON, which is YAML, as the schema takes them."""
    # Beyond 16 bits JSON writes two halves, which YAML does not join.
    return from_schema(schema, codec='iso8859-1').map(json.dumps).filter(
        lambda text: not re.search(r'\\ud[89ab]', text))


def rendered(helm, values, version):
    return template(helm, None, values, version, 'portieris', ())


def bounded(examples):
    """Invent the same values at every run, so many of them."""
    return settings(
        max_examples=examples, deadline=None, database=None,
        derandomize=True, suppress_health_check=list(HealthCheck))


@bounded(80)
@given(values=invented(narrowed()),
       version=strategies.sampled_from(KUBERNETES))
def test_values_of_the_schema_render_to_valid_manifests(
        helm, fits, values, version):
    done = rendered(helm, values, version)
    if done.returncode:
        assert hopeless(done) is None
        return
    release = Release(done.stdout)
    for thing in release.objects:
        validate(json.dumps(thing), version)
    for policy in release.all('ClusterImagePolicy'):
        fits(policy)


@bounded(80)
@given(values=invented(whole()))
def test_values_of_the_schema_are_never_refused_without_a_sentence(
        helm, values):
    done = rendered(helm, values, KUBERNETES[-1])

    assert done.returncode == 0 or hopeless(done) is None


@pytest.fixture(scope='module')
def fits():
    """Check what a ClusterImagePolicy says against its definition."""
    (crd,) = [c for c in crds()
              if c['spec']['names']['kind'] == 'ClusterImagePolicy']
    schema = closed(crd['spec']['versions'][0]['schema'][
        'openAPIV3Schema']['properties']['spec'])
    return lambda policy: jsonschema.validate(policy['spec'], schema)
