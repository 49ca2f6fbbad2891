# SPDX-License-Identifier: Apache-2.0
"""Loads the entry points below a folder, in a process of its own.

Arguments: the folder with the unzipped wheels, the folder with sysinv. The
last line of the output is a JSON list of what went wrong.
"""

import importlib.metadata
import json
import sys

# The groups whose classes the platform hands its helm operator.
WITH_OPERATOR = ('systemconfig.helm_plugins.',)


def main(wheels, sysinv):
    sys.path[:1] = [wheels, sysinv]
    faults = []
    for distribution in importlib.metadata.distributions(path=[wheels]):
        for entry in distribution.entry_points:
            if entry.group == 'systemconfig.helm_applications':
                continue
            arguments = [None] if entry.group.startswith(WITH_OPERATOR) \
                else []
            try:
                entry.load()(*arguments)
            except Exception as error:  # whatever foreign code raises
                faults.append('%s: %s: %s: %s' % (
                    entry.group, entry.value, type(error).__name__, error))
    print('\n' + json.dumps(faults))


main(*sys.argv[1:])
