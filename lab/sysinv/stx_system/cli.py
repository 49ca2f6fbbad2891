# SPDX-License-Identifier: Apache-2.0
"""The ``system`` command, as far as applications go."""

import argparse
import contextlib
import fcntl
import json
import logging
import os
import signal
import sys

from stx_system.errors import Aborted
from stx_system.errors import Failed
from stx_system.errors import Rejected
from stx_system.release import Release
from stx_system import tables

DESCRIPTION = """\
Upload, configure and apply applications the way StarlingX does. Other than
there, each command returns when its work is done.
"""
EPILOG = """\
environment:
  PORTIERIS_LAB_DIR  the lab's folder; sysinv/ in it is the platform's root
  STX_RELEASE        release to imitate: 7.0 to 12.0, or master (default)
  KUBECONFIG, HELM_BIN, KUBECTL_BIN
"""


def _add(commands, name, text, *arguments):
    parser = commands.add_parser(name, help=text, description=text)
    for names, options in arguments:
        parser.add_argument(*names, **options)
    parser.add_argument('--format', '-f', choices=('table', 'json'),
                        default='table')
    parser.add_argument('-o', dest='format', choices=('table', 'json'))
    parser.set_defaults(call=globals()[name.replace('-', '_')])


def _argument(*names, **options):
    return names, options


APP = _argument('app', metavar='APP')
CHART = _argument('chart', metavar='CHART')
NAMESPACE = _argument('namespace', metavar='NAMESPACE')
TARFILE = _argument('tarfile', metavar='TARBALL')
FORCE = _argument('--force', action='store_true')
SWITCHES = {'true': True, 'false': False}


def build_parser():
    parser = argparse.ArgumentParser(
        prog='system', description=DESCRIPTION, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--release', help='as STX_RELEASE',
                        default=os.environ.get('STX_RELEASE') or 'master')
    parser.add_argument('--debug', action='store_true',
                        help='show the log on standard error')
    commands = parser.add_subparsers(metavar='COMMAND', required=True)
    _add(commands, 'application-upload', 'Check and unpack an application.',
         TARFILE, _argument('--app-name', '-n'),
         _argument('--app-version', '-v'))
    _add(commands, 'application-list', 'List all applications.')
    _add(commands, 'application-show', 'Show one application.', APP)
    _add(commands, 'application-apply', 'Install or upgrade it.', APP,
         _argument('--wait', action='store_true',
                   help='the default: return when it is applied'))
    _add(commands, 'application-update', 'Put a new version in its place.',
         TARFILE)
    _add(commands, 'application-remove', 'Uninstall it.', APP, FORCE)
    _add(commands, 'application-abort',
         'End the apply, update or removal that another command is at. It '
         'returns at once; the other command says when it has ended.', APP)
    _add(commands, 'application-delete', 'Forget it.', APP, FORCE,
         _argument('--yes', '-y', action='store_true',
                   help='no question is asked, with or without it'))
    _add(commands, 'helm-override-list', 'List the charts of an application.',
         APP, _argument('--long', action='store_true'))
    _add(commands, 'helm-override-show', 'Show the overrides of a chart.',
         APP, CHART, NAMESPACE)
    _add(commands, 'helm-override-update',
         'Set user overrides. They take effect at the next apply.',
         APP, CHART, NAMESPACE,
         _argument('--reuse-values', action='store_true',
                   help='keep what was set before (without it, all of that '
                        'is replaced)'),
         _argument('--reset-values', action='store_true'),
         _argument('--values', action='append', default=[],
                   metavar='FILE'),
         _argument('--set', action='append', default=[], dest='pairs',
                   metavar='KEY=VALUE'))
    _add(commands, 'helm-override-delete', 'Delete user overrides.',
         APP, CHART, NAMESPACE)
    _add(commands, 'helm-chart-attribute-modify',
         'Switch a chart on or off at the next apply.',
         _argument('--enabled', required=True, type=str.lower,
                   choices=sorted(SWITCHES)),
         APP, CHART, NAMESPACE)
    return parser


# Commands: each takes the session and the arguments and returns the text.


def application_upload(session, args):
    app = session.manager.upload(args.tarfile, args.app_name,
                                 args.app_version)
    return _show_app(app, args)


def application_list(session, args):
    columns = ('application', 'version', 'manifest name', 'manifest file',
               'status', 'progress')
    rows = [(row.name, row.app_version, row.manifest_name,
             row.manifest_file, row.status, row.progress)
            for row in sorted(session.dbapi.kube_app_get_all(),
                              key=lambda row: row.name)]
    return tables.listing(columns, rows, args.format == 'json')


def application_show(session, args):
    return _show_app(session.manager.find(args.app), args)


def application_apply(session, args):
    return _show_app(session.manager.apply(args.app), args)


def application_update(session, args):
    return _show_app(session.manager.update(args.tarfile), args)


def application_remove(session, args):
    return _show_app(session.manager.remove(args.app, args.force), args)


def application_abort(session, args):
    return _show_app(session.manager.abort(args.app), args)


