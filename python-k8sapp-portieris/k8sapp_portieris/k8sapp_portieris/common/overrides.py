# SPDX-License-Identifier: Apache-2.0
"""User overrides: YAML text in, values out; edited by a YAML library."""

import yaml

from k8sapp_portieris.common import constants

# Written in C where PyYAML has it: a CA bundle is long.
_Loader = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)

FAILURE_POLICIES = ('Fail', 'Ignore')
MARKER = 'PostUpgradePolicy'
# The marker of an older application when there was no policy to remember.
UNSET = '~'


def load(text):
    """Return the values of ``text``; raise what PyYAML raises."""
    return yaml.load(text or '', Loader=_Loader)


def read(text):
    """Return the values of ``text``, {} if it does not hold any."""
    try:
        values = load(text)
    except (yaml.YAMLError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def text_at(text, key):
    """Return the text below ``key``, None if there is none."""
    value = read(text).get(key)
    return value if value and isinstance(value, (str, type(u''))) else None


def failure_policy(values):
    """Return the failure policy that a user wants between updates.

    An older application wrote "Ignore" into the user's overrides before an
    update and kept what was there under the key PostUpgradePolicy.
    """
    hooks = values.get('webHooks')
    for wanted in (values.get(MARKER),
                   hooks.get('failurePolicy') if isinstance(hooks, dict)
                   else None):
        if wanted == UNSET:
            break
        if wanted in FAILURE_POLICIES:
            return wanted
    return FAILURE_POLICIES[0]


def without_marker(text, live=None):
    """Return the text with the failure policy the marker remembers.

    None means that the text needs no change. A marker written after an
    update that failed remembers what that update had relaxed; ``live``, the
    policy in force, tells.
    """
    values = read(text)
    if values.get(MARKER) not in FAILURE_POLICIES + (UNSET,):
        return None
    policy = values.pop(MARKER)
    if (policy, live) == ('Ignore', 'Fail'):
        policy = UNSET
    hooks = values.pop('webHooks', None)
    hooks = dict(hooks if isinstance(hooks, dict) else {})
    hooks.pop('failurePolicy', None)
    if policy != UNSET:
        hooks['failurePolicy'] = policy
    if hooks:
        values['webHooks'] = hooks
    return yaml.safe_dump(values, default_flow_style=False) if values else ''


def exempt_namespaces(values, default):
    """Return the namespaces that are never judged."""
    given = values.get('exemptNamespaces')
    return [str(each) for each in given] if isinstance(given, list) \
        else list(default)


def component(values):
    """Return on whose CPUs the server runs, as the chart understands it."""
    wanted = values.get(constants.COMPONENT_LABEL)
    return (wanted if wanted == constants.COMPONENT_APPLICATION
            else constants.COMPONENT_PLATFORM)
