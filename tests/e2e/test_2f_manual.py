# SPDX-License-Identifier: Apache-2.0
"""What the runbook tells somebody to type at night does what it says."""

import json
import os

import pytest

from tests.docs import manual
from tests.e2e.conftest import DENIAL
from tests.e2e.conftest import pod

WEBHOOK = ('get', 'mutatingwebhookconfiguration', 'image-admission-config')


def section(label):
    """Return the text of the runbook from a label to the next one."""
    _, found, rest = manual.read('operate/runbook.rst').partition(
        '.. _%s:\n' % label)
    assert found
    return rest.partition('\n.. _')[0]


def typed(text, containing):
    """Return the commands of the one block of a text that holds another."""
    (block,) = [block for block in manual.blocks(text, 'console')
                if containing in block]
    return '\n'.join(line[2:] for line in block.splitlines()
                     if line.startswith('$ '))


@pytest.fixture
def types(protected, namespace, tmp_path):
    """Type what the manual says, of the namespace web in this one."""
    def types(script):
        return protected.does(
            'bash', '-euo', 'pipefail', stdin='cd %s\n%s' % (
                tmp_path, script.replace('namespace web ',
                                         'namespace %s ' % namespace)))
    return types


@pytest.fixture
def asks(protected, namespace):
    """Ask for a pod with an image that nobody signed."""
    unsigned = protected.image()
    return lambda: protected.create(
        pod('asked-%s' % os.urandom(4).hex(), namespace, unsigned))


@pytest.fixture
def protected_again(protected, types, asks):
    """Type the way back from an emergency, and see that it is one."""
    def back():
        types(typed(section('emergency'), 'ReapplyAdmissionWebhook'))
        protected.until('an unsigned image is denied',
                        lambda: DENIAL in asks().text)
        assert protected.kubectl(
            *WEBHOOK, '-o', 'jsonpath={.webhooks[0].failurePolicy}') == 'Fail'
    return back


def test_evidence_is_kept(types, tmp_path):
    types(typed(section('evidence'), 'mkdir'))

    (folder,) = tmp_path.iterdir()
    kept = {path.name: path.stat().st_size for path in folder.iterdir()}
    empty = {name for name, size in kept.items() if not size}
    assert len(kept) == 7
    assert empty <= {'server-previous.log'}


def test_doctor_comes_without_helm(types):
    text = types(typed(section('doctor'), 'run doctor'))

    assert text.count('ok      ') == 4, text


def test_metrics_are_read_without_prometheus(types):
    text = types(typed(manual.read('operate/observe.rst'), '--raw'))

    assert 'portieris_build_info{' in text


def test_one_namespace_is_let_out_and_in(types, asks, protected):
    types(typed(section('emergency'), 'namespace=skip'))
    protected.until('it is let out', lambda: asks().status == 0)

    (back,) = [' '.join(line.split()) for line in manual.LITERAL.findall(
        section('emergency')) if line.endswith('namespace-')]
    types(back)
    protected.until('it is judged', lambda: DENIAL in asks().text)


def test_workloads_pass_while_no_server_answers_and_are_judged_again(
        types, asks, protected, protected_again):
    protected.stops_servers()
    types(typed(section('emergency'), 'failurePolicy","value":"Ignore"'))
    protected.until('they pass', lambda: asks().status == 0)

    # The servers that were scaled away come back as well.
    protected_again()


def test_deleted_webhook_comes_back(types, asks, protected, protected_again):
    types(typed(section('emergency'), 'kubectl delete mutatingwebhook'))
    protected.until('they pass', lambda: asks().status == 0)

    protected_again()

    webhook = json.loads(protected.kubectl(*WEBHOOK, '-o', 'json'))
    assert webhook['webhooks'][0]['rules']
