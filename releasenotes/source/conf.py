# SPDX-License-Identifier: Apache-2.0
"""Sphinx configuration of the release notes."""

import importlib.util

project = "portieris-armada-app release notes"
copyright = "2026, The portieris-armada-app authors"
version = release = ""

extensions = ["reno.sphinxext"]
root_doc = "index"

if importlib.util.find_spec("openstackdocstheme"):
    extensions.append("openstackdocstheme")
    html_theme = "starlingxdocs"
    openstackdocs_repo_name = "starlingx/portieris-armada-app"
    openstackdocs_auto_name = False
    openstackdocs_use_storyboard = True
else:
    html_theme = "alabaster"
