# SPDX-License-Identifier: Apache-2.0
"""The main job, typed the way an operator types it.

Builds the application, starts the lab, applies the application, puts a
registry under trust, and shows an unsigned image denied and the same image,
signed, running from its digest.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
import textwrap

from portieris_app import build
from portieris_app import errors
from portieris_app import image
from portieris_app import lab
from portieris_app.labtools import commands
from portieris_app import programs
from portieris_app import progress

NAMESPACE = 'team'
IMAGE = 'registry.local:9001/team/hello:1.0'
SENTENCE = 'admission webhook "trust.hooks.securityenforcement.admission' \
           '.cloud.ibm.com" denied the request'


def add_parser(subparsers):
    parser = subparsers.add_parser(
        'demo', help='from this checkout to a denied and an admitted pod',
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=textwrap.dedent(__doc__),
        epilog='Needs root. The first run compiles Kubernetes.')
    parser.add_argument(
        '--keep', action='store_true',
        help='leave the lab running; "portieris-app lab down" ends it')
    parser.set_defaults(run=run)


class Operator:
    """Types commands on the platform, and shows them with their answers."""

    def __init__(self, environment):
        self.environment = environment
        self.path = os.pathsep.join(
            [environment['bin'], os.path.dirname(sys.executable),
             os.environ['PATH']])

    def types(self, command, fails=False):
        """Run a shell line; ``fails`` says which outcome is right.

        Returns the standard output and standard error together.
        """
        print('\n$ %s' % command, flush=True)
        process = subprocess.Popen(
            command, shell=True, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=dict(os.environ, PATH=self.path))
        said = ''
        with programs.attended(process):
            for line in process.stdout:
                print(line, end='', flush=True)
                said += line
            status = process.wait()
        if bool(status) != fails:
            raise errors.Failure(
                '"%s" ended with %d, which is not what should happen here. '
                '"portieris-app demo --keep" leaves the lab running for a '
                'look.' % (command, status))
        return said


def narrate(text):
    print('\n# %s' % text, flush=True)


def run(args):
    # Before minutes of building, and not after.
    lab.needs_root()
    if lab.is_up():
        raise errors.Failure(
            'A lab is up in %s, and the demo starts and ends one of its '
            'own. End it with "portieris-app lab down", or let '
            'PORTIERIS_LAB_DIR name another folder.' % commands.state_dir())
    tarball = build.make_tarball()
    archive = image.make_image()
    environment = lab.up()
    try:
        with tempfile.TemporaryDirectory(prefix='portieris-demo-') as folder:
            play(Operator(environment), environment, tarball, archive,
                 folder)
    finally:
        if args.keep:
            progress.say('The lab runs on: PATH=%s:$PATH, and '
                         '"portieris-app lab down" ends it.'
                         % shlex.quote(environment['bin']))
        else:
            lab.down()
    return 0


def play(operator, environment, tarball, archive, folder):
    """Type the whole story; raise Failure at the first wrong answer."""
    overrides = os.path.join(folder, 'private-ca.yaml')
    with open(environment['ca'], encoding='ascii') as pem, \
            open(overrides, 'w', encoding='ascii') as out:
        out.write('trustedCA: |\n%s' % textwrap.indent(pem.read(), '  '))

    narrate('The application, as an operator installs it.')
    operator.types('portieris-app lab push --tar %s %s' % (
        shlex.quote(archive), image.platform_reference()))
    operator.types('system application-upload %s' % shlex.quote(tarball))
    operator.types('system application-apply portieris')
    operator.types('kubectl get pods -n portieris')

    narrate('Images of registry.local:9001 must be signed from now on.')
    operator.types(
        'system helm-override-update portieris portieris portieris '
        '--set trustServers[0].registry=%s --set trustServers[0].url=%s '
        '--values %s' % (environment['registry'],
                         environment['trustServer'], shlex.quote(overrides)))
    operator.types('system application-apply portieris')

    narrate('A team with an image that nobody signed.')
    operator.types('portieris-app lab push --sample %s' % IMAGE)
    operator.types('kubectl create namespace %s' % NAMESPACE)
    operator.types(
        'kubectl create secret generic registry -n %s '
        '--type=kubernetes.io/dockerconfigjson '
        '--from-file=.dockerconfigjson=%s'
        % (NAMESPACE, shlex.quote(environment['dockerConfig'])))
    operator.types(
        'kubectl wait serviceaccount/default -n %s '
        '--for=jsonpath={.metadata.name}=default --timeout=30s' % NAMESPACE)
    patch = json.dumps({'imagePullSecrets': [{'name': 'registry'}]})
    operator.types('kubectl patch serviceaccount default -n %s -p %s'
                   % (NAMESPACE, shlex.quote(patch)))
    pod = 'kubectl run hello -n %s --image=%s' % (NAMESPACE, IMAGE)
    answer = operator.types(pod, fails=True)
    if SENTENCE not in answer:
        raise errors.Failure('the pod was refused, but not by portieris.')

    narrate('The team signs it.')
    operator.types('portieris-app lab sign %s' % IMAGE)
    operator.types(pod)
    operator.types('kubectl wait pod/hello -n %s --for=condition=Ready '
                   '--timeout=60s' % NAMESPACE)
    running = operator.types(
        'kubectl get pod hello -n %s '
        "-o jsonpath='{.status.phase} {.spec.containers[0].image}'"
        % NAMESPACE)
    if '@sha256:' not in running:
        raise errors.Failure('the pod runs, but not from a digest.')

    narrate('Out again: nothing is left.')
    operator.types('system application-remove portieris')
    operator.types('system application-delete portieris --yes')
    operator.types('kubectl get mutatingwebhookconfigurations,clusterroles '
                   '-l app=portieris')
    narrate('That is the main job: denied unsigned, admitted signed.')
