# SPDX-License-Identifier: Apache-2.0
"""Every scenario renders to objects that every Kubernetes version takes."""

import functools
import json
import pathlib
import shutil
import subprocess
import sys

import jsonschema
import kubernetes_validate
import pytest
import yaml

from .conftest import CACHE
from .conftest import Chart
from .conftest import CHART
from .conftest import LOADER
from .conftest import run
from .conftest import SCENARIOS

OLD = ['1.%d.0' % minor for minor in range(18, 25)]
NEW = ['1.%d.0' % minor for minor in range(25, 38)]
OLD_VALIDATOR = 'kubernetes-validate==1.24.1'
VALIDATE_OLD = '''
import json, sys
import kubernetes_validate
for version, thing in sorted(map(tuple, json.load(sys.stdin))):
    thing = json.loads(thing)
    try:
        kubernetes_validate.validate(thing, version, strict=True)
    except kubernetes_validate.SchemaNotFoundError:
        if thing['kind'] not in ('Certificate', 'ClusterImagePolicy',
                                 'Issuer'):
            print(version, thing['apiVersion'], thing['kind'], 'is unknown')
    except kubernetes_validate.ValidationError as e:
        print(version, thing['kind'], '.'.join(map(str, e.path)), e.message)
'''


@functools.lru_cache(maxsize=None)
def validate(text, version):
    """Check one object, in JSON, once; the scenarios share most of them."""
    try:
        kubernetes_validate.validate(json.loads(text), version, strict=True)
    except kubernetes_validate.SchemaNotFoundError:
        assert json.loads(text)['kind'] in (
            'Certificate', 'ClusterImagePolicy', 'Issuer')


def crds():
    return [yaml.safe_load(path.read_text())
            for path in sorted((CHART / 'crds').glob('*.yaml'))]


def closed(schema):
    """Return the schema of a CRD as one that forbids unknown fields."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get('properties'), dict):
        result.setdefault('additionalProperties', False)
    if schema.get('nullable') is True:
        return {'anyOf': [result, {'type': 'null'}]}
    return result


def test_lint_finds_nothing(every_helm, scenario):
    done = run(every_helm, 'lint', '--strict', str(CHART), '--values',
               str(CHART / 'ci' / ('%s-values.yaml' % scenario)))

    assert done.returncode == 0, done.stdout + done.stderr
    assert '1 chart(s) linted, 0 chart(s) failed' in done.stdout


def test_every_helm_renders_the_same(every_helm, chart, scenario):
    released = Chart(every_helm).render(scenario).objects

    def key(thing):
        return thing['kind'], thing['metadata']['name']

    assert sorted(released, key=key) == sorted(
        chart.render(scenario).objects, key=key)


@pytest.mark.parametrize('version', NEW)
def test_kubernetes_takes_what_is_rendered(chart, scenario, version):
    for thing in chart.render(scenario, kubernetes=version).objects:
        validate(json.dumps(thing), version)


def test_older_kubernetes_takes_what_is_rendered(chart):
    site = CACHE / OLD_VALIDATOR.replace('==', '-')
    if not site.exists():
        done = run(sys.executable, '-m', 'pip', 'install', '-q', '--target',
                   str(site), OLD_VALIDATOR)
        if done.returncode:
            pytest.skip('%s is not to be had: %s' % (
                OLD_VALIDATOR, done.stderr.strip().splitlines()[-1]))
    things = {(version, json.dumps(thing))
              for version in OLD for name in SCENARIOS
              for thing in chart.render(name, kubernetes=version).objects
              + crds()}

    done = subprocess.run([sys.executable, '-c', VALIDATE_OLD], text=True,
                          capture_output=True, input=json.dumps(list(things)),
                          env={'PYTHONPATH': str(site)})

    assert done.returncode == 0, done.stderr
    assert done.stdout == ''


@pytest.mark.parametrize('crd', crds(), ids=lambda c: c['spec']['names'][
    'kind'])
def test_crds_are_valid_from_first_to_last_version(crd):
    for version in NEW:
        validate(json.dumps(crd), version)
    assert crd['spec']['group'] == 'portieris.cloud.ibm.com'
    assert [v['name'] for v in crd['spec']['versions']] == ['v1']


def certificate_schemas(module, version):
    """Return the closed schemas of one cert-manager's own CRDs, by kind."""
    done = run('go', 'mod', 'download', '-json', module)
    if done.returncode:
        pytest.skip('%s is not to be had: %s' % (module, done.stdout))
    folder = pathlib.Path(json.loads(done.stdout)['Dir']) / 'deploy' / 'crds'
    schemas = {}
    for path in folder.glob('*.yaml'):
        crd = yaml.load(path.read_text(), LOADER)['spec']
        served = next(v for v in crd['versions'] if v['name'] == version)
        spec = served.get('schema') or crd['validation']
        schemas[crd['names']['kind']] = closed(
            spec['openAPIV3Schema']['properties']['spec'])
    return schemas


@pytest.mark.skipif(not shutil.which('go'), reason='go is not there')
@pytest.mark.parametrize('module, served, version', [
    ('github.com/jetstack/cert-manager@v0.15.0',
     ['cert-manager.io/v1alpha2'], 'v1alpha2'),
    ('github.com/cert-manager/cert-manager@v1.19.1',
     ['cert-manager.io/v1'], 'v1'),
    ('github.com/cert-manager/cert-manager@v1.19.1',
     ['cert-manager.io/v1', 'cert-manager.io/v1alpha2'], 'v1')])
def test_cert_manager_takes_what_is_rendered(chart, module, served, version):
    release = chart.render('everything', apis=served)
    schemas = certificate_schemas(module, version)

    things = release.all('Certificate') + release.all('Issuer')
    assert len(things) == 4
    for thing in things:
        assert thing['apiVersion'] == 'cert-manager.io/' + version
        jsonschema.validate(thing['spec'], schemas[thing['kind']])


def test_default_policy_fits_its_crd(chart, scenario):
    schemas = {
        crd['spec']['names']['kind']:
            closed(crd['spec']['versions'][0]['schema']['openAPIV3Schema'][
                'properties']['spec'])
        for crd in crds()}

    for policy in chart.render(scenario).all('ClusterImagePolicy'):
        jsonschema.validate(policy['spec'], schemas['ClusterImagePolicy'])


def test_unknown_field_of_a_policy_would_be_found():
    schema = closed({'properties': {'trust': {'properties': {}}}})

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({'trust': {'servers': 1}}, schema)
