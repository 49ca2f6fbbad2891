# SPDX-License-Identifier: Apache-2.0
"""Reason codes and matching are as the server itself has them."""

import json
import re
import shutil
import subprocess

import pytest

from doc import reasons
from tests.docs import manual

ADMISSION = manual.ROOT / 'admission'
# Put into the server's module by an overlay: the package is internal to it.
PROGRAM = manual.ROOT / 'tests' / 'docs' / 'matches.go'

needs_go = pytest.mark.skipif(not shutil.which('go'),
                              reason='needs the Go toolchain')

SOME_DIGEST = 'sha256:' + '0123456789abcdef' * 4


@needs_go
def test_the_list_of_reasons_is_what_the_server_prints():
    assert reasons.LIST.read_text(encoding='utf-8') == reasons.generate()


def test_every_code_in_the_text_is_in_the_list():
    listed = set(re.findall(r'^([A-Z]+(?:-[A-Z]+)*)\n-+$',
                            manual.read('operate/reasons.inc'), re.M))
    used = {code for page in manual.pages() for code in re.findall(
        r'[`\[]([A-Z]{3,}(?:-[A-Z]+)+)[` \]]',
        page.read_text(encoding='utf-8'))}
    assert used
    assert used - listed == set()


def pattern_table():
    rows = manual.tables_with_header(manual.read('policies/matching.rst'),
                                     'Pattern', 'Image', 'Matches')
    return [(manual.literal(row[0]), manual.literal(row[1]),
             row[2].startswith('yes')) for row in rows]


@needs_go
def test_the_table_of_patterns_is_what_the_server_does(tmp_path):
    overlay = tmp_path / 'overlay.json'
    virtual = str(ADMISSION / 'cmd' / 'matches' / 'main.go')
    overlay.write_text(json.dumps({'Replace': {virtual: str(PROGRAM)}}))
    pairs = [(pattern, 'any.example.com/image:1' if image == 'any'
              else image.replace('sha256:..', SOME_DIGEST))
             for pattern, image, _ in pattern_table()]
    answer = subprocess.run(
        ['go', 'run', '-overlay', str(overlay), './cmd/matches'],
        cwd=ADMISSION, input=json.dumps(pairs), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert answer.returncode == 0, answer.stderr
    said = [(pattern, image, matches)
            for pattern, image, matches in pattern_table()]
    does = [(pattern, image, matches) for (pattern, image, _), matches
            in zip(pattern_table(), json.loads(answer.stdout))]
    assert said == does
