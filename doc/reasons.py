#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write the list of reason codes of the manual from the server's table."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
LIST = ROOT / 'doc' / 'source' / 'operate' / 'reasons.inc'


def generate():
    """Return what the server prints about its reasons."""
    command = ['go', 'run', '-tags', 'containers_image_openpgp',
               './cmd/portieris', 'reasons', '-o', 'rst']
    return subprocess.run(command, cwd=ROOT / 'admission', check=True,
                          stdout=subprocess.PIPE,
                          encoding='utf-8').stdout


def main():
    try:
        text = generate()
    except (OSError, subprocess.CalledProcessError) as error:
        print('reasons.py: the server did not print its reasons (%s). Go '
              'must be installed and "go build ./cmd/portieris" must work '
              'in admission/.' % error, file=sys.stderr)
        return 1
    LIST.write_text(text, encoding='utf-8')
    print('wrote %s' % LIST.relative_to(ROOT))
    return 0


if __name__ == '__main__':
    sys.exit(main())
