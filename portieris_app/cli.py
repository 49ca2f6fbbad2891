# SPDX-License-Identifier: Apache-2.0
"""The command line: one module a verb, errors as sentences."""

import argparse
import importlib
import os
import sys

from portieris_app.errors import Failure

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
    args = build_parser(verbs).parse_args(argv)
    try:
        return args.run(args)
    except Failure as failure:
        print('portieris-app: %s' % failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('portieris-app: interrupted.', file=sys.stderr)
        return 130


def entry():
    """Run as a program: also quiet when the reader of a pipe goes away."""
    try:
        status = main()
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    sys.exit(status)
