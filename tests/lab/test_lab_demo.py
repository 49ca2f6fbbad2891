# SPDX-License-Identifier: Apache-2.0
"""The demo, from the sources to the last line, as anybody would run it."""

import subprocess
import sys

import pytest

from portieris_app import checkout
from tests.lab import footprint

pytestmark = pytest.mark.lab


def test_demo_tells_the_whole_story_and_leaves_nothing(fresh_lab):
    before = footprint.take(fresh_lab.dir)

    done = subprocess.run(
        [sys.executable, '-m', 'portieris_app', 'demo'], env=fresh_lab.env,
        cwd=checkout.package_parent(), text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=1800)

    assert done.returncode == 0, done.stdout
    story = done.stdout
    for chapter in ('$ system application-apply portieris',
                    'Deny "registry.local:9001/team/hello:1.0"',
                    '$ portieris-app lab sign',
                    'Running registry.local:9001/team/hello@sha256:',
                    'No resources found',
                    'denied unsigned, admitted signed',
                    'lab: down, nothing left'):
        assert chapter in story
        story = story[story.index(chapter):]
    assert footprint.changes(before, footprint.take(fresh_lab.dir)) == {}
