# SPDX-License-Identifier: Apache-2.0
"""The application tarball: what is looked at before anything is kept."""

import glob
import hashlib
import os
import subprocess

import yaml

from stx_system.errors import Rejected
from stx_system import metadata

SUFFIXES = ('.tgz', '.tar.gz')
FLUXCD_FOLDER = 'fluxcd-manifests'


def check(path, folder, release):
    """Extract into ``folder`` and check as sysinv's API does, in its order.

    The order: file, suffix, extraction, checksum, metadata, manifest,
    charts. Returns the metadata.
    """
    if not os.path.isfile(path):
        raise Rejected('tar file %s does not exist.' % path)
    if not path.endswith(SUFFIXES):
        raise Rejected('%s has unrecognizable tar file extension. Supported '
                       'extensions are: .tgz and .tar.gz.' % path)
    extract(path, folder)
    if not checksum_agrees(folder):
        raise Rejected('checksum validation failed.')
    content = metadata.read(metadata.find(folder))
    metadata.validate(content, release)
    check_manifest(folder)
    check_charts(folder)
    if os.path.isdir(os.path.join(folder, 'images')):
        raise Rejected('embedded images are not yet supported.')
    return content


def extract(path, folder):
    """As root of a controller does: GNU tar, nobody's owner, no times."""
    done = subprocess.run(
        ['tar', '-xf', path, '-m', '--no-same-owner',
         '--no-same-permissions', '-C', folder],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, universal_newlines=True)
    if done.returncode:
        raise Rejected('failed to extract tar file %s: %s' % (
            os.path.basename(path), (done.stderr.strip().splitlines()
                                     or ['tar gave no reason'])[0]))


def checksum_agrees(folder):
    """The first *.md5 in the root, if there is one, read by md5sum's rules."""
    found = sorted(glob.glob(os.path.join(folder, '*.md5')))
    if not found:
        return True
    with open(found[0], errors='replace') as listed:
        lines = [line.rstrip('\n') for line in listed if line.strip()]
    for line in lines:
        wanted, _, name = line.partition(' ')
        target = os.path.join(folder, name.lstrip(' *'))
        try:
            with open(target, 'rb') as content:
                made = hashlib.md5(content.read()).hexdigest()
        except OSError:
            return False
        if made != wanted:
            return False
    return bool(lines)


def check_manifest(folder):
    """9.0 on know FluxCD alone; 7.0 and 8.0 look for FluxCD first."""
    manifests = os.path.join(folder, FLUXCD_FOLDER)
    if not os.path.isdir(manifests):
        raise Rejected('FluxCD manifest structure is not present.')
    for name, there in (('base', os.path.isdir),
                        ('kustomization.yaml', os.path.isfile)):
        if not there(os.path.join(manifests, name)):
            raise Rejected('FluxCD manifest structure is not present: '
                           '%s/%s is missing.' % (FLUXCD_FOLDER, name))
    try:
        with open(os.path.join(manifests, 'kustomization.yaml')) as stored:
            documents = list(yaml.safe_load_all(stored))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Rejected('FluxCD kustomization.yaml does not parse: %s.'
                       % error)
    if len(documents) != 1 or not (documents[0] or {}).get('resources'):
        raise Rejected('FluxCD kustomization.yaml must hold one document '
                       'with a list of resources.')


def check_charts(folder):
    """charts/ with its .tgz extracted in place, every nested one too."""
    charts = os.path.join(folder, 'charts')
    if not os.path.isdir(charts):
        return
    if not os.listdir(charts):
        raise Rejected('tar file contains no Helm charts.')
    found = []
    for where, _, names in sorted(os.walk(charts)):
        for name in sorted(names):
            if name.endswith('.tgz'):
                found.append(os.path.join(where, name))
                extract(found[-1], where)
    if not found:
        raise Rejected('tar file contains no Helm charts of expected file '
                       'extension (.tgz).')
