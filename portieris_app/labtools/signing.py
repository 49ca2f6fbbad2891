# SPDX-License-Identifier: Apache-2.0
"""Signatures in the lab, made by the real notary client."""

import json
import os
import re

from portieris_app.errors import Failure
from portieris_app.labtools import commands

NO_TRUST_DATA = 'does not have trust data'
SIGNER_NAME = re.compile(r'[a-z0-9]+(?:[._-][a-z0-9]+)*\Z')


def sign(ref, signer=None, trust_dir=None):
    """Sign the manifest that the tag names now; return its digest.

    The tag is released in the role ``targets``. With a signer it is also
    signed in ``targets/SIGNER``, with a key pair that the lab keeps.
    """
    gun, tag = split(ref)
    manifest = json.loads(commands.ask(
        'image', 'manifest', ref, what='Signing %s' % ref))
    notary = Client(gun, trust_dir)
    if not notary.has_trust_data():
        notary.run('init', gun, '--publish')
    roles = ['--roles', 'targets']
    if signer:
        roles += ['--roles', notary.add_signer(signer)]
    notary.run('addhash', gun, tag, str(manifest['size']), '--sha256',
               manifest['digest'].partition(':')[2], '--publish', *roles)
    return manifest['digest']


def split(ref):
    """Split a reference with a tag into repository and tag."""
    repository, colon, tag = ref.rpartition(':')
    if not colon or '/' in tag or '@' in ref:
        raise Failure(
            'A signature is made for a tag, and "%s" has none. Write it as '
            'REGISTRY/NAME:TAG.' % ref)
    return repository, tag


def public_key(name):
    """Return a signer's public key as PEM; the pair is made when needed."""
    with open(key_pair(name) + '.pub', encoding='ascii') as source:
        return source.read()


def key_pair(name):
    """Return the path, without ending, of a signer's key pair."""
    if not SIGNER_NAME.match(name):
        raise Failure(
            '"%s" cannot be a signer: use lower-case letters, digits, and '
            '"-", "_" or "." between them.' % name)
    commands.environment()
    folder = os.path.join(commands.state_dir(), 'notary', 'signers')
    os.makedirs(folder, mode=0o700, exist_ok=True)
    base = os.path.join(folder, name)
    if not os.path.exists(base + '.pub'):
        commands.ask('keys', base, what='Making the key of %s' % name)
    return base


class Client:
    """The notary client for one repository."""

    def __init__(self, gun, trust_dir=None):
        self.gun = gun
        self.options = []
        if trust_dir:
            self.options = ['--trustDir', os.path.abspath(trust_dir)]

    def run(self, *args):
        return commands.inside('notary', *self.options, *args,
                               what='notary %s' % ' '.join(args[:2]))

    def has_trust_data(self):
        try:
            self.run('list', self.gun)
        except Failure as failure:
            if NO_TRUST_DATA in str(failure):
                return False
            raise
        return True

    def add_signer(self, name):
        """Make the delegation of a signer; return its role."""
        base = key_pair(name)
        role = 'targets/' + name
        if role not in self.run('delegation', 'list', self.gun):
            self.run('key', 'import', base + '.key', '--role', name)
            self.run('delegation', 'add', self.gun, role, base + '.pub',
                     '--all-paths', '--publish')
        return role
