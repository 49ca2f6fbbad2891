# SPDX-License-Identifier: Apache-2.0
"""Sphinx configuration of the manual."""

import importlib.util
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]


def app_version():
    """Return app_version of the metadata file, the one source of it."""
    text = (ROOT / "stx-portieris-helm/files/metadata.yaml").read_text()
    return re.search(r'^app_version:\s*"?([^"\s]+)', text, re.M).group(1)


project = "portieris-armada-app"
copyright = "2026, The portieris-armada-app authors"
version = release = app_version()

extensions = []
root_doc = "index"
exclude_patterns = []
highlight_language = "console"
# A console block may hold YAML or JSON that a command printed.
suppress_warnings = ["misc.highlighting_failure"]

# StarlingX's theme where it is installed, Sphinx's own elsewhere.
if importlib.util.find_spec("openstackdocstheme"):
    extensions.append("openstackdocstheme")
    html_theme = "starlingxdocs"
    openstackdocs_repo_name = "starlingx/portieris-armada-app"
    openstackdocs_auto_name = False
    openstackdocs_use_storyboard = True
    openstackdocs_bug_project = "starlingx"
    openstackdocs_bug_tag = "stx.security"
else:
    html_theme = "alabaster"
