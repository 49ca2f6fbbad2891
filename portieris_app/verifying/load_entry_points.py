# SPDX-License-Identifier: Apache-2.0
"""Loads the entry points below a folder, in a process of its own.

Arguments: the folder with the unzipped wheels, the folder with sysinv. The
last line of the output is JSON: what went wrong, and which modules that the
platform has are not here.
"""

import importlib.metadata
import json
import sys

# The groups whose classes the platform hands its helm operator.
WITH_OPERATOR = ('systemconfig.helm_plugins.',)

# What plugins may import besides the standard library.
PLATFORM = ('kubernetes', 'oslo_log', 'six', 'sysinv', 'yaml')


def main(wheels, sysinv):
    sys.path[:1] = [wheels, sysinv]
    faults, missing = [], []
    for distribution in importlib.metadata.distributions(path=[wheels]):
        for entry in distribution.entry_points:
            if entry.group == 'systemconfig.helm_applications':
                continue
            arguments = [None] if entry.group.startswith(WITH_OPERATOR) \
                else []
            try:
                entry.load()(*arguments)
            except ModuleNotFoundError as error:
                name = str(error.name).partition('.')[0]
                if name in PLATFORM:
                    missing.append(name)
                else:
                    faults.append('%s: %s: %s' % (
                        entry.group, entry.value, error))
            except Exception as error:  # whatever foreign code raises
                faults.append('%s: %s: %s: %s' % (
                    entry.group, entry.value, type(error).__name__, error))
    print('\n' + json.dumps([faults, sorted(set(missing))]))


main(*sys.argv[1:])
