# SPDX-License-Identifier: Apache-2.0
"""What the platform asks of names, members, checksums and metadata."""

import hashlib
import posixpath
import re

from portieris_app.verifying import package as tree
from portieris_app.verifying import require
from portieris_app.verifying import Wrong
from portieris_app import versions

BOOLEANS = ('true', 'false', 'yes', 'no', 'y', 'n', '1', '0')
REPOSITORIES = ('starlingx', 'stx-platform')
K8S_VERSION = re.compile(r'v[0-9]+\.[0-9]+\.[0-9]+')
TRIGGERS = (
    'detected-swact', 'force-lock', 'force-swact', 'force-unlock',
    'force-unsafe-lock', 'host-add', 'host-availability-saved',
    'host-availability-updated', 'host-delete', 'host-label-assign',
    'host-modify', 'host-reinstall', 'kube-upgrade-complete', 'lock',
    'on-demand-reapply', 'runtime-apply-puppet', 'storage-backend-modify',
    'swact', 'system-modify', 'unlock', 'usm-upgrade-complete')
CLASSES = ('critical', 'storage', 'discovery', 'optional', 'reporting')
ACTIONS = ('warn', 'ignore', 'error', 'apply')


def file_name(package):
    found = re.fullmatch(r'([a-z0-9-]+?)-([0-9]+\.[0-9]+-[0-9]+)'
                         r'\.(?:tgz|tar\.gz)', package.name)
    if not found:
        raise Wrong('%s is not NAME-X.Y-Z.tgz, for example '
                    'portieris-2.0-1.tgz' % package.name)
    said = (package.metadata.get('app_name'),
            package.metadata.get('app_version'))
    if said != found.groups():
        raise Wrong('%s holds the application %s, version %s' % (
            (package.name,) + said))
    return '%s, version %s' % found.groups()


def layout(package):
    faults = []
    if package.members[0].name != './metadata.yaml':
        faults.append(
            'the first member is %s, not ./metadata.yaml: the platform would '
            'not update to this bundle (9.0 and later)'
            % package.members[0].name)
    for member in package.members:
        folder = member.path.split('/')[0]
        if not member.name.startswith('./') and member.path != '.':
            faults.append('member %s has no ./ in front' % member.name)
        if folder == 'images':
            faults.append('member %s: the platform refuses to apply an '
                          'application with images in it' % member.name)
        if member.path.endswith('.tgz') and \
                posixpath.dirname(member.path) != 'charts':
            faults.append('member %s: the platform unpacks every .tgz it '
                          'finds' % member.name)
    require(faults)
    return '%d files, metadata.yaml first' % len(package.files)


def checksums(package):
    lists = package.below('', '.md5')
    if lists != ['checksum.md5']:
        raise Wrong('expected one checksum.md5 at the top, found %s' % (
            ', '.join(lists) or 'none'))
    faults, listed = [], set()
    text = package.files['checksum.md5'].decode(errors='replace')
    for line in text.splitlines():
        found = re.fullmatch(r'([0-9a-f]{32}) [ *](.+)', line)
        if not found:
            faults.append('checksum.md5 has a line that is no checksum: %s'
                          % line[:60])
            continue
        name = posixpath.normpath(found.group(2))
        listed.add(name)
        if name not in package.files:
            faults.append('%s is listed and not there' % name)
        elif found.group(1) != hashlib.md5(
                package.files[name], usedforsecurity=False).hexdigest():
            faults.append('%s does not match its checksum' % name)
    for name in sorted(set(package.files) - listed - set(lists)):
        faults.append('%s has no checksum' % name)
    require(faults)
    return '%d files match' % len(listed)


