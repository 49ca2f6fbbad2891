# SPDX-License-Identifier: Apache-2.0
"""Images of an application: found in values, prefixed, asked for.

The shapes are those of master's parser: dictionaries only, never lists.
"""

import re

from stx_system.errors import Failed

LOCAL_REGISTRY = 'registry.local:9001'
TAG_KEYS = ('tag', 'imagetag')
# A reference counts with a slash and a tag; it has a host if a domain comes
# first.
REFERENCE = re.compile(r'/.+:.+$')
HAS_HOST = re.compile(r'^.+:.+/')
DOMAIN = re.compile(r'^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(:\d+)?$')


def find(values, release):
    """The part of a tree of values that names images, in its own shape."""
    found = {}
    for key, value in (values or {}).items():
        # 8.0 on: the case of a key does not matter.
        bare = str(key).lower() if release.since(8) else str(key)
        part = None
        if bare == 'images' and isinstance(value, dict):
            tags = value.get('tags')
            part = ({'tags': _strings(tags)} if isinstance(tags, dict)
                    else _strings(value))
        elif bare == 'image' and isinstance(value, dict):
            part = _image_parts(value, release)
        elif bare == 'image' and isinstance(value, str):
            part = value
            found.update((name, tag) for name, tag in values.items()
                         if str(name).lower() in TAG_KEYS
                         and isinstance(tag, str) and tag)
        elif isinstance(value, dict):
            part = find(value, release)
        if part and part != {'tags': {}}:
            found[key] = part
    return found


def _strings(entries):
    return {name: ref for name, ref in entries.items()
            if isinstance(ref, str) and ref}


def _image_parts(value, release):
    wanted = ['repository', 'tag']
    if release.since(10):
        wanted.append('registry')
    if release.is_master:
        # Master takes image.image for a reference and rewrites it; no
        # other release looks at it.
        wanted.append('image')
    return {name: text for name, text in value.items()
            if str(name).lower() in wanted and isinstance(text, str)
            and text}


def references(tree):
    """The references in what ``find`` returned, sorted and whole."""
    return sorted({ref for ref in _references(tree)
                   if REFERENCE.search(ref)})


def _references(tree):
    tag = next((text for key, text in tree.items()
                if str(key).lower() in TAG_KEYS
                and isinstance(text, str)), None)
    registry = tree.get('registry')
    for key, value in tree.items():
        if isinstance(value, dict):
            for ref in _references(value):
                yield ref
        elif str(key).lower() in TAG_KEYS + ('registry',):
            continue
        else:
            name = '/'.join(filter(None, (
                registry if isinstance(registry, str) else None, value)))
            tagged = ':' in name.rpartition('/')[2]
            yield '%s:%s' % (name, tag) if tag and not tagged else name


def with_local_registry(tree):
    """The same tree, each reference below registry.local:9001."""
    out = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            out[key] = with_local_registry(value)
        elif str(key).lower() in TAG_KEYS:
            out[key] = value
        else:
            out[key] = local(value)
    return out


def local(reference):
    """registry.local:9001/docker.io/a/b:1 for a/b:1."""
    if HAS_HOST.match(reference):
        return reference
    first = reference.partition('/')[0]
    if '/' not in reference or not DOMAIN.match(first):
        reference = 'docker.io/' + reference
    return '%s/%s' % (LOCAL_REGISTRY, reference)


def merge(*trees):
    """Deep merge of trees, later ones winning."""
    out = {}
    for tree in trees:
        for key, value in (tree or {}).items():
            if isinstance(value, dict) and isinstance(out.get(key), dict):
                out[key] = merge(out[key], value)
            else:
                out[key] = value
    return out


class Registry(object):
    """The platform's registry, asked whether it has an image.

    sysinv would pull what is missing from the internet and push it. The
    lab reaches none, so a missing image is an error that says what to do.
    """

    MANIFESTS = ', '.join((
        'application/vnd.docker.distribution.manifest.v2+json',
        'application/vnd.docker.distribution.manifest.list.v2+json',
        'application/vnd.oci.image.manifest.v1+json',
        'application/vnd.oci.image.index.v1+json'))

    def __init__(self, user=None, password=None, ca=None):
        # Here, because most commands never ask and the import is slow.
        import requests
        self._failure = requests.RequestException
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = ca or True
        if user:
            self._session.auth = (user, password)

    def has(self, reference):
        """Whether a full reference, host and tag or digest, is there."""
        host, _, rest = reference.partition('/')
        if '@' in rest:
            name, _, version = rest.partition('@')
            name = name.partition(':')[0]
        else:
            name, _, version = rest.rpartition(':')
        url = 'https://%s/v2/%s/manifests/%s' % (host, name, version)
        try:
            answer = self._session.head(
                url, headers={'Accept': self.MANIFESTS}, timeout=10)
        except self._failure as error:
            raise Failed('images download failed: asking %s for %s: %s' % (
                host, rest, error))
        if answer.status_code in (200, 404):
            return answer.status_code == 200
        raise Failed('images download failed: %s answered %d when asked for '
                     '%s.' % (host, answer.status_code, rest))

    def require(self, wanted):
        missing = [ref for ref in wanted if not self.has(ref)]
        if missing:
            raise Failed(
                'images download failed: %s is not in the registry. Push it '
                'with "portieris-app lab push --tar FILE %s".' % (
                    ', '.join(missing), missing[0]))
