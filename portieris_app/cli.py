# SPDX-License-Identifier: Apache-2.0
"""The command line: one module a verb, errors as sentences."""

import argparse
import errno
import importlib
import os
import signal
import sys

from portieris_app.errors import Failure
from portieris_app import programs

VERBS = ('build', 'verify', 'image', 'packages', 'sbom', 'release', 'lab',
         'demo')

EPILOG = """\
examples:
  portieris-app build                       dist/portieris-X.Y-Z.tgz
  portieris-app verify dist/portieris-2.0-1.tgz
  portieris-app image                       dist/portieris-image-X.Y.Z.tar
  portieris-app packages deb                dist/*.deb
  portieris-app release                     all that is published, summed up
  portieris-app lab up                      a real one-node platform

'portieris-app VERB --help' shows the options of a verb.
"""


OLDEST_PYTHON = (3, 9)
MODULE = 'the Python module "%s" is missing. "make venv" installs all that ' \
         'is needed; then use build/venv/bin/portieris-app.'
CURES = {
    errno.ENOSPC: ' Make room there, or let TMPDIR and --output name places '
                  'on another disk.',
    errno.EROFS: ' Use a copy of the checkout in a folder that can be '
                 'written.',
    errno.EACCES: ' Run this as the owner of it.',
}


def build_parser(verbs):
    parser = argparse.ArgumentParser(
        prog='portieris-app', epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description='Build, verify and try the Portieris application for '
                    'StarlingX.')
    subparsers = parser.add_subparsers(metavar='VERB', required=True)
    for verb in verbs:
        importlib.import_module('portieris_app.' + verb).add_parser(
            subparsers)
    return parser


def main(argv=None):
    """Run one verb and return the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    # One verb needs one module; the help shows them all.
    verbs = argv[:1] if argv[:1] and argv[0] in VERBS else VERBS
    try:
        args = build_parser(verbs).parse_args(argv)
        return args.run(args)
    except Failure as failure:
        return fail(failure)
    except ModuleNotFoundError as error:
        if error.name.startswith('portieris_app'):
            raise
        return fail(MODULE % error.name)
    except BrokenPipeError:
        raise
    except OSError as error:
        # A full disk, a read-only folder: it can come from anywhere.
        return fail('%s%s.%s' % (
            '%s: ' % error.filename if error.filename else '',
            error.strerror or error, CURES.get(error.errno, '')))
    except KeyboardInterrupt as stop:
        fail('interrupted.')
        return 128 + getattr(stop, 'number', signal.SIGINT)


def fail(sentence):
    print('portieris-app: %s' % sentence, file=sys.stderr)
    return 1


def entry():
    """Run as a program: also quiet when the reader of a pipe goes away."""
    if sys.version_info < OLDEST_PYTHON:
        sys.exit('portieris-app: this is Python %d.%d, and it needs 3.9 or '
                 'later.' % sys.version_info[:2])
    programs.end_as_by_interrupt()
    try:
        status = main()
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    sys.exit(status)
