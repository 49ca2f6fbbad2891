# SPDX-License-Identifier: Apache-2.0
"""Packaging of the developer and operator tool, portieris-app.

The version is the application's, so that a fresh clone without tags and a
plain export without git both install.
"""

import os
import re

import setuptools

HERE = os.path.dirname(os.path.abspath(__file__))
METADATA = os.path.join(HERE, 'stx-portieris-helm', 'files', 'metadata.yaml')


def component_version():
    try:
        with open(METADATA, encoding='utf-8') as source:
            found = re.search(r'^app_version:\s*["\']?(\d+\.\d+)-(\d+)',
                              source.read(), re.MULTILINE)
    except OSError:
        found = None
    return '.'.join(found.groups()) if found else '0.0.0'


os.environ.setdefault('PBR_VERSION', component_version())
setuptools.setup(setup_requires=['pbr'], pbr=True)
