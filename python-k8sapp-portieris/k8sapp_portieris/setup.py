# SPDX-License-Identifier: Apache-2.0
"""All metadata is in setup.cfg; the version comes from PBR_VERSION."""

import setuptools

setuptools.setup(setup_requires=['pbr>=2.0.0'], pbr=True)
