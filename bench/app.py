# SPDX-License-Identifier: Apache-2.0
"""Measure portieris-app and the plugin.

Prints the median of each, the bound it has to keep to, and how often a bare
start of Python fits into it: only that means something on another machine.
"""

import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
PLUGIN = ROOT / 'python-k8sapp-portieris' / 'k8sapp_portieris'
LINE = '  %-50s %10s %8s %10s'


def main(samples):
    print(LINE % ('', 'median', 'x Python', 'bound'), flush=True)
    unit = median(samples, lambda: start('-c', 'pass'))
    show('a bare start of Python', unit, unit)
    with tempfile.TemporaryDirectory() as folder:
        def build():
            start('-m', 'portieris_app', 'build', '--output', folder)

        # The first one fetches and compiles what the others find.
        build()
        tarball, = pathlib.Path(folder).glob('*.tgz')
        show('portieris-app build', median(samples, build), unit, 3)
        show('portieris-app verify', median(samples, lambda: start(
            '-m', 'portieris_app', 'verify', str(tarball))), unit, 1)
    show('get_overrides', median(samples, overrides()), unit, 0.005)


def start(*arguments):
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    if done.returncode:
        sys.exit('bench: %s ended with %d:\n%s' % (
            ' '.join(arguments), done.returncode, done.stdout))


def overrides():
    """Return what makes the plugin compute its overrides once."""
    sys.path[:0] = [str(PLUGIN), str(ROOT / 'lab' / 'sysinv')]
    from k8sapp_portieris.tests import base
    from k8sapp_portieris.tests import test_helm
    # The most there is to read: a CA of five kilobytes in the old row.
    old = 'caCert: |\n' + ('  %s\n' % ('M' * 64)) * 75
    operator = test_helm.helm(
        system_type='All-in-one', old_overrides=old,
        parameters={test_helm.PROXY + ('http_proxy',): 'http://proxy:3128'},
        hosts=[base.controller()] * 2)
    return operator.get_overrides


def median(samples, run):
    times = []
    for _ in range(samples):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def show(what, took, unit, bound=None):
    print(LINE % (what, short(took), '%.2f' % (took / unit),
                  short(bound) if bound else ''), flush=True)


def short(seconds):
    return '%.2f ms' % (seconds * 1000)


if __name__ == '__main__':
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
