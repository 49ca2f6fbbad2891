# SPDX-License-Identifier: Apache-2.0
"""Whether the tarball is what this checkout makes, and says what it is."""

import gzip
import io
import json
import posixpath
import tarfile
import tempfile

from portieris_app import build
from portieris_app import checkout
from portieris_app import sbom
from portieris_app.verifying import package as tree
from portieris_app.verifying import require
from portieris_app.verifying import Skipped
from portieris_app.verifying import Wrong
from portieris_app import versions

SHOWN = 5
MAX_BILL = 16 << 20


def rebuilt(package):
    """The checkout gives the same bytes, at its version and date."""
    version = package.metadata.get('app_version')
    if not isinstance(version, str) or not versions.is_app_version(version):
        raise Wrong('its version is %s, which cannot be built' % version)
    with tempfile.TemporaryDirectory(prefix='portieris-app-') as scratch:
        _, content, _ = build.build(checkout.root(), scratch, version,
                                    when=date(package))
    if content != package.packed:
        raise Wrong(*differences(package.files, {
            member.path: member.content for member in tree.unpack(content)
            if member.content is not None}))
    return '%d bytes, all the same' % len(content)


def date(package):
    """Return the date of the tarball's first member."""
    with gzip.GzipFile(fileobj=io.BytesIO(package.packed)) as zipped, \
            tarfile.open(fileobj=zipped, mode='r|') as archive:
        return int(archive.next().mtime)


def differences(found, expected):
    """Return sentences on files, and on files in wheel and chart."""
    different = [name for name in sorted(set(found) & set(expected))
                 if found[name] != expected[name]]
    inside = [member for name in different if name != 'checksum.md5'
              for member in inner(name, found[name], expected[name])]
    parts = [('differ from the checkout', inside),
             ('are missing', sorted(set(expected) - set(found))),
             ('are not in the checkout', sorted(set(found) - set(expected)))]
    sentences = ['%s: %s%s' % (
        what, ', '.join(names[:SHOWN]),
        ' and %d more' % (len(names) - SHOWN) if len(names) > SHOWN else '')
        for what, names in parts if names]
    return sentences or ['the same files, packed otherwise: order, dates or '
                         'compression are not those of portieris-app build']


def inner(name, found, expected):
    """Return the differing members of an archive, or its own name."""
    reader = {'.whl': tree.unzip, '.tgz': lambda packed: {
        member.path: member.content for member in tree.unpack(packed)
        if member.content is not None}}.get(posixpath.splitext(name)[1])
    if not reader:
        return [name]
    try:
        mine, theirs = reader(found), reader(expected)
    except (Wrong, OSError, ValueError, RuntimeError):
        return [name]
    return ['%s in %s' % (member, name)
            for member in sorted(set(mine) | set(theirs))
            if mine.get(member) != theirs.get(member)] or [name]


def bill(package):
    """The bill beside the tarball names what is in it."""
    path = sbom.beside(package.path)
    try:
        with open(path, 'rb') as source:
            content = source.read(MAX_BILL + 1)
    except FileNotFoundError as error:
        raise Skipped('needs %s: portieris-app sbom writes it'
                      % path) from error
    except OSError as error:
        raise Wrong('cannot read %s: %s' % (path, error.strerror)) from error
    try:
        if len(content) > MAX_BILL:
            raise ValueError('larger than %d MiB' % (MAX_BILL >> 20))
        said = json.loads(content)
        listed = {one['purl']: one for one in
                  said['components'] + [said['metadata']['component']]}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Wrong('%s is no CycloneDX bill of materials: %s' % (
            path, error)) from error
    faults = []
    for one in sbom.of_tarball(package):
        if one['purl'] not in listed:
            faults.append('%s is not in %s' % (one['purl'], path))
        elif listed[one['purl']].get('hashes') != one['hashes']:
            faults.append('%s has another SHA-256 than %s says' % (
                one['purl'], path))
    require(faults)
    return '%d components, wheel and chart among them' % len(listed)
