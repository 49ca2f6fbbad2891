# SPDX-License-Identifier: Apache-2.0
"""A real node with the application on it, driven as an operator drives it.

The files are numbered because the platform lives through them in that
order: apply, admission, outage, update, removal.
"""

import contextlib
import json
import os
import subprocess
import sys
import textwrap
import time
import uuid

import pytest
import yaml

from portieris_app import build
from portieris_app import image
from portieris_app import lab

DENIAL = 'admission webhook "trust.hooks.securityenforcement.admission.' \
         'cloud.ibm.com" denied the request: trust: policy denied the ' \
         'request: '


class Answer:
    """What a command printed, and how it ended."""

    def __init__(self, process):
        self.status = process.returncode
        self.text = process.stdout

    def __repr__(self):
        return 'ended with %d:\n%s' % (self.status, self.text)


class Platform:
    """The commands an operator has, and the waiting an operator does."""

    def __init__(self, environment):
        self.environment = environment
        self.registry = environment['registry']
        self.trust_server = environment['trustServer']
        self._path = os.pathsep.join(
            [environment['bin'], os.path.dirname(sys.executable),
             os.environ['PATH']])

    def tries(self, *command, stdin=None):
        """Run a command that may fail."""
        return Answer(subprocess.run(
            command, input=stdin, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=600,
            env=dict(os.environ, PATH=self._path)))

    def does(self, *command, stdin=None):
        """Run a command that must succeed, and return what it printed."""
        answer = self.tries(*command, stdin=stdin)
        assert answer.status == 0, '%s %r' % (' '.join(command), answer)
        return answer.text

    def system(self, *words):
        return self.does('system', *words)

    def applications(self):
        """Return the status of each application of the platform."""
        return {app['application']: app['status'] for app in json.loads(
            self.system('application-list', '--format', 'json'))}

    def kubectl(self, *words, stdin=None):
        return self.does('kubectl', *words, stdin=stdin)

    def lab(self, *words):
        return self.does('portieris-app', 'lab', *words)

    def apply(self, *documents):
        self.kubectl('apply', '-f', '-', stdin=yaml.safe_dump_all(documents))

    def create(self, document):
        """Ask the API server for an object; the answer may be a denial."""
        return self.tries('kubectl', 'create', '-f', '-',
                          stdin=yaml.safe_dump(document))

    def get(self, kind, name, namespace):
        return json.loads(self.kubectl(
            'get', kind, name, '-n', namespace, '-o', 'json'))

    def list(self, kind, namespace, *selection):
        return json.loads(self.kubectl(
            'get', kind, '-n', namespace, *selection, '-o', 'json'))['items']

    def servers(self):
        """Return the pods of the admission server."""
        return self.list('pods', 'portieris', '-l', 'app=portieris')

    def stops_servers(self):
        """Take the admission server away, and wait until it is gone."""
        self.kubectl('scale', 'deployment/portieris-portieris', '-n',
                     'portieris', '--replicas=0')
        self.until('no server is left', lambda: not self.servers())

    def starts_servers(self):
        self.kubectl('scale', 'deployment/portieris-portieris', '-n',
                     'portieris', '--replicas=1')
        self.wait('deployment/portieris-portieris', 'condition=Available',
                  'portieris')
        # The node learns of the new address a moment after that.
        self.until('the API server reaches the server', lambda:
                   'failed calling webhook' not in self.probe().text)

    def probe(self):
        """Ask whether an image that nobody has would be admitted."""
        return self.tries('kubectl', 'run', 'probe', '-n', 'default',
                          '--dry-run=server', '--image',
                          self.registry + '/any/image:1')

    def outlives_old_servers(self):
        """Wait until no server that is on its way out can answer."""
        self.until('the servers of before are gone', lambda: not any(
            'deletionTimestamp' in pod['metadata']
            for pod in self.servers()))

    def wait(self, what, condition, namespace, timeout=180):
        self.kubectl('wait', what, '-n', namespace, '--for=' + condition,
                     '--timeout=%ds' % timeout)

    def until(self, what, condition, timeout=180):
        """Poll ``condition`` until it is true; fail with ``what`` else."""
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, \
                'after %d s still not so: %s' % (timeout, what)

    def settles(self, document, wanted):
        """Create the object until the answer is as wanted, and return it.

        A policy is seen through a watch: a moment after it was applied.
        """
        answers = []

        def asked():
            answers.append(self.create(document))
            return wanted(answers[-1])
        try:
            self.until('the answer', asked)
        except AssertionError:
            pytest.fail('the last answer was: %r' % answers[-1])
        return answers[-1]

    def denies(self, document):
        """Create the object until it is denied; return the answer.

        One that was admitted before the policy was seen is there already,
        which is no denial.
        """
        return self.settles(document, lambda answer: DENIAL in answer.text)

    def pulls_into(self, namespace, secret):
        """Make the Secret by which pods pull from the lab's registry."""
        self.kubectl(
            'create', 'secret', 'generic', secret, '-n', namespace,
            '--type=kubernetes.io/dockerconfigjson', '--from-file='
            '.dockerconfigjson=' + self.environment['dockerConfig'])

    @contextlib.contextmanager
    def namespace(self):
        """Yield a namespace whose pods can pull by Secret ``registry``."""
        name = 'team-' + uuid.uuid4().hex[:8]
        self.kubectl('create', 'namespace', name)
        self.pulls_into(name, 'registry')
        self.wait('serviceaccount/default',
                  'jsonpath={.metadata.name}=default', name)
        yield name
        self.kubectl('delete', 'namespace', name, '--wait=false')

    def image(self, signed=False, signer=None):
        """Push a sample image of its own repository; return its name."""
        name = '%s/team/%s:1.0' % (self.registry, uuid.uuid4().hex[:12])
        self.lab('push', '--sample', name)
        if signer:
            self.lab('sign', name, '--signer', signer)
        elif signed:
            self.lab('sign', name)
        return name

    def digest(self, name):
        """Return the digest that the registry has for a tag."""
        return json.loads(self.does(
            'skopeo', 'inspect', '--authfile',
            self.environment['dockerConfig'], 'docker://' + name))['Digest']

    def override(self, *words, values=None, chart='portieris'):
        """Set overrides of the chart: ``values`` is a mapping."""
        command = ['helm-override-update', 'portieris', chart,
                   'portieris', *words]
        if values is None:
            return self.system(*command)
        path = os.path.join(self.environment['scratch'],
                            uuid.uuid4().hex + '.yaml')
        with open(path, 'w', encoding='utf-8') as out:
            yaml.safe_dump(values, out)
        return self.system(*command, '--values', path)


