# SPDX-License-Identifier: Apache-2.0
"""What the manual tells the reader to type exists."""

import importlib
import re
import sys

import pytest

from portieris_app import cli
from tests.docs import manual

# Commands of StarlingX that have nothing to do with applications: the
# stand-in of the lab has no need of them.
PLATFORM_ONLY = {'service-parameter-list'}


def as_test_cases(program):
    uses = manual.of_program(program)
    return [pytest.param(words, id='%s: %s' % (page, ' '.join(words)[:60]))
            for page, words in uses]


def complete(cases):
    """Return the uses that are whole lines, not the mention of a verb."""
    return [case for case in cases if len(case.values[0]) > 1]


@pytest.fixture(scope='module')
def system_parser():
    sys.path.insert(0, str(manual.ROOT / 'lab' / 'sysinv'))
    try:
        return importlib.import_module('stx_system.cli').build_parser()
    finally:
        sys.path.pop(0)


def parses(parser, words, capsys):
    try:
        parser.parse_args(words)
    except SystemExit as stop:
        assert stop.code == 0, capsys.readouterr().err


@pytest.mark.parametrize('words', complete(as_test_cases('system')))
def test_system_takes_the_command(words, system_parser, capsys):
    if words[0] not in PLATFORM_ONLY:
        parses(system_parser, words, capsys)


@pytest.mark.parametrize('words', complete(as_test_cases('portieris-app')))
def test_the_tool_takes_the_command(words, capsys):
    parses(cli.build_parser(words[:1]), words, capsys)


@pytest.mark.parametrize('words', as_test_cases('make'))
def test_make_has_the_target(words):
    makefile = (manual.ROOT / 'Makefile').read_text(encoding='utf-8')
    assert re.search(r'^%s:' % re.escape(words[0]), makefile, re.M)


def of_the_server():
    """Return (page, verb and options) for each use of the server."""
    inside = [(page, words[words.index('/portieris') + 1:])
              for page, words in manual.of_program('kubectl')
              if '/portieris' in words]
    # What an operator names application, chart and namespace is no command.
    return inside + [use for use in manual.of_program('portieris')
                     if use[1] and use[1][0] != 'portieris']


@pytest.mark.parametrize('words', [
    pytest.param(words, id='%s: %s' % (page, ' '.join(words)[:60]))
    for page, words in of_the_server()])
def test_the_server_has_the_verb_and_its_options(words):
    options = [word.lstrip('-').partition('=')[0] for word in words[1:]
               if re.fullmatch('--?[a-z].*', word)]
    assert unknown(words[:1] + options) == []


def unknown(names):
    """Return the verbs and options that the server does not have."""
    sources = (manual.ROOT / 'admission' / 'cmd' / 'portieris').glob('*.go')
    code = '\n'.join(path.read_text(encoding='utf-8') for path in sources)
    return [name for name in names if '"%s"' % name not in code]


def test_the_server_has_the_options_of_the_table():
    options = [manual.literal(row[0]).split()[0].lstrip('-')
               for row in manual.tables_with_header(
                   manual.read('operate/explain.rst'), 'Flag', 'Meaning')]
    assert len(options) > 3
    assert unknown(options) == []