def metadata(package):
    """Every key of every release, held to the strictest of them."""
    known = package.metadata
    faults = []

    def expect(good, sentence):
        if not good:
            faults.append(sentence)

    def section(name):
        value = known.get(name)
        expect(value is None or isinstance(value, dict),
               '%s is not a mapping' % name)
        return value if isinstance(value, dict) else {}

    def boolean(value, name):
        expect(value is None or str(value).lower() in BOOLEANS,
               '%s is neither true nor false' % name)

    def strings(value, name):
        expect(value is None or isinstance(value, list)
               and len(tree.strings(value)) == len(value),
               '%s is not a list of strings' % name)

    expect(isinstance(known.get('app_name'), str) and known['app_name'],
           'app_name is missing')
    version = known.get('app_version')
    expect(isinstance(version, str) and versions.is_app_version(version),
           'app_version is %s, not "X.Y-Z": the platform removes the plugins '
           'of any other version when its conductor starts' % version)

    k8s = section('supported_k8s_version')
    expect('minimum' in k8s, 'supported_k8s_version.minimum is missing '
                             '(required by 10.0 and later)')
    for name, value in k8s.items():
        expect(isinstance(value, str) and K8S_VERSION.fullmatch(value),
               'supported_k8s_version.%s is %s, not of the form "v1.18.1"'
               % (name, value))
    for release, patches in section('supported_releases').items():
        expect(isinstance(release, str) and patches == [],
               'supported_releases.%s must be a quoted name with an empty '
               'list (10.0 and later fail on any other)' % release)
    strings(known.get('patch_dependencies'), 'patch_dependencies')

    upgrades = section('upgrades')
    boolean(upgrades.get('auto_update'), 'upgrades.auto_update')
    boolean(upgrades.get('update_failure_no_rollback'),
            'upgrades.update_failure_no_rollback')
    strings(upgrades.get('from_versions'), 'upgrades.from_versions')
    expect(upgrades.get('from_versions') != [],
           'upgrades.from_versions is empty: after 12.0 no version could be '
           'updated')
    boolean(section('downgrades').get('auto_downgrade'),
            'downgrades.auto_downgrade')
    k8s_upgrades = section('k8s_upgrades')
    if k8s_upgrades:
        expect(set(k8s_upgrades) == {'auto_update', 'timing'}
               and k8s_upgrades['timing'] in ('pre', 'post'),
               'k8s_upgrades needs auto_update and timing (pre or post)')
        boolean(k8s_upgrades.get('auto_update'), 'k8s_upgrades.auto_update')

    behavior = section('behavior')
    managed = str(behavior.get('platform_managed_app', 'true')).lower()
    expect(managed in ('true', 'yes', 'y', '1'),
           'behavior.platform_managed_app is %s: up to 10.0 any value makes '
           'the application managed, so leave the key out' % managed)
    expect(behavior.get('desired_state', 'applied')
           in ('applied', 'uploaded'),
           'behavior.desired_state is neither applied nor uploaded')
    strings(behavior.get('forbidden_manual_operations'),
            'behavior.forbidden_manual_operations')
    for trigger in tree.mappings(
            tree.dig(behavior, 'evaluate_reapply', 'triggers')):
        expect(trigger.get('type') in TRIGGERS,
               'behavior.evaluate_reapply: no trigger is called %s'
               % trigger.get('type'))

    adjust = known.get('apply_progress_adjust', 0)
    expect(type(adjust) is int and adjust >= 0,
           'apply_progress_adjust is no number of charts')
    expect(known.get('helm_repo', 'starlingx') in REPOSITORIES,
           'helm_repo is %s; the platform has %s' % (
               known.get('helm_repo'), ' and '.join(REPOSITORIES)))
    strings(known.get('disabled_charts'), 'disabled_charts')
    boolean(known.get('maintain_user_overrides'), 'maintain_user_overrides')
    boolean(known.get('maintain_attributes'), 'maintain_attributes')
    expect(known.get('class', 'optional') in CLASSES,
           'class is none of %s' % ', '.join(CLASSES))
    faults.extend(dependencies(known.get('dependent_apps', [])))
    require(faults)
    return '%d keys hold for 5.0 to master' % len(known)


def dependencies(apps):
    if not isinstance(apps, list):
        return ['dependent_apps is not a list']
    faults = []
    for app in apps:
        if isinstance(app, list):
            if len(app) < 2:
                faults.append('dependent_apps: alternatives need two entries')
            faults.extend(dependencies(app))
            continue
        name = tree.dig(app, 'name')
        if not isinstance(name, str):
            faults.append('dependent_apps: an entry has no name')
            continue
        try:
            re.compile(tree.dig(app, 'version'))
        except (re.error, TypeError):
            faults.append('dependent_apps: the version of %s is no regular '
                          'expression' % name)
        if tree.dig(app, 'action') not in ACTIONS:
            faults.append('dependent_apps: the action of %s is none of %s' % (
                name, ', '.join(ACTIONS)))
    return faults


def yaml_files(package):
    """YAML that parses, and no empty document where the platform trips."""
    names = sorted(name for name in package.files
                   if name.endswith(('.yaml', '.yml')))
    faults = []
    for name in names:
        try:
            documents = package.documents(name)
        except Wrong as wrong:
            faults.extend(wrong.args)
            continue
        if not posixpath.dirname(name) and None in documents:
            faults.append('%s has an empty document: 4.0 to 8.0 call the '
                          'manifest corrupted' % name)
    require(faults)
    return '%d files parse' % len(names)