@contextlib.contextmanager
def running(tmp_path_factory, ipv6=False):
    """Yield the platform of a lab, and end it."""
    environment = lab.up(ipv6)
    environment['scratch'] = str(tmp_path_factory.mktemp('overrides'))
    try:
        yield Platform(environment)
    finally:
        lab.down()


def uploaded(platform, tarball):
    """Bring the image of the server and the application to the platform."""
    platform.lab('push', '--tar', image.make_image(),
                 image.platform_reference())
    platform.system('application-upload', tarball)


@pytest.fixture(scope='session')
def platform(tmp_path_factory):
    """The platform of a lab that is not the one somebody may be using."""
    os.environ.setdefault('PORTIERIS_LAB_DIR',
                          '/var/tmp/portieris-lab-e2e-%d' % os.getpid())
    with running(tmp_path_factory) as platform:
        yield platform


@pytest.fixture(scope='session')
def tarball(tmp_path_factory):
    return build.make_tarball(
        output=str(tmp_path_factory.mktemp('tarball')))


@pytest.fixture(scope='session')
def application(platform, tarball):
    """The application, applied with nothing set."""
    uploaded(platform, tarball)
    platform.system('application-apply', 'portieris')
    return platform


@pytest.fixture(scope='session')
def protected(application):
    """The application, with the registry of the lab under trust."""
    with open(application.environment['ca'], encoding='ascii') as pem:
        application.override(values={'trustedCA': pem.read()})
    # The slash at the end is what people paste: it must not matter.
    application.override(
        '--reuse-values',
        '--set', 'trustServers[0].registry=' + application.registry,
        '--set', 'trustServers[0].url=%s/' % application.trust_server)
    application.system('application-apply', 'portieris')
    application.outlives_old_servers()
    application.until('the override is seen', lambda: DENIAL in
                      application.probe().text)
    return application


@pytest.fixture
def namespace(platform):
    """A namespace whose pods can pull from the registry of the lab."""
    with platform.namespace() as name:
        yield name


def pod(name, namespace, image_name, **spec):
    """Return a pod of one container that pulls with Secret ``registry``."""
    return {
        'apiVersion': 'v1', 'kind': 'Pod',
        'metadata': {'name': name, 'namespace': namespace},
        'spec': dict({
            'imagePullSecrets': [{'name': 'registry'}],
            'terminationGracePeriodSeconds': 1,
            'containers': [{'name': 'main', 'image': image_name}],
        }, **spec),
    }


def policy(namespace, *repositories):
    """Return an ImagePolicy with the given entries."""
    return {
        'apiVersion': 'portieris.cloud.ibm.com/v1', 'kind': 'ImagePolicy',
        'metadata': {'name': 'team', 'namespace': namespace},
        'spec': {'repositories': list(repositories)},
    }


def signer_secret(namespace, name, public_key):
    """Return the Secret that holds a signer's name and public key."""
    return {
        'apiVersion': 'v1', 'kind': 'Secret',
        'metadata': {'name': name, 'namespace': namespace},
        'stringData': {'name': name,
                       'publicKey': textwrap.dedent(public_key)},
    }
