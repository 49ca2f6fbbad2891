# SPDX-License-Identifier: Apache-2.0
"""Reads a tarball of unknown origin into memory, within bounds."""

import errno
import functools
import gzip
import io
import os
import posixpath
import re
import stat
import tarfile
import zipfile
import zlib

import yaml

from portieris_app.verifying import Wrong

# Far above what an application needs, far below what hurts.
MAX_PACKED = 64 << 20
MAX_UNPACKED = 256 << 20
MAX_MEMBERS = 10000

# Faults of the disk here, and not of a name in the tarball.
OURS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO)

LOADER = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)


class Package:
    """An application tarball: its file name and its files."""

    def __init__(self, path):
        self.path = path
        self.name = os.path.basename(path)
        self.packed = read_bounded(path)
        self.members = unpack(self.packed)
        self.files = {member.path: member.content for member in self.members
                      if member.content is not None}

    def below(self, folder, suffix=''):
        """Return the files directly in ``folder``."""
        return sorted(name for name in self.files
                      if posixpath.dirname(name) == folder
                      and name.endswith(suffix))

    def documents(self, name):
        """Return the YAML documents of a file."""
        if name not in self.files:
            raise Wrong('%s is missing' % name)
        return documents(self.files[name], name)

    def document(self, name):
        """Return the first YAML document of a file, as a mapping."""
        first = (self.documents(name) or [None])[0]
        if not isinstance(first, dict):
            raise Wrong('%s is not a YAML mapping' % name)
        return first

    @functools.cached_property
    def metadata(self):
        if 'metadata.yaml' not in self.files:
            raise Wrong('metadata.yaml is missing at the top: this is no '
                        'StarlingX application')
        return self.document('metadata.yaml')

    def chart(self, name):
        """Return the files of ``charts/NAME``."""
        try:
            members = unpack(self.files[name])
        except Wrong as wrong:
            raise Wrong('%s: %s' % (name, wrong)) from wrong
        return {member.path: member.content for member in members
                if member.content is not None}

    def wheel(self, name):
        """Return the files of a wheel."""
        try:
            return unzip(self.files[name])
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError,
                ValueError, OSError) as error:
            raise Wrong('%s is not a sound wheel: %s' % (
                name, error)) from error

    def write(self, folder):
        """Write the files below ``folder`` for tools that need them."""
        write(self.files, folder)


class Member:
    """One entry of a tar: content is None for a folder."""

    def __init__(self, name, content):
        self.name = name
        self.path = posixpath.normpath(name)
        self.content = content


def write(files, folder):
    for name, content in files.items():
        path = os.path.join(folder, name)
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, 'wb') as target:
                target.write(content)
        except OSError as error:
            if error.errno in OURS:
                raise
            raise Wrong('member %s cannot be unpacked: %s' % (
                name, error.strerror)) from error


def read_bounded(path):
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise Wrong('%s is not a file' % path)
        with open(path, 'rb') as source:
            content = source.read(MAX_PACKED + 1)
    except (OSError, ValueError) as error:
        raise Wrong('cannot read %s: %s' % (
            path, getattr(error, 'strerror', error))) from error
    if not content:
        raise Wrong('the file is empty')
    if len(content) > MAX_PACKED:
        raise Wrong('the file is larger than %d MiB' % (MAX_PACKED >> 20))
    return content


def unpack(packed):
    """Return the members of a gzipped tar."""
    if packed[:2] != b'\x1f\x8b':
        raise Wrong('not a gzip file')
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as zipped:
            content = zipped.read(MAX_UNPACKED + 1)
    except EOFError as error:
        raise Wrong('the file ends too early: it is truncated') from error
    except (OSError, zlib.error) as error:
        raise Wrong('the gzip data is damaged: %s' % error) from error
    if len(content) > MAX_UNPACKED:
        raise Wrong('it unpacks to more than %d MiB' % (MAX_UNPACKED >> 20))
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode='r:') as archive:
            return list(members(archive, content))
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        raise Wrong('not a sound tar archive: %s' % error) from error


def members(archive, content):
    seen = set()
    for entry in archive:
        fault = fault_of(entry)
        if posixpath.normpath(entry.name) in seen:
            fault = 'twice in the archive'
        if fault:
            raise Wrong('member %s: %s' % (entry.name, fault))
        seen.add(posixpath.normpath(entry.name))
        if len(seen) > MAX_MEMBERS:
            raise Wrong('more than %d members' % MAX_MEMBERS)
        yield Member(entry.name, archive.extractfile(entry).read()
                     if entry.isfile() else None)
    if not seen:
        raise Wrong('the archive has no members')
    # tarfile takes a damaged header for the end of the archive.
    if content[archive.offset:].strip(b'\0'):
        raise Wrong('the archive has data behind its last readable member: '
                    'it is damaged')


def name_fault(name):
    """Return why nothing may be unpacked under this name, or None."""
    if name.startswith('/'):
        return 'an absolute name'
    if '..' in name.split('/'):
        return 'a name that leads out of the archive'
    if not name.isprintable():
        return 'a name with unprintable characters'
    return None


def fault_of(entry):
    """Return why a member must not be unpacked, or None."""
    if name_fault(entry.name):
        return name_fault(entry.name)
    if entry.type not in (tarfile.REGTYPE, tarfile.AREGTYPE,
                          tarfile.DIRTYPE) or entry.issparse():
        return 'neither a plain file nor a folder'
    if entry.size < 0:
        return 'a negative size'
    return None


def unzip(packed):
    files = {}
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        entries = archive.infolist()
        if len(entries) > MAX_MEMBERS or sum(
                entry.file_size for entry in entries) > MAX_UNPACKED:
            raise ValueError('it unpacks to more than %d MiB or %d members'
                             % (MAX_UNPACKED >> 20, MAX_MEMBERS))
        for entry in entries:
            if entry.is_dir():
                continue
            if name_fault(entry.filename):
                raise ValueError('member %s: %s' % (
                    entry.filename, name_fault(entry.filename)))
            if entry.filename in files:
                raise ValueError('member %s is twice in the archive'
                                 % entry.filename)
            files[entry.filename] = archive.read(entry)
    return files


def documents(content, name):
    """Return the YAML documents in ``content``.

    Aliases are refused: a few of them make documents that take for ever to
    walk, and the application has no use for them.
    """
    try:
        text = content.decode()
        if any(isinstance(event, yaml.AliasEvent)
               for event in yaml.parse(text, Loader=LOADER)):
            raise Wrong('%s uses YAML aliases; write the values out' % name)
        return list(yaml.load_all(text, Loader=LOADER))
    except (yaml.YAMLError, ValueError, OverflowError,
            RecursionError) as error:
        raise Wrong('%s is not YAML: %s' % (
            name, re.sub(r'\s+', ' ', str(error)))) from error


def dig(tree, *keys):
    """Return what lies below ``keys`` in nested mappings, or None."""
    for key in keys:
        if not isinstance(tree, dict):
            return None
        tree = tree.get(key)
    return tree


def text(tree, *keys):
    """Return what lies below ``keys`` as text, whatever it is."""
    return str(dig(tree, *keys))


def mappings(value):
    """Return the mappings in a list, and nothing for anything else."""
    if not isinstance(value, list):
        return []
    return [one for one in value if isinstance(one, dict)]


def strings(value):
    """Return the strings in a list, and nothing for anything else."""
    if not isinstance(value, list):
        return []
    return [one for one in value if isinstance(one, str)]
