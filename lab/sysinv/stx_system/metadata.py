# SPDX-License-Identifier: Apache-2.0
"""metadata.yaml: what sysinv reads of it and what it refuses."""

import os
import re

import yaml

from stx_system.errors import Rejected

TRUE_WORDS = ('true', 'yes', 'y', '1')
FALSE_WORDS = ('false', 'no', 'n', '0')
# A version of Kubernetes once its "v" is gone.
KUBE_VERSION = re.compile(r'([0-9][.])([0-9]+[.])?([0-9]+)')
DEPENDENCY_ACTIONS = ('apply', 'error', 'ignore', 'warn')


def read(path):
    """Return the content of a metadata.yaml, or {} when it is empty."""
    try:
        with open(path) as stored:
            content = yaml.safe_load(stored)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Rejected('metadata.yaml does not parse: %s.' % error)
    if not isinstance(content, dict):
        raise Rejected('metadata.yaml holds no keys.')
    return content


def validate(content, release):
    """Refuse what the metadata parser of this release refuses."""
    if not content.get('app_name') or not content.get('app_version'):
        raise Rejected('Invalid metadata.yaml: app_name or/and app_version '
                       'is/are None.')
    if not isinstance(content['app_version'], str):
        raise Rejected('Invalid metadata.yaml: app_version is no string, '
                       'quote it.')
    _validate_kube_versions(content, release)
    _validate_upgrades(content)
    _validate_behavior(content)
    if release.since(9):
        _validate_kube_upgrades(content)
    if release.since(11):
        _validate_dependencies(content)
    for key, since in (('maintain_user_overrides', 0),
                       ('maintain_attributes', 8)):
        if key in content and release.since(since):
            boolean(content, key)


def boolean(section, key, default=False):
    """The truth of a boolstr; anything else is refused."""
    word = str(section.get(key, default)).lower()
    if word not in TRUE_WORDS + FALSE_WORDS:
        raise Rejected('Invalid metadata.yaml: %s is "%s", neither true nor '
                       'false.' % (key, section[key]))
    return word in TRUE_WORDS


def _section(content, key):
    section = content.get(key, {})
    if not isinstance(section, dict):
        raise Rejected('Invalid metadata.yaml: %s should be a dictionary.'
                       % key)
    return section


def _validate_kube_versions(content, release):
    # 10.0 on: the section and its minimum are required.
    section = _section(content, 'supported_k8s_version')
    if release.since(10) and not section.get('minimum'):
        raise Rejected('Minimum supported Kubernetes version not specified '
                       'in metadata.yaml.')
    for bound in ('minimum', 'maximum'):
        version = section.get(bound)
        if version is None:
            continue
        if not (isinstance(version, str)
                and KUBE_VERSION.match(version.lstrip('v'))):
            raise Rejected(
                'Invalid metadata.yaml: supported_k8s_version.%s "%s" is no '
                'Kubernetes version such as "v1.24.4".' % (bound, version))


def _validate_upgrades(content):
    section = _section(content, 'upgrades')
    boolean(section, 'auto_update', True)
    boolean(section, 'update_failure_no_rollback')
    versions = section.get('from_versions', [])
    if not (isinstance(versions, list)
            and all(isinstance(entry, str) for entry in versions)):
        raise Rejected('Invalid metadata.yaml: upgrades.from_versions '
                       'should be a list of strings.')
    boolean(_section(content, 'downgrades'), 'auto_downgrade', True)


def _validate_behavior(content):
    section = _section(content, 'behavior')
    boolean(section, 'platform_managed_app')
    state = section.get('desired_state')
    if state not in (None, 'uploaded', 'applied'):
        raise Rejected('Invalid metadata.yaml: behavior.desired_state "%s" '
                       'is neither uploaded nor applied.' % state)
    operations = section.get('forbidden_manual_operations', [])
    if not isinstance(operations, (list, str)):
        raise Rejected('Invalid metadata.yaml: forbidden_manual_operations '
                       'should be a list.')


def _validate_kube_upgrades(content):
    section = _section(content, 'k8s_upgrades')
    if not section:
        return
    if set(section) != {'auto_update', 'timing'}:
        raise Rejected('Invalid metadata.yaml: k8s_upgrades needs both '
                       'auto_update and timing.')
    boolean(section, 'auto_update')
    if section['timing'] not in ('pre', 'post'):
        raise Rejected('Invalid metadata.yaml: k8s_upgrades.timing is '
                       'neither pre nor post.')


def _validate_dependencies(content):
    entries = content.get('dependent_apps') or []
    if not isinstance(entries, list):
        raise Rejected('Invalid metadata.yaml: dependent_apps should be a '
                       'list.')
    for entry in entries:
        alternatives = entry if isinstance(entry, list) else [entry]
        if isinstance(entry, list) and len(entry) < 2:
            raise Rejected('Invalid metadata.yaml: a list of alternatives '
                           'in dependent_apps needs two or more.')
        for one in alternatives:
            if not (isinstance(one, dict) and one.get('name')
                    and one.get('version')
                    and one.get('action') in DEPENDENCY_ACTIONS):
                raise Rejected(
                    'Invalid metadata.yaml: each of dependent_apps needs '
                    'name, version and an action of %s.'
                    % ', '.join(DEPENDENCY_ACTIONS))


def find(folder):
    """The metadata.yaml in the root of an extracted tarball."""
    path = os.path.join(folder, 'metadata.yaml')
    if not os.path.isfile(path):
        raise Rejected('metadata.yaml is missing.')
    return path


def _version_key(version):
    return [int(part) for part in re.findall(r'\d+', version)[:3]]


def kube_version_fits(content, running):
    """Whether the cluster's version lies in the supported range.

    9.0 on compare without the leading v; so does this on every release.
    """
    section = content.get('supported_k8s_version') or {}
    for bound, good in (('minimum', lambda a, b: a >= b),
                        ('maximum', lambda a, b: a <= b)):
        limit = section.get(bound)
        if limit and not good(_version_key(running), _version_key(limit)):
            return False
    return True
