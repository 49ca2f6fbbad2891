# SPDX-License-Identifier: Apache-2.0
"""The licenses of Go modules, read from their sources.

The sources lie in Go's cache, since what was linked was compiled from them:
nothing is fetched. A license that no sentence below belongs to is an error,
and not left out, so that whoever adds a module looks at it.
"""

import json
import os
import re
import subprocess

from portieris_app.errors import Failure

FILE = re.compile(r'(LICEN[CS]E|COPYING)([.-](?!docs).*)?$', re.IGNORECASE)
# A sentence that stands in no other license.
SENTENCES = {
    'Apache-2.0': r'Apache License,? Version 2\.0',
    'ISC': r'Permission to use, copy, modify, and(/or)? distribute this '
           r'software for any purpose',
    'MIT': r'Permission is hereby granted, free of charge, to any person',
    'MPL-2.0': r'Mozilla Public License,? version 2\.0',
}
BSD = 'Redistribution and use in source and binary forms'
# The third clause.
ENDORSE = 'endorse or promote products'


def of_modules(modules):
    """Return the SPDX expression of each ``path@version``."""
    # What is in the cache was held against go.sum when it was linked; the
    # public list of sums, which knows it too, cannot be asked.
    done = subprocess.run(
        ['go', 'mod', 'download', '-json', *modules], cwd=os.sep, text=True,
        env=dict(os.environ, GOPROXY='off', GOSUMDB='off', GOFLAGS=''),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE)
    found = {}
    for one in documents(done.stdout):
        name = '%s@%s' % (one['Path'], one['Version'])
        if 'Dir' in one:
            found[name] = expression(one['Dir'], name)
    missing = sorted(set(modules) - set(found))
    if missing:
        raise Failure(
            "The licenses of the server's modules are read from Go's cache, "
            'which does not hold %s. Build the image on this machine with '
            '"portieris-app image", then try again.' % ', '.join(missing))
    return found


def documents(text):
    """Yield what JSON documents that follow one another hold."""
    decoder, place = json.JSONDecoder(), 0
    while text[place:].strip():
        place += len(text[place:]) - len(text[place:].lstrip())
        document, place = decoder.raw_decode(text, place)
        yield document


def expression(folder, name):
    """Return the licenses in a folder as one SPDX expression."""
    names = sorted(filter(FILE.match, os.listdir(folder)))
    found = set()
    for one in names:
        with open(os.path.join(folder, one), encoding='utf-8',
                  errors='replace') as text:
            here = recognized(text.read())
        if not here:
            raise Failure(
                'The license of %s in %s is none that portieris_app/'
                'licenses.py knows: read it, and add a sentence of it.' % (
                    name, os.path.join(folder, one)))
        found |= here
    if not found:
        raise Failure('%s has no file with its license in %s.' % (
            name, folder))
    return ' AND '.join(sorted(found))


def recognized(text):
    """Return the identifiers of the licenses whose sentences are there."""
    text = ' '.join(text.split())
    found = {identifier for identifier, sentence in SENTENCES.items()
             if re.search(sentence, text, re.IGNORECASE)}
    if BSD in text:
        found.add('BSD-3-Clause' if ENDORSE in text else 'BSD-2-Clause')
    return found