def application_delete(session, args):
    session.manager.delete(args.app, args.force)
    return 'Application %s deleted.' % args.app


def helm_override_list(session, args):
    columns = ('chart name', 'overrides namespaces')
    rows = [(name, str(spaces), str(enabled)) for name, spaces, enabled in
            session.overrides.list(args.app)]
    if args.long:
        columns += ('chart enabled',)
    else:
        rows = [row[:2] for row in rows]
    return tables.listing(columns, rows, args.format == 'json')


def helm_override_show(session, args):
    return tables.show(session.overrides.show(
        args.app, args.chart, args.namespace), args.format == 'json')


def helm_override_update(session, args):
    files = []
    for path in args.values:
        try:
            with open(path, encoding='utf-8') as stored:
                files.append(stored.read())
        except (OSError, UnicodeDecodeError) as error:
            raise Rejected('cannot read the overrides file %s: %s.' % (
                path, getattr(error, 'strerror', None) or error))
    # As with "helm upgrade": new values replace old ones unless asked not.
    flag = ('reuse' if args.reuse_values and not args.reset_values
            else 'reset')
    return tables.show(session.overrides.update(
        args.app, args.chart, args.namespace, flag, files, args.pairs),
        args.format == 'json')


def helm_override_delete(session, args):
    session.overrides.delete(args.app, args.chart, args.namespace)
    return 'Deleted chart overrides %s:%s for application %s' % (
        args.chart, args.namespace, args.app)


def helm_chart_attribute_modify(session, args):
    return tables.show(session.overrides.modify_attributes(
        args.app, args.chart, args.namespace, SWITCHES[args.enabled]),
        args.format == 'json')


# These change no row: they need not wait for a command that does.
READERS = (application_abort, application_list, application_show,
           helm_override_list, helm_override_show)


def _show_app(app, args):
    row = app._kube_app
    return tables.show([('active', row.status == 'applied')] + [
        (name, getattr(row, name)) for name in (
            'app_version', 'created_at', 'manifest_file', 'manifest_name',
            'name', 'progress', 'status', 'updated_at')],
        args.format == 'json')


class Session(object):
    """Everything a command works with, for one release."""

    def __init__(self, root, release, settings):
        from sysinv import double
        if not release.is_master:
            # First of all: what is imported below is then that release's.
            double.emulate('stx.%s' % release.name)
        from stx_system.dbapi import DBAPI
        from stx_system.images import Registry
        from stx_system.manager import Manager
        from stx_system.overrides import Overrides
        from stx_system.platform import Platform
        from sysinv.common.kubernetes import KubeOperator
        platform = Platform(root, release)
        registry = None
        if settings.get('registry'):
            registry = Registry(settings.get('registryUser'),
                                settings.get('registryPassword'),
                                settings.get('ca'))
        self.dbapi = DBAPI(platform.path('db.json'))
        self.manager = Manager(platform, self.dbapi, KubeOperator(),
                               registry)
        self.overrides = Overrides(self.manager, self.dbapi)


@contextlib.contextmanager
def _lock(root, reading):
    """One writer at a time; readers do not wait for it."""
    with open(os.path.join(root, 'lock'), 'w') as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone = True
        except BlockingIOError:
            if not reading:
                raise Rejected('another system command is at work: wait '
                               'for its end, or end it with Ctrl-C.')
            alone = False
        yield alone


def _abort(signum, frame):
    raise Aborted()


def run(args, lab_dir):
    release = Release(args.release)
    root = os.path.join(lab_dir, 'sysinv')
    os.makedirs(os.path.join(root, 'var/log'), exist_ok=True)
    logging.basicConfig(
        filename=os.path.join(root, 'var/log/sysinv.log'),
        level=logging.INFO,
        format='%(asctime)s %(levelname)s %(name)s: %(message)s')
    if args.debug:
        logging.getLogger().addHandler(logging.StreamHandler())
    try:
        with open(os.path.join(lab_dir, 'env.json')) as stored:
            settings = json.load(stored)
    except FileNotFoundError:
        settings = {}
    with _lock(root, args.call in READERS) as alone:
        session = Session(root, release, settings)
        if alone:
            session.manager.end_dead_operations()
        return args.call(session, args)


def main(argv=None):
    args = build_parser().parse_args(argv)
    lab_dir = os.path.abspath(os.environ.get('PORTIERIS_LAB_DIR')
                              or '/var/tmp/portieris-lab')
    log_file = os.path.join(lab_dir, 'sysinv/var/log/sysinv.log')
    signal.signal(signal.SIGINT, _abort)
    signal.signal(signal.SIGTERM, _abort)
    try:
        print(run(args, lab_dir))
        return 0
    except Aborted:
        print('operation aborted by user', file=sys.stderr)
        return 130
    except Rejected as reason:
        print(reason, file=sys.stderr)
    except Failed as reason:
        print('%s\nThe log is %s.' % (reason, log_file), file=sys.stderr)
    except Exception as error:
        logging.exception('unexpected')
        print('system: %s: %s\nThe log is %s.' % (
            type(error).__name__, error, log_file), file=sys.stderr)
    return 1
