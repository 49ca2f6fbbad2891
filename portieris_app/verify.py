# SPDX-License-Identifier: Apache-2.0
"""verify: what the platform checks in a tarball, and what it forgets."""

import argparse
import concurrent.futures
import json
import os

from portieris_app.verifying import contents
from portieris_app.verifying import deep
from portieris_app.verifying import manifests
from portieris_app.verifying import package as packages
from portieris_app.verifying import plugins
from portieris_app.verifying import rendering
from portieris_app.verifying import Skipped
from portieris_app.verifying import Wrong

# In the order in which they are shown.
CHECKS = (
    ('file name', contents.file_name),
    ('layout', contents.layout),
    ('checksums', contents.checksums),
    ('metadata', contents.metadata),
    ('YAML', contents.yaml_files),
    ('charts', manifests.charts),
    ('helm lint', rendering.lint),
    ('armada manifest, 5.0 to 8.0', manifests.armada),
    ('FluxCD manifests, 7.0 to master', manifests.fluxcd),
    ('kustomization', rendering.kustomization),
    ('chart versions', manifests.chart_versions),
    ('wheels', plugins.wheels),
    ('entry points', plugins.entry_points),
    ('plugin classes', plugins.loaded),
    ('images', rendering.images),
    ('rendered pods', rendering.rendered),
)

# What --deep adds.
DEEP_CHECKS = (
    ('rebuild from this checkout', deep.rebuilt),
    ('bill of materials', deep.bill),
)

EPILOG = """\
One line a check: ok, FAIL with what is wrong, or skip with what is missing.
Ends with 1 when a check fails.

The wheel's classes are loaded, which runs the tarball's code as you. For a
tarball that you do not trust, use --no-code.

--deep builds the tarball again from this checkout, with the version and date
of the one it is given, and compares the bytes; and it holds the bill of
materials beside the tarball, NAME.cdx.json, against what is inside.

examples:
  portieris-app verify dist/portieris-2.0-1.tgz
  portieris-app verify --deep dist/portieris-2.0-1.tgz
  portieris-app verify --no-code -o json portieris-1.0-33.tgz
"""


def add_parser(subparsers):
    parser = subparsers.add_parser(
        'verify', help='check a tarball before the platform does',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description='Check an application tarball: what the platform checks '
                    'at upload on every release, and what it finds out too '
                    'late.')
    parser.add_argument('tarball', metavar='TARBALL')
    parser.add_argument('--no-code', action='store_true',
                        help='run no code of the tarball: find the '
                             "plugin's classes by reading")
    parser.add_argument('--deep', action='store_true',
                        help='also build it again and compare, and check '
                             'its bill of materials')
    parser.add_argument('-o', dest='format', choices=('text', 'json'),
                        default='text', help='form of the result')
    parser.set_defaults(run=run)


def run(args):
    results = verify(args.tarball, args.no_code, args.deep)
    failed = sum(status == 'FAIL' for _, status, _ in results)
    if args.format == 'json':
        print(json.dumps({
            'tarball': args.tarball, 'ok': not failed,
            'checks': [dict(zip(('check', 'status', 'detail'), result))
                       for result in results]}, indent=2))
    else:
        for name, status, detail in results:
            print('%-4s %s: %s' % (status, name, detail))
        print(printable('%s: %s' % (args.tarball, (
            '%d of %d checks failed' % (failed, len(results))
            if failed else 'sound'))))
    return 1 if failed else 0


def verify(path, no_code=False, thorough=False):
    """Return ``(check, status, detail)`` for every check of a tarball."""
    try:
        package = packages.Package(path)
    except Wrong as wrong:
        return [('archive', 'FAIL', printable('; '.join(wrong.args)))]
    if thorough:
        return judge(package, no_code, CHECKS + DEEP_CHECKS)
    return judge(package, no_code)


def judge(package, no_code=False, wanted=CHECKS):
    checks = [(name, plugins.resolved if no_code
               and check is plugins.loaded else check)
              for name, check in wanted]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        outcomes = [(name, pool.submit(outcome, check, package))
                    for name, check in checks]
        return [(name, *result.result()) for name, result in outcomes]


def outcome(check, package):
    try:
        return 'ok', printable(check(package))
    except Wrong as wrong:
        return 'FAIL', printable('; '.join(wrong.args))
    except Skipped as skipped:
        return 'skip', printable(str(skipped))


def printable(text):
    """Return text on one line: names come from the tarball."""
    return ''.join(character if character.isprintable()
                   else character.encode(
                       'unicode_escape', 'surrogatepass').decode()
                   for character in text)
