# SPDX-License-Identifier: Apache-2.0
"""The verb ``lab``: a real one-node platform on this machine."""

import json
import os

from portieris_app import apt
from portieris_app import checkout
from portieris_app.errors import Failure
from portieris_app.labtools import binaries
from portieris_app.labtools import certmanager
from portieris_app.labtools import commands
from portieris_app.labtools import packages
from portieris_app.labtools import signing

ORDERS = ('stop', 'start', 'pause', 'resume')


def up(ipv6=False):
    """Start the lab if it is not up; return the content of its env.json."""
    needs_root()
    root = checkout.root()
    prepare()
    binaries.build(root)
    manifest = certmanager.manifest(root)
    status = commands.pass_on(
        'up', '--checkout', root, '--cert-manager', manifest,
        '--keep-logs', os.path.join(root, 'build', 'log', 'lab-failed'),
        *(['--ipv6'] if ipv6 else []))
    if status:
        raise Failure('The lab did not come up; the reason is above.')
    return commands.environment()


def needs_root():
    if os.geteuid() != 0:
        raise Failure(
            'The lab needs root, because it makes namespaces, mounts and '
            'cgroups. Run this as root.')


def is_up():
    """Tell whether a lab is up in the state directory."""
    return os.path.lexists(commands.state_dir()) and \
        commands.status()['state'] == 'up'


def down():
    """End the lab; nothing of it is left."""
    if not os.path.lexists(commands.state_dir()) and not built():
        return
    if commands.pass_on('down'):
        raise Failure('The lab could not be taken down; the reason is above.')


def built():
    return os.path.exists(
        os.path.join(checkout.root(), 'build', 'bin', 'labnode'))


def add_parser(subparsers):
    parser = subparsers.add_parser(
        'lab', help='start, use and end a real one-node platform',
        description='A real one-node platform on this machine: Kubernetes, '
        'a registry and a trust server with TLS, cert-manager, and the '
        '"system" command. Its directory is PORTIERIS_LAB_DIR, or else %s.' %
        commands.DEFAULT_DIR)
    verbs = parser.add_subparsers(metavar='VERB', required=True)

    def verb(name, run, text):
        sub = verbs.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        return sub

    start = verb('up', run_up,
                 'start the lab and wait until all of it answers')
    start.add_argument('--ipv6', action='store_true',
                       help='give the platform IPv6 addresses only')
    verb('build', run_build, 'compile what the lab runs, without starting it')
    verb('down', run_down, 'end the lab and remove all of it')
    status = verb('status', run_status,
                  'say how the lab is; exit code 3 when it is not up')
    status.add_argument('-o', dest='output', choices=['text', 'json'],
                        default='text', help='form of the output')
    execute = verb('exec', run_exec, 'run a command inside the lab')
    execute.add_argument('command', nargs='...', metavar='-- COMMAND')
    logs = verb('logs', run_logs, 'print the log of a service')
    logs.add_argument('name', help='a service, as "status" lists them')
    service = verb('service', run_service,
                   'end, start, freeze or wake a service of the lab')
    service.add_argument('order', choices=ORDERS)
    service.add_argument('name', help='a service, as "status" lists them')
    push = verb('push', run_push,
                'push an image into the registry and print its digest')
    what = push.add_mutually_exclusive_group(required=True)
    what.add_argument('--tar', metavar='FILE', help='an image as a tar file')
    what.add_argument('--sample', action='store_true',
                      help='a small image that prints a line and waits')
    push.add_argument('--text', default='', metavar='LINE',
                      help='the line of the sample image')
    push.add_argument('ref', metavar='REF')
    sign = verb('sign', run_sign, 'sign a tag and print its digest')
    sign.add_argument('ref', metavar='REF')
    sign.add_argument('--signer', metavar='NAME',
                      help='sign in the delegation targets/NAME too')
    sign.add_argument('--trust-dir', metavar='DIR',
                      help='keys and trust data of another publisher')
    signer = verb('signer', run_signer,
                  'print the public key of a signer of the lab')
    signer.add_argument('name', metavar='NAME')


def run_up(args):
    up(args.ipv6)
    return 0


def run_build(args):
    # The suites that need no root need some of these programs too.
    if os.geteuid() == 0:
        prepare()
    binaries.build(checkout.root())
    return 0


def prepare():
    """Install the Debian packages that the lab and its tests run on."""
    apt.install(packages.missing(), 'The lab', os.path.join(
        checkout.root(), 'build', 'log', 'apt.log'))


def run_down(args):
    down()
    return 0


def run_status(args):
    if not os.path.lexists(commands.state_dir()) and not built():
        # Nothing is compiled to be told that nothing is there.
        print('lab: down, in %s' % commands.state_dir()
              if args.output == 'text' else json.dumps(
                  {'state': 'down', 'dir': commands.state_dir()}, indent=2))
        return 3
    return commands.pass_on('status', '-o', args.output)


def run_exec(args):
    command = args.command
    if command[:1] == ['--']:
        command = command[1:]
    if not command:
        raise Failure('There is nothing to run. Use '
                      '"portieris-app lab exec -- COMMAND".')
    commands.become('exec', '--', *command)


def run_logs(args):
    commands.environment()
    folder = os.path.join(commands.state_dir(), 'log')
    names = sorted(name[:-len('.log')] for name in os.listdir(folder))
    if args.name not in names:
        raise Failure('There is no log of "%s". There are: %s.' % (
            args.name, ', '.join(names)))
    with open(os.path.join(folder, args.name + '.log'), encoding='utf-8',
              errors='replace') as log:
        for line in log:
            print(line, end='')
    return 0


def run_service(args):
    return commands.pass_on('service', args.order, args.name)


def run_push(args):
    if args.sample:
        return commands.pass_on('image', 'sample', '--text', args.text,
                                args.ref)
    return commands.pass_on('image', 'push', '--tar', args.tar, args.ref)


def run_sign(args):
    print(signing.sign(args.ref, args.signer, args.trust_dir))
    return 0


def run_signer(args):
    print(signing.public_key(args.name), end='')
    return 0
