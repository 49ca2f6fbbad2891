# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys

import pytest

from portieris_app import cli
from portieris_app.errors import Failure
from portieris_app import progress
from tests.tarball.conftest import ROOT


@pytest.mark.parametrize('verb', ['build', 'verify', 'image', 'packages',
                                  'sbom', 'release'])
def test_help_of_a_verb_has_examples(verb, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([verb, '--help'])

    assert ended.value.code == 0
    assert 'examples:\n  portieris-app ' + verb in capsys.readouterr().out


@pytest.mark.parametrize('arguments', [
    [], ['bild'], ['build', '--nonsense'], ['verify'],
    ['verify', 'a', '-o', 'xml']])
def test_wrong_usage_ends_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)

    assert ended.value.code == 2
    assert 'usage: portieris-app' in capsys.readouterr().err


def test_outside_of_a_checkout_it_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr('portieris_app.checkout.package_parent',
                        lambda: str(tmp_path))

    assert cli.main(['build']) == 1
    assert 'Run it from a checkout' in capsys.readouterr().err


def test_reader_of_the_pipe_may_go_away(built):
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, '-m', 'portieris_app', 'verify', 'none'],
            cwd=built.folder, stdout=write, stderr=subprocess.PIPE)
    finally:
        os.close(write)

    assert done.returncode == 1
    assert done.stderr == b''


def test_step_says_when_it_begins_beats_and_ends(capsys):
    with progress.step('a step', heartbeat=0.001):
        beaten = capsys.readouterr().err
        while ': 0 s so far' not in beaten:
            beaten += capsys.readouterr().err

    assert beaten.startswith('a step ...\n')
    assert 'a step: done (' in capsys.readouterr().err


def test_failing_command_shows_the_end_of_its_log(tmp_path):
    log = tmp_path / 'logs' / 'log'

    with pytest.raises(Failure) as failed:
        progress.run(['sh', '-c', 'seq 40; exit 3'], 'count', str(log))

    assert 'ended with 3' in str(failed.value)
    assert '  40' in str(failed.value)
    assert '  25\n' not in str(failed.value)
    assert log.read_text().startswith('1\n')


def test_missing_command_gives_a_sentence(tmp_path):
    with pytest.raises(Failure, match='cannot start no-such-tool'):
        progress.run(['no-such-tool'], 'try', str(tmp_path / 'log'))


def test_bench_holds_the_tool_and_the_plugin_against_their_bounds():
    done = subprocess.run(
        [sys.executable, ROOT / 'bench' / 'app.py', '1'],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    assert done.returncode == 0, done.stdout
    bounds = {words[-2]: words for words in map(
        str.split, done.stdout.splitlines()) if words[-1] == 'ms'}
    assert {name: words[0] for name, words in bounds.items()} == {
        '3000.00': 'portieris-app', '1000.00': 'portieris-app',
        '5.00': 'get_overrides'}
