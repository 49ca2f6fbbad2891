# SPDX-License-Identifier: Apache-2.0
"""Helm 2 renders the chart too: StarlingX up to 6.0 installs with tiller."""

import pathlib
import shutil
import subprocess

import pytest

from .conftest import CHART
from .conftest import Release
from .conftest import run
from .conftest import SCENARIOS

OLD_CERT_MANAGER = 'cert-manager.io/v1alpha2'


@pytest.fixture(scope='module')
def tiller(tmp_path_factory):
    """The renderer of Helm 2, built from its own packages."""
    if not shutil.which('go'):
        pytest.skip('go is not there')
    program = tmp_path_factory.mktemp('tiller') / 'tiller'
    done = subprocess.run(
        ['go', 'build', '-o', str(program), '.'], text=True,
        cwd=pathlib.Path(__file__).parent / 'tiller', capture_output=True)
    if 'server response' in done.stderr or 'dial tcp' in done.stderr:
        pytest.skip('helm 2 is not to be had: %s' % done.stderr)
    assert done.returncode == 0, done.stderr
    return str(program)


def rendered(tiller, values, kubernetes='1.18'):
    return run(tiller, str(CHART), kubernetes, OLD_CERT_MANAGER,
               stdin=values)


@pytest.mark.parametrize('kubernetes', ['1.18', '1.21'])
def test_tiller_renders_what_helm_renders(tiller, chart, scenario,
                                          kubernetes):
    done = rendered(tiller, SCENARIOS[scenario].read_text(), kubernetes)
    assert done.returncode == 0, done.stderr
    expected = chart.render(scenario, kubernetes=kubernetes + '.0',
                            apis=[OLD_CERT_MANAGER])

    def key(thing):
        return thing['kind'], thing['metadata']['name']

    objects = Release(done.stdout).objects
    for thing in objects:
        labels = thing['metadata']['labels']
        assert labels['app.kubernetes.io/managed-by'] == 'Tiller'
        labels['app.kubernetes.io/managed-by'] = 'Helm'
    assert sorted(objects, key=key) == sorted(expected.objects, key=key)


def test_tiller_refuses_with_the_same_sentence(tiller):
    done = rendered(tiller, 'trustedCA: hello')

    assert done.returncode == 1
    assert 'trustedCA is no PEM certificate' in done.stderr
