# SPDX-License-Identifier: Apache-2.0
"""The double of sysinv on the path, and as it was when a test ends."""

import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
for folder in ('lab/sysinv', 'python-k8sapp-portieris',
               'python-k8sapp-portieris/k8sapp_portieris'):
    sys.path.insert(0, str(ROOT / folder))


def of_sysinv():
    return {name: module for name, module in sys.modules.items()
            if name.split('.')[0] in ('sysinv', 'k8sapp_portieris')}


@pytest.fixture
def emulate():
    """Give a test the sysinv of a release, and the others theirs back."""
    from sysinv import double
    before = of_sysinv()
    yield double.emulate
    double.emulate('master')
    for name in of_sysinv():
        del sys.modules[name]
    sys.modules.update(before)
    for name, module in before.items():
        parent, _, last = name.rpartition('.')
        if module is not None and sys.modules.get(parent) is not None:
            setattr(sys.modules[parent], last, module)
