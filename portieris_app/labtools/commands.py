# SPDX-License-Identifier: Apache-2.0
"""Calls of labnode, the program that starts, enters and ends the lab."""

import json
import os
import subprocess

from portieris_app import checkout
from portieris_app.errors import Failure
from portieris_app.labtools import binaries
from portieris_app import programs

DEFAULT_DIR = '/var/tmp/portieris-lab'


def state_dir():
    return os.path.abspath(
        os.environ.get('PORTIERIS_LAB_DIR') or DEFAULT_DIR)


def labnode():
    """Return the path of labnode, compiled if it is not there."""
    root = checkout.root()
    path = os.path.join(root, 'build', 'bin', 'labnode')
    if not os.path.exists(path):
        binaries.build(root, only=['labnode'])
    return path


def pass_on(*args):
    """Run labnode with the caller's own streams; return its exit status."""
    return programs.status_of(subprocess.Popen([labnode(), *args]))


def status():
    """Return what labnode says of the lab, which need not be up."""
    done = subprocess.run([labnode(), 'status', '-o', 'json'], text=True,
                          stdin=subprocess.DEVNULL, capture_output=True)
    try:
        return json.loads(done.stdout)
    except ValueError as error:
        raise Failure('The state of the lab is unknown: %s' % (
            done.stderr.strip().removeprefix('lab: '))) from error


def become(*args):
    """Replace this process by labnode."""
    path = labnode()
    os.execv(path, [path, *args])


def inside(*command, what):
    """Run a command inside the lab and return what it printed."""
    return ask('exec', '--', *command, what=what)


def ask(*args, what):
    """Run labnode and return what it printed; what is for the error."""
    done = subprocess.run([labnode(), *args], text=True,
                          stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode:
        text = (done.stderr or done.stdout).strip()
        raise Failure('%s: %s' % (what, text.removeprefix('lab: ')))
    return done.stdout


def environment():
    """Return the content of env.json of the running lab."""
    path = os.path.join(state_dir(), 'env.json')
    try:
        with open(path, encoding='utf-8') as source:
            return json.load(source)
    except FileNotFoundError:
        raise Failure(
            'No lab is up in %s. Start one with "portieris-app lab up".' %
            state_dir()) from None
    except PermissionError:
        raise Failure(
            'The lab is root\'s: run this command as root.') from None
