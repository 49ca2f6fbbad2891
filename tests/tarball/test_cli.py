# SPDX-License-Identifier: Apache-2.0
import errno
import os
import signal
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


def test_failing_command_without_a_log_shows_the_end_all_the_same():
    with pytest.raises(Failure, match='The end of what it said:\n  no luck'):
        progress.run(['sh', '-c', 'echo no luck >&2; exit 3'], 'try')


def test_step_of_a_failing_command_is_not_called_done(capsys):
    with pytest.raises(Failure):
        progress.run(['false'], 'try')

    assert 'try: failed (' in capsys.readouterr().err


def test_missing_command_gives_a_sentence(tmp_path):
    with pytest.raises(Failure, match='cannot start no-such-tool'):
        progress.run(['no-such-tool'], 'try', str(tmp_path / 'log'))


CLEANS_UP = (
    'import pathlib, signal, sys\n'
    'def clean(*_):\n'
    '    signal.signal(signal.SIGINT, signal.SIG_IGN)\n'
    '    sys.stdin.readline()\n'
    '    pathlib.Path(sys.argv[1]).write_text("clean")\n'
    '    sys.exit()\n'
    'signal.signal(signal.SIGINT, clean)\n'
    'print("ready", flush=True)\n'
    'signal.pause()\n')


def interrupted(number, *program):
    """Start a Python that waits for a program, and send it a signal."""
    parent = subprocess.Popen(
        [sys.executable, '-c',
         'import subprocess, sys\n'
         'from portieris_app import cli, programs\n'
         'cli.main = lambda: programs.status_of(\n'
         '    subprocess.Popen(sys.argv[1:]))\n'
         'try:\n'
         '    cli.entry()\n'
         'except programs.Stopped as stop:\n'
         '    sys.exit(128 + stop.number)\n', *program],
        cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdout.readline() == 'ready\n'
    parent.send_signal(number)
    return parent


def test_program_that_is_interrupted_may_clean_up(tmp_path):
    """A kill of portieris-app alone, as by a time limit of a CI."""
    parent = interrupted(signal.SIGTERM, sys.executable, '-c', CLEANS_UP,
                         str(tmp_path / 'trace'))

    parent.communicate('go on\n')

    assert (tmp_path / 'trace').read_text() == 'clean'
    assert parent.returncode == 128 + signal.SIGTERM


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM,
                                    signal.SIGHUP])
def test_interrupted_verb_leaves_no_half_file(tmp_path, number):
    done = subprocess.run(
        [sys.executable, '-c',
         'import os, signal, sys\n'
         'from portieris_app import build, cli, packing\n'
         # nohup and background jobs of a shell have switched them off.
         'signal.signal(signal.SIGINT, signal.default_int_handler)\n'
         'signal.signal(signal.SIGHUP, signal.SIG_DFL)\n'
         'def half(output, version, wheel):\n'
         '    with packing.replacing(output) as new:\n'
         '        open(new, "w").write("half")\n'
         '        os.kill(os.getpid(), %d)\n'
         'build.make = half\n'
         'sys.argv[1:] = ["build", "--output", %r]\n'
         'cli.entry()\n' % (number, str(tmp_path / 'file'))],
        cwd=ROOT, stderr=subprocess.PIPE, text=True)

    assert done.returncode == 128 + number
    assert done.stderr == 'portieris-app: interrupted.\n'
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('number, cure', [
    (errno.ENOSPC, 'Make room there'), (errno.EROFS, 'Use a copy'),
    (errno.EACCES, 'as the owner'), (errno.EIO, 'Input/output error.')])
def test_fault_of_a_disk_is_a_sentence(monkeypatch, capsys, number, cure):
    def fails(*_):
        raise OSError(number, os.strerror(number), '/some/file')

    monkeypatch.setattr('portieris_app.build.make', fails)

    assert cli.main(['build']) == 1
    said = capsys.readouterr().err
    assert said.startswith(
        'portieris-app: /some/file: %s.' % os.strerror(number))
    assert cure in said


def test_missing_module_is_named_with_what_installs_it(tmp_path):
    done = subprocess.run(
        [sys.executable, '-S', '-m', 'portieris_app', 'build'], cwd=ROOT,
        stderr=subprocess.PIPE, text=True)

    assert done.returncode == 1
    assert 'module "yaml" is missing. "make venv"' in done.stderr
    assert 'Traceback' not in done.stderr


def test_old_python_is_told_the_oldest_that_will_do(monkeypatch):
    monkeypatch.setattr(sys, 'version_info', (3, 8, 20))

    with pytest.raises(SystemExit, match='is Python 3.8, and it needs 3.9'):
        cli.entry()


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
