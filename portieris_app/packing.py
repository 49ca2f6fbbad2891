# SPDX-License-Identifier: Apache-2.0
"""Archives whose bytes depend on nothing but names and contents."""

import contextlib
import fnmatch
import gzip
import io
import os
import shutil
import stat
import tarfile
import tempfile

from portieris_app.errors import Failure

# 2026-01-01T00:00:00Z, unless SOURCE_DATE_EPOCH says otherwise.
DEFAULT_EPOCH = 1767225600
# The dates that a zip file, and so a wheel, can hold: 1980 to 2107.
OLDEST_EPOCH = 315532800
NEWEST_EPOCH = 4354819199

# What editors, caches and earlier builds leave beside sources.
LITTER = ('.git', '__pycache__', '*.pyc', '*.egg-info', '.eggs', 'build',
          'dist', '.tox', '.stestr', '.pytest_cache', '.hypothesis',
          '.coverage', 'AUTHORS', 'ChangeLog', '*~', '.*.sw?', '.DS_Store')


def epoch():
    """Return the time that every archive member gets."""
    text = os.environ.get('SOURCE_DATE_EPOCH', str(DEFAULT_EPOCH))
    if not (text.isascii() and text.isdigit()
            and OLDEST_EPOCH <= int(text) <= NEWEST_EPOCH):
        raise Failure(
            'SOURCE_DATE_EPOCH is "%s": set it to seconds since 1970, from '
            '%d (1980) to %d (2107), or unset it.' % (
                text, OLDEST_EPOCH, NEWEST_EPOCH))
    return int(text)


def export(source, target, refused=lambda name, folder: False):
    """Copy a source tree with fixed modes, without litter and links.

    ``refused`` is asked for every path below ``source`` and says what to
    leave out besides.
    """
    def leave_out(folder, names):
        out = set()
        for name in names:
            path = os.path.join(folder, name)
            inside = os.path.relpath(path, source)
            if (any(fnmatch.fnmatch(name, one) for one in LITTER)
                    or refused(inside, os.path.isdir(path))):
                out.add(name)
            elif not (os.path.isdir(path) or os.path.isfile(path)):
                raise Failure('%s is neither a file nor a folder.' % path)
            elif os.path.islink(path):
                raise Failure('%s is a symbolic link; the application '
                              'holds files only.' % path)
        return out

    try:
        shutil.copytree(source, target, ignore=leave_out)
    except shutil.Error as error:
        one, other, why = error.args[0][0]
        raise Failure('Cannot copy %s to %s: %s.' % (one, other, why)) \
            from error
    except OSError as error:
        raise Failure('Cannot read the sources in %s: %s.' % (
            source, error.strerror or error)) from error
    for folder, _, names in os.walk(target):
        os.chmod(folder, 0o755)
        for name in names:
            path = os.path.join(folder, name)
            runs = os.stat(path).st_mode & stat.S_IXUSR
            os.chmod(path, 0o755 if runs else 0o644)


def files_below(folder):
    """Return the paths of all files below ``folder``, sorted, relative."""
    return sorted(
        os.path.relpath(os.path.join(parent, name), folder)
        for parent, _, names in os.walk(folder) for name in names)


def tgz(members, when):
    """Return a gzipped tar of ``(name, content or None, mode)``.

    A content of None makes a folder.
    """
    packed = io.BytesIO()
    with gzip.GzipFile('', 'wb', 9, packed, mtime=0) as zipped, \
            tarfile.open(fileobj=zipped, mode='w',
                         format=tarfile.USTAR_FORMAT) as archive:
        for name, content, mode in members:
            member = tarfile.TarInfo(name)
            member.mtime = when
            member.mode = mode
            if content is None:
                member.type = tarfile.DIRTYPE
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def read(folder, name):
    with open(os.path.join(folder, name), 'rb') as source:
        return source.read()


@contextlib.contextmanager
def replacing(path):
    """Yield the name of a file that becomes ``path`` when all went well.

    Whoever looks at ``path`` sees the old file or the whole new one.
    """
    folder = os.path.dirname(os.path.abspath(path))
    try:
        os.makedirs(folder, exist_ok=True)
        if os.path.isdir(path):
            raise IsADirectoryError(0, 'a folder has this name')
        handle, scratch = tempfile.mkstemp(
            dir=folder, prefix='.%s.' % os.path.basename(path))
    except OSError as error:
        raise Failure('Cannot write %s: %s. Choose another place with '
                      '--output.' % (path, error.strerror)) from error
    os.close(handle)
    try:
        yield scratch
        os.chmod(scratch, 0o644)
        os.replace(scratch, path)
    except OSError as error:
        raise Failure('Cannot write %s: %s. Choose another place with '
                      '--output.' % (path, error.strerror)) from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(scratch)
