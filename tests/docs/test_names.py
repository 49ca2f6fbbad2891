# SPDX-License-Identifier: Apache-2.0
"""Objects, files, variables and codes that the manual names exist."""

import functools
import re

import pytest

from tests.docs import manual

SOURCES = ('admission', 'lab', 'manifests', 'portieris_app',
           'python-k8sapp-portieris', 'stx-portieris-helm')
SUFFIXES = {'.go', '.py', '.yaml', '.tpl', '.txt'}

# Names that belong to others, or to an older version of this application.
FOREIGN = {
    'portieris-certs',
    'portieris-armada-app',
    'portieris-app',
}


@functools.lru_cache(maxsize=None)
def code():
    texts = []
    for folder in SOURCES:
        for path in (manual.ROOT / folder).rglob('*'):
            if path.suffix in SUFFIXES and path.is_file():
                texts.append(path.read_text(encoding='utf-8'))
    return '\n'.join(texts)


def found(pattern, text=None):
    """Return (page, match) for each match in the manual, once a page."""
    result = set()
    for page in manual.pages():
        for match in re.findall(pattern, page.read_text(encoding='utf-8')):
            result.add((manual.name(page), match))
    return sorted(result)


def in_code(pattern):
    return [pytest.param(match, id='%s: %s' % (page, match))
            for page, match in found(pattern) if match not in FOREIGN]


@pytest.mark.parametrize('name', in_code(
    r'(?<![\w./-])(portieris-[a-z][a-z-]*[a-z])(?![\w.*-])'))
def test_an_object_of_that_name_is_made(name):
    assert re.search(r'(?<![\w-])%s(?![\w-])' % name, code())


@pytest.mark.parametrize('name', in_code(r'\bPORTIERIS_[A-Z_]+\b'))
def test_the_environment_variable_is_read(name):
    assert name in code()


@pytest.mark.parametrize('name', in_code(r'\bportieris_[a-z_]+\b'))
def test_the_metric_is_kept(name):
    if not (manual.ROOT / name).is_dir():
        assert name in code()


def test_the_manual_has_every_metric():
    observe = manual.ROOT / 'admission' / 'internal' / 'observe'
    kept = set(re.findall(
        r'"(portieris_[a-z_]+)"',
        (observe / 'observe.go').read_text(encoding='utf-8')))
    assert kept
    page = manual.read('operate/observe.rst')
    assert {name for name in kept if '``%s``' % name not in page} == set()


@pytest.mark.parametrize('path', [
    pytest.param(path, id='%s: %s' % (page, path))
    for page, path in found(r':file:`([^`]+)`')])
def test_the_path_is_in_the_repository(path):
    assert (manual.ROOT / path).exists()


@pytest.mark.parametrize('label', [
    'securityenforcement.admission.cloud.ibm.com/namespace',
    'cert-manager.io/inject-ca-from',
    'trust.hooks.securityenforcement.admission.cloud.ibm.com',
    'image-admission-config',
])
def test_the_name_is_in_the_manual_and_in_the_chart(label):
    chart = manual.ROOT / 'stx-portieris-helm/helm-charts/portieris'
    texts = [path.read_text(encoding='utf-8')
             for path in (chart / 'templates').iterdir()]
    assert any(label in text for text in texts)
    assert any(label in page.read_text(encoding='utf-8')
               for page in manual.pages())
