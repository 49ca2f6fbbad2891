# SPDX-License-Identifier: Apache-2.0
import base64
import copy
import errno
import gzip
import hashlib
import io
import json
import random
import tarfile
import zipfile

import pytest
import yaml

from portieris_app import checkout
from portieris_app import cli
from portieris_app import packing
from portieris_app import verify
from portieris_app.verifying import package as packages
from portieris_app.verifying import plugins
from portieris_app.verifying import rendering

METADATA = 'metadata.yaml'
ARMADA = 'portieris-manifest.yaml'
KUSTOMIZATION = 'fluxcd-manifests/kustomization.yaml'
REPOSITORY = 'fluxcd-manifests/base/helmrepository.yaml'
RELEASE = 'fluxcd-manifests/portieris/helmrelease.yaml'
RELEASE_KUSTOMIZATION = 'fluxcd-manifests/portieris/kustomization.yaml'
STATIC = 'fluxcd-manifests/portieris/portieris-static-overrides.yaml'
SYSTEM = 'fluxcd-manifests/portieris/portieris-system-overrides.yaml'
CHART = 'charts/portieris-2.0.1.tgz'
WHEEL = 'plugins/k8sapp_portieris-2.0.1-py2.py3-none-any.whl'
INFO = 'k8sapp_portieris-2.0.1.dist-info/'


@pytest.fixture
def files(built):
    """Return the files of a sound tarball, to be spoilt."""
    return dict(packages.Package(str(built.tarball)).files)


def write(folder, files, name='portieris-2.0-1.tgz', sealed=True):
    """Pack files into a tarball, with checksums that match when sealed."""
    if sealed:
        files['checksum.md5'] = ''.join('%s  ./%s\n' % (
            hashlib.md5(content).hexdigest(), path)
            for path, content in sorted(files.items())
            if path != 'checksum.md5').encode()
    order = sorted(files, key=lambda path: (path != METADATA, path))
    path = folder / name
    path.write_bytes(packing.tgz(
        [('./' + one, files[one], 0o644) for one in order], 0))
    return str(path)


def failures(path, **options):
    return {name: detail for name, status, detail
            in verify.verify(path, **options) if status == 'FAIL'}


def replace(name, old, new):
    def change(files):
        text = files[name].decode()
        assert old in text
        files[name] = text.replace(old, new).encode()
    return change


def swap(name, one, other):
    def change(files):
        files[name] = files[name].replace(one, b'?').replace(
            other, one).replace(b'?', other)
    return change


def append(name, text):
    def change(files):
        files[name] += text.encode()
    return change


def put(name, content=b'x'):
    def change(files):
        files[name] = content
    return change


def drop(name):
    def change(files):
        del files[name]
    return change


def in_chart(name, old, new):
    """Change a file of the chart, or add it when ``old`` is None."""
    def change(files):
        inside = {member.path: member.content
                  for member in packages.unpack(files[CHART])}
        text = inside.get('portieris/' + name, b'').decode()
        assert old is None or old in text
        inside['portieris/' + name] = (
            text.replace(old, new) if old else text + new).encode()
        files[CHART] = packing.tgz(
            [(path, content, 0o644) for path, content in inside.items()], 0)
    return change


def in_wheel(edit, recorded=True):
    """Change the files of the wheel; keep RECORD true when recorded."""
    def change(files):
        inside = packages.unzip(files[WHEEL])
        edit(inside)
        if recorded:
            inside[INFO + 'RECORD'] = ''.join(
                '%s,sha256=%s,%d\n' % (name, base64.urlsafe_b64encode(
                    hashlib.sha256(content).digest()).rstrip(b'=').decode(),
                    len(content))
                for name, content in inside.items()
                if name != INFO + 'RECORD').encode() + (
                    INFO + 'RECORD,,\n').encode()
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, 'w', zipfile.ZIP_DEFLATED) as wheel:
            for name, content in inside.items():
                wheel.writestr(name, content)
        files[WHEEL] = packed.getvalue()
    return change


def entry_points(old, new):
    return in_wheel(replace(INFO + 'entry_points.txt', old, new))


def test_tarball_that_build_makes_is_sound(built):
    results = verify.verify(str(built.tarball))

    assert [result for result in results if result[1] == 'FAIL'] == []
    assert [name for name, _, _ in results] == [
        name for name, _ in verify.CHECKS]


def test_repacked_files_alone_are_no_fault(files, tmp_path):
    assert failures(write(tmp_path, files)) == {}


def together(*changes):
    def change(files):
        for one in changes:
            one(files)
    return change


BARE_CHART = packing.tgz([('portieris/Chart.yaml', b'apiVersion: v1\n'
                           b'name: portieris\nversion: 2.0.1\n', 0o644)], 0)
FAULTS = [
    ('metadata', replace(METADATA, 'app_version: "2.0-1"',
                         'app_version: "2.0.1"'), 'not "X.Y-Z"'),
    ('metadata', replace(METADATA, 'app_name: portieris', 'app_nam: x'),
     'app_name is missing'),
    ('metadata', replace(METADATA, 'minimum: "v1.18.1"', 'maximum: "v1.2.3"'),
     'supported_k8s_version.minimum is missing'),
    ('metadata', replace(METADATA, '"v1.18.1"', '1.18'),
     'supported_k8s_version.minimum is 1.18, not of the form'),
    ('metadata', replace(METADATA, 'helm_repo: stx-platform',
                         'helm_repo: mine'), 'helm_repo is mine'),
    ('metadata', append(METADATA, '\nbehavior:\n'
                        '  platform_managed_app: no\n'),
     'leave the key out'),
    ('metadata', append(METADATA, '\nbehavior:\n  evaluate_reapply:\n'
                        '    triggers:\n    - type: full-moon\n'),
     'no trigger is called full-moon'),
    ('metadata', append(METADATA, '\nsupported_releases:\n'
                        '  "22.12": [A]\n'), 'supported_releases.22.12'),
    ('metadata', append(METADATA, '\nk8s_upgrades:\n  timing: pre\n'),
     'k8s_upgrades needs auto_update'),
    ('metadata', append(METADATA, '\nclass: first\n'), 'class is none of'),
    ('metadata', append(METADATA, '\nsupported_releases:\n'
                        '  22.12: []\n'), 'supported_releases.22.12'),
    ('metadata', append(METADATA, '\npatch_dependencies: A\n'),
     'patch_dependencies is not a list'),
    ('metadata', replace(METADATA, 'auto_update: true', 'auto_update: soon'),
     'upgrades.auto_update is neither'),
    ('metadata', replace(METADATA, 'auto_update: true',
                         'update_failure_no_rollback: maybe'),
     'upgrades.update_failure_no_rollback is neither'),
    ('metadata', replace(METADATA, 'auto_update: true', 'from_versions: []'),
     'upgrades.from_versions is empty'),
    ('metadata', replace(METADATA, 'auto_update: true',
                         'from_versions: [1.0]'),
     'upgrades.from_versions is not a list of strings'),
    ('metadata', replace(METADATA, 'upgrades:\n  auto_update: true',
                         'upgrades: true'), 'upgrades is not a mapping'),
    ('metadata', append(METADATA, '\ndowngrades:\n  auto_downgrade: if\n'),
     'downgrades.auto_downgrade is neither'),
    ('metadata', append(METADATA, '\nk8s_upgrades:\n  timing: during\n'
                        '  auto_update: true\n'),
     'k8s_upgrades needs auto_update and timing'),
    ('metadata', append(METADATA, '\nk8s_upgrades:\n  timing: pre\n'
                        '  auto_update: perhaps\n'),
     'k8s_upgrades.auto_update is neither'),
    ('metadata', append(METADATA, '\nbehavior:\n  desired_state: gone\n'),
     'behavior.desired_state is neither'),
    ('metadata', append(METADATA, '\nbehavior:\n'
                        '  forbidden_manual_operations: remove\n'),
     'behavior.forbidden_manual_operations is not a list'),
    ('metadata', append(METADATA, '\napply_progress_adjust: -1\n'),
     'apply_progress_adjust is no number'),
    ('metadata', append(METADATA, '\napply_progress_adjust: yes\n'),
     'apply_progress_adjust is no number'),
    ('metadata', append(METADATA, '\ndisabled_charts: portieris\n'),
     'disabled_charts is not a list'),
    ('metadata', replace(METADATA, 'maintain_user_overrides: true',
                         'maintain_user_overrides: often'),
     'maintain_user_overrides is neither'),
    ('metadata', replace(METADATA, 'maintain_attributes: true',
                         'maintain_attributes: often'),
     'maintain_attributes is neither'),
    ('metadata', replace(METADATA, '- name: cert-manager', '- nam: cert'),
     'dependent_apps: an entry has no name'),
    ('metadata', replace(
        METADATA, 'dependent_apps:', 'dependent_apps:\n'
        '  - [{name: a, version: "1", action: warn}]'),
     'dependent_apps: alternatives need two entries'),
    ('metadata', replace(
        METADATA, 'dependent_apps:', 'dependent_apps:\n'
        '  - [{name: a, version: "1", action: warn}, {name: b, version: "1"}]'
    ), 'the action of b is none of'),
    ('metadata', replace(METADATA, "dependent_apps:\n  - name",
                         'dependent_apps:\n    name'),
     'dependent_apps is not a list'),
    ('metadata', replace(METADATA, 'action: apply', 'action: panic'),
     'the action of cert-manager is none of'),
    ('metadata', replace(METADATA, r"'\d+\.\d+-\d+'", "'('"),
     'the version of cert-manager is no regular expression'),
    ('metadata', put(METADATA, b'- a list\n'), 'is not a YAML mapping'),
    ('metadata', put(METADATA, b'\xff\xfe'), 'metadata.yaml is not YAML'),
    ('metadata', put(METADATA, b'{a: ' * 5000), 'metadata.yaml is not YAML'),
    ('metadata', put(METADATA, b'a: &a [1]\nb: [*a, *a]\n'),
     'uses YAML aliases'),
    ('file name', replace(METADATA, '"2.0-1"', '"2.0-2"'),
     'holds the application portieris, version 2.0-2'),
    ('layout', put('images/portieris.tar'), 'refuses to apply'),
    ('layout', put('doc/more.tgz'), 'unpacks every .tgz'),
    ('YAML', put('broken.yaml', b'a: [\n'), 'broken.yaml is not YAML'),
    ('YAML', append(ARMADA, '\n---\n'), 'has an empty document'),
    ('charts', drop(CHART), 'holds no .tgz'),
    ('charts', put(CHART, b'not a chart'), 'not a gzip file'),
    ('charts', put(CHART, packing.tgz(
        [('portieris/values.yaml', b'', 0o644)], 0)),
     'has no portieris/Chart.yaml'),
    ('charts', in_chart('Chart.yaml', 'version: 2.0.1', 'version: 2.0.3'),
     'holds the chart portieris-2.0.3.tgz'),
    ('charts', in_chart('Chart.yaml', 'apiVersion: v1', 'apiVersion: v2'),
     'apiVersion is not v1'),
    ('helm lint', in_chart('templates/broken.yaml', None, '{{ .Values.'),
     'helm refuses it'),
    ('armada manifest, 5.0 to 8.0', drop(ARMADA), 'found 0'),
    ('armada manifest, 5.0 to 8.0',
     put('second.yaml', b'schema: armada/Manifest/v1\n'), 'found 2'),
    ('armada manifest, 5.0 to 8.0',
     replace(ARMADA, 'release_prefix: portieris', 'prefix: portieris'),
     'data.release_prefix of the armada manifest is missing'),
    ('armada manifest, 5.0 to 8.0',
     append(ARMADA, '\n---\nschema: armada/Manifest/v1\n'),
     'has more than one Manifest'),
    ('armada manifest, 5.0 to 8.0',
     replace(ARMADA, '- portieris-chart', ''), 'installs no chart'),
    ('armada manifest, 5.0 to 8.0',
     replace(ARMADA, 'chart_groups:', 'chart_groups:\n    - missing'),
     'the chart group missing is not defined'),
    ('armada manifest, 5.0 to 8.0',
     replace(ARMADA, 'chart_name: portieris', 'chart: portieris'),
     'has no data.chart_name'),
    ('armada manifest, 5.0 to 8.0',
     replace(ARMADA, '- portieris-chart', '- portieris-charts'),
     'the chart portieris-charts of a chart group is not defined'),
    ('armada manifest, 5.0 to 8.0',
     replace(ARMADA, 'portieris-2.0.1.tgz', 'portieris-2.0.0.tgz'),
     'is portieris-2.0.0.tgz, and charts/ holds portieris-2.0.1.tgz'),
    ('armada manifest, 5.0 to 8.0',
     replace(ARMADA, 'helm_charts/stx-platform', 'helm_charts/starlingx'),
     'taken from the repository starlingx'),
    ('armada manifest, 5.0 to 8.0',
     replace(ARMADA, 'http://172.17.0.1:8080/', 'file:///'),
     'is not http://HOST'),
    ('FluxCD manifests, 7.0 to master', drop(KUSTOMIZATION), 'is missing'),
    ('FluxCD manifests, 7.0 to master',
     append(KUSTOMIZATION, '\n---\na: 1\n'), 'must hold one YAML document'),
    ('FluxCD manifests, 7.0 to master',
     replace(KUSTOMIZATION, 'namespace: portieris', 'nameprefix: x'),
     'names no namespace'),
    ('FluxCD manifests, 7.0 to master',
     replace(KUSTOMIZATION, '- base', '- ./portieris'), 'does not list base'),
    ('FluxCD manifests, 7.0 to master',
     replace(REPOSITORY, 'helm_charts/stx-platform', 'helm_charts/mine'),
     'does not end in starlingx or stx-platform'),
    ('FluxCD manifests, 7.0 to master',
     replace(REPOSITORY, 'helm_charts/stx-platform', 'helm_charts/starlingx'),
     'metadata.yaml names another helm_repo'),
    ('FluxCD manifests, 7.0 to master',
     replace(REPOSITORY, 'kind: HelmRepository', 'kind: GitRepository'),
     'does not begin with the HelmRepository'),
    ('FluxCD manifests, 7.0 to master', drop(RELEASE), 'is missing'),
    ('FluxCD manifests, 7.0 to master', drop(SYSTEM),
     'the platform writes the overrides there'),
    ('FluxCD manifests, 7.0 to master',
     replace(RELEASE, 'valuesKey: portieris-static-overrides.yaml',
             'valuesKey: portieris-static.yaml'),
     'valuesKey ends in -static-overrides.yaml'),
    ('FluxCD manifests, 7.0 to master',
     swap(RELEASE, b'portieris-static-', b'portieris-system-'),
     'must list static before system overrides'),
    ('FluxCD manifests, 7.0 to master',
     replace(RELEASE, 'version: 2.0.1', 'version: 2.0'),
     'spec.chart.spec.version is missing or no text'),
    ('chart versions', replace(RELEASE, 'version: 2.0.1', 'version: 2.0.0'),
     'asks for portieris-2.0.0, and charts/ holds portieris-2.0.1'),
    ('chart versions',
     replace(RELEASE, 'releaseName: portieris-portieris',
             'releaseName: portieris'),
     'FluxCD makes the release portieris and armada portieris-portieris'),
    ('kustomization', replace(RELEASE_KUSTOMIZATION, '- helmrelease.yaml',
                              '- https://example.com/x.yaml'),
     'https://example.com/x.yaml is not in the tarball'),
    ('kustomization', replace(RELEASE_KUSTOMIZATION, 'secretGenerator',
                              'secretGeneratr'), 'refuses it'),
    ('kustomization', replace(RELEASE_KUSTOMIZATION,
                              'disableNameSuffixHash: true',
                              'disableNameSuffixHash: false'),
     'kustomize makes no Secret portieris-static-overrides'),
    ('kustomization', append(KUSTOMIZATION,
                             '\ncommonLabels:\n  a: b\n'),
     'take any word for a failure'),
    ('wheels', drop(WHEEL), 'plugins/ holds no wheel'),
    ('wheels', put(WHEEL, b'PK not a wheel'), 'is not a sound wheel'),
    ('wheels', put('plugins/other-1-py3-none-any.whl',
                   b'PK\5\6' + bytes(18)),
     'is not NAME-VERSION-py2.py3-none-any.whl'),
    ('wheels', in_wheel(put('stray/__init__.py')), 'the platform expects'),
    ('wheels', in_wheel(put('k8sapp_portieris/fast.so')), 'machine code'),
    ('wheels', in_wheel(drop(INFO + 'RECORD'), recorded=False),
     'has no RECORD'),
    ('wheels', in_wheel(append('k8sapp_portieris/__init__.py', '\n#'),
                        recorded=False), 'does not match RECORD'),
    ('wheels', in_wheel(put('k8sapp_portieris/late.py'), recorded=False),
     'RECORD does not list k8sapp_portieris/late.py'),
    ('entry points', entry_points('001_portieris', 'portieris'),
     'does not begin with NNN_'),
    ('entry points', entry_points('001_portieris', '001_portiere'),
     'has no plugin of this name'),
    ('entry points', entry_points('[systemconfig.app_lifecycle]',
                                  '[console_scripts]'),
     'console_scripts: from 12.0 on the platform calls every entry point'),
    ('entry points', entry_points('portieris = systemconfig.helm_plugins',
                                  'portiere = systemconfig.helm_plugins'),
     'does not say portieris = systemconfig.helm_plugins.portieris'),
    ('entry points', entry_points('portieris = k8sapp_portieris.lifecycle',
                                  'portiere = k8sapp_portieris.lifecycle'),
     'systemconfig.app_lifecycle names portiere, not portieris'),
    ('entry points', in_wheel(put(INFO + 'entry_points.txt', b'[a\nb')),
     'cannot be read'),
    ('plugin classes', entry_points(':PortierisHelm', ''),
     'is no MODULE:CLASS'),
    ('plugin classes', entry_points(':PortierisHelm', ':PortiereHelm'),
     'there is no such class'),
    ('plugin classes', entry_points('helm.portieris:', 'helm.portiere:'),
     'there is no such class'),
    ('plugin classes', in_wheel(append('k8sapp_portieris/helm/portieris.py',
                                       '\nimport no_such_module\n')),
     "No module named 'no_such_module'"),
    ('plugin classes', in_wheel(append('k8sapp_portieris/helm/portieris.py',
                                       '\nraise SystemExit\n')),
     'loading the entry points ended with 0'),
    ('images', replace(STATIC, 'portieris: docker.io/starlingx/portieris',
                       'portieris: portieris'), 'not REGISTRY/NAME:TAG'),
    ('images', together(put(CHART, BARE_CHART),
                        replace(STATIC, 'tags:', 'none:')),
     'images.tags names no image'),
    ('images', in_chart('values.yaml', None, '\nextra:\n  image:\n'
                        '    image: b\n    tag: c\n'),
     'extra.image holds another image'),
    ('images', replace(ARMADA, 'docker.io/starlingx/portieris:',
                       'docker.io/other/portieris:'), 'lists other images'),
    ('images', append(STATIC, '\nextra:\n  image:\n    host: a\n'
                      '    image: b\n    tag: c\n'),
     'extra.image holds another image'),
    ('rendered pods', put(CHART, BARE_CHART), 'the chart renders no pod'),
    ('rendered pods', in_chart(
        'templates/extra.yaml', None, 'apiVersion: v1\nkind: Pod\n'
        'metadata: {name: extra}\nspec:\n'
        '  imagePullSecrets: [{name: default-registry-key}]\n'
        '  containers: [{name: a, image: "docker.io/other/tool:1"}]\n'),
     'Pod/extra runs docker.io/other/tool:1, which images.tags does not'),
    ('rendered pods', in_chart(
        'templates/extra.yaml', None, 'apiVersion: batch/v1\nkind: CronJob\n'
        'metadata: {name: extra}\nspec: {jobTemplate: {spec: {template: '
        '{spec: {containers: [{name: a, image: '
        '{{ .Values.images.tags.portieris | quote }}}]}}}}}\n'),
     'CronJob/extra does not name the pull secret'),
]


@pytest.mark.parametrize(
    'check, spoil, sentence',
    [pytest.param(*fault, id='%d %s' % (number, fault[0]))
     for number, fault in enumerate(FAULTS)])
def test_fault_is_found_by_its_check(files, tmp_path, check, spoil,
                                     sentence):
    spoil(files)
    package = packages.Package(write(tmp_path, files))

    status, detail = verify.outcome(dict(verify.CHECKS)[check], package)

    assert status == 'FAIL'
    assert sentence in detail


@pytest.mark.parametrize('spoil, sentence', [
    (append(STATIC, '# later\n'),
     STATIC + ' does not match its checksum'),
    (drop(SYSTEM), SYSTEM + ' is listed and not there'),
    (put('plugins/other.whl'), 'plugins/other.whl has no checksum'),
    (put('checksum.md5', b'what?\n'), 'a line that is no checksum: what?'),
    (drop('checksum.md5'), 'expected one checksum.md5 at the top'),
    (put('other.md5'), 'found checksum.md5, other.md5'),
])
def test_tampering_breaks_the_checksums(files, tmp_path, spoil, sentence):
    spoil(files)

    path = write(tmp_path, files, sealed=False)

    assert sentence in failures(path)['checksums']


@pytest.mark.parametrize('name', [
    'portieris.tgz', 'portieris-2.0.1.tgz', 'portieris-2.0-1.zip',
    'portieris-2.0-2.tgz', 'other-2.0-1.tgz'])
def test_file_name_must_say_name_and_version(files, tmp_path, name):
    assert 'file name' in failures(write(tmp_path, files, name))


def test_order_that_hides_the_metadata_is_found(files, tmp_path):
    path = tmp_path / 'portieris-2.0-1.tgz'
    path.write_bytes(packing.tgz(
        [(name, content, 0o644) for name, content in files.items()][::-1],
        0))

    faults = failures(str(path))['layout']

    assert 'the first member is' in faults
    assert 'member metadata.yaml has no ./ in front' in faults


def damaged(content, position):
    """Return a gzipped tar with a damaged header."""
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        offset = archive.getmembers()[position].offset
    inner = bytearray(gzip.decompress(content))
    inner[offset + 2] ^= 0xff
    return gzip.compress(bytes(inner))


def tar_of(*entries):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode='w:gz') as archive:
        for name, kind in entries:
            entry = tarfile.TarInfo(name)
            entry.type = kind
            entry.linkname = '/etc/passwd'
            archive.addfile(entry)
    return packed.getvalue()


@pytest.mark.parametrize('make, sentence', [
    (lambda good: b'', 'the file is empty'),
    (lambda good: b'hello', 'not a gzip file'),
    (lambda good: good[:-4], 'truncated'),
    (lambda good: good[:len(good) // 2], 'truncated'),
    (lambda good: good[:3], 'truncated'),
    (lambda good: good[:500] + b'?' * 50 + good[550:], 'damaged'),
    (lambda good: gzip.compress(b'garbage ' * 500), 'not a sound tar'),
    (lambda good: gzip.compress(b''), 'not a sound tar'),
    (lambda good: gzip.compress(bytes(10240)), 'no members'),
    (lambda good: damaged(good, 0), 'not a sound tar'),
    (lambda good: damaged(good, 5), 'it is damaged'),
    (lambda good: tar_of(('/etc/passwd', tarfile.REGTYPE)), 'absolute'),
    (lambda good: tar_of(('./../up', tarfile.REGTYPE)),
     'leads out of the archive'),
    (lambda good: tar_of(('./link', tarfile.SYMTYPE)),
     'neither a plain file nor a folder'),
    (lambda good: tar_of(('./link', tarfile.LNKTYPE)),
     'neither a plain file nor a folder'),
    (lambda good: tar_of(('./device', tarfile.CHRTYPE)),
     'neither a plain file nor a folder'),
    (lambda good: tar_of(('./a', tarfile.REGTYPE), ('a', tarfile.REGTYPE)),
     'twice in the archive'),
])
def test_what_is_no_sound_archive_gives_one_sentence(built, tmp_path, make,
                                                     sentence):
    path = tmp_path / 'portieris-2.0-1.tgz'
    path.write_bytes(make(built.tarball.read_bytes()))

    (check, status, detail), = verify.verify(str(path))

    assert (check, status) == ('archive', 'FAIL')
    assert sentence in detail
    assert '\n' not in detail


def test_foreign_tarball_is_called_no_application(tmp_path):
    path = tmp_path / 'vacation-2.0-1.tgz'
    path.write_bytes(tar_of(('./beach.jpg', tarfile.REGTYPE)))

    assert 'this is no StarlingX application' in failures(
        str(path))['metadata']


@pytest.mark.parametrize('name, sentence', [
    ('nowhere.tgz', 'No such file or directory'),
    ('', 'is not a file'),
    ('a\0b', 'cannot read')])
def test_path_that_is_no_file_gives_a_sentence(tmp_path, name, sentence):
    (_, status, detail), = verify.verify(str(tmp_path / name))

    assert status == 'FAIL'
    assert sentence in detail


def test_bomb_is_not_unpacked(built, tmp_path, monkeypatch):
    monkeypatch.setattr(packages, 'MAX_UNPACKED', 1 << 20)
    path = tmp_path / 'portieris-2.0-1.tgz'
    path.write_bytes(gzip.compress(bytes(5 << 20)))

    assert 'unpacks to more than 1 MiB' in failures(str(path))['archive']


@pytest.mark.parametrize('bomb, limit', [
    ({'k8sapp_portieris/zeros.py': bytes(5 << 20)}, 'MAX_UNPACKED'),
    ({'k8sapp_portieris/%d.py' % number: b'' for number in range(500)},
     'MAX_MEMBERS')])
def test_bomb_in_the_wheel_is_not_unpacked(files, tmp_path, monkeypatch,
                                           bomb, limit):
    in_wheel(lambda inside: inside.update(bomb))(files)
    path = write(tmp_path, files)
    assert failures(path, no_code=True) == {}

    monkeypatch.setattr(packages, limit,
                        {'MAX_UNPACKED': 4 << 20, 'MAX_MEMBERS': 400}[limit])

    assert 'it unpacks to more than' in failures(path)['wheels']


@pytest.mark.parametrize('limit, sentence', [
    ('MAX_PACKED', 'the file is larger than 0 MiB'),
    ('MAX_MEMBERS', 'more than 10 members')])
def test_tarball_beyond_what_an_application_needs_is_not_read(
        built, monkeypatch, limit, sentence):
    monkeypatch.setattr(packages, limit, 10)

    assert sentence in failures(str(built.tarball))['archive']


def test_tool_that_hangs_is_given_up(files, tmp_path, monkeypatch):
    monkeypatch.setattr(rendering, 'SECONDS', 0.01)
    tool = tmp_path / 'helm'
    tool.write_text('#!/bin/sh\nexec sleep 60\n')
    tool.chmod(0o755)
    monkeypatch.setattr(checkout, 'helm', lambda: [str(tool)])

    assert failures(write(tmp_path, files), no_code=True)['helm lint'] == \
        'helm gave no answer in 0 s'


def test_plugin_that_hangs_is_given_up(files, tmp_path, monkeypatch):
    monkeypatch.setattr(plugins, 'SECONDS', 0.01)

    assert 'did not load in 0 s' in failures(
        write(tmp_path, files))['plugin classes']


def test_full_disk_is_no_fault_of_the_tarball(built, monkeypatch, capsys):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(packages.os, 'makedirs', full)

    assert cli.main(['verify', str(built.tarball)]) == 1

    said = capsys.readouterr()
    assert 'FAIL' not in said.out
    assert 'No space left on device. Make room there' in said.err


def test_code_of_the_tarball_can_be_left_alone(files, tmp_path):
    mark = tmp_path / 'was here'
    in_wheel(append('k8sapp_portieris/__init__.py',
                    '\nopen(%r, "w").close()\n' % str(mark)))(files)
    path = write(tmp_path, files)

    assert failures(path, no_code=True) == {}
    assert not mark.exists()
    verify.verify(path)
    assert mark.exists()


def test_name_that_is_an_option_is_no_option_for_helm(files, tmp_path):
    mark = tmp_path / 'was here'
    program = tmp_path / 'program'
    program.write_text('#!/bin/sh\ntouch "%s"\ncat\n' % mark)
    program.chmod(0o755)
    replace(RELEASE, 'releaseName: portieris-portieris',
            'releaseName: --post-renderer=%s' % program)(files)

    assert 'helm refuses it' in failures(
        write(tmp_path, files), no_code=True)['rendered pods']
    assert not mark.exists()


@pytest.mark.parametrize('text', ['"a\\0b"', '"\\ud800"', '"\\n-x"'])
def test_name_that_no_tool_takes_gives_a_sentence(files, tmp_path, text):
    replace(RELEASE, 'releaseName: portieris-portieris',
            'releaseName: ' + text)(files)

    assert failures(write(tmp_path, files))['rendered pods']


def test_file_in_the_place_of_a_folder_gives_a_sentence(files, tmp_path):
    put('charts')(files)

    assert 'cannot be unpacked' in failures(
        write(tmp_path, files))['kustomization']


def test_missing_tools_are_shown_and_no_failure(built, monkeypatch):
    monkeypatch.setattr(checkout, 'helm', lambda: None)
    monkeypatch.setattr(checkout, 'kubectl', lambda: None)

    results = verify.verify(str(built.tarball))

    assert {name for name, status, _ in results if status == 'skip'} == {
        'helm lint', 'kustomization', 'rendered pods'}
    assert 'FAIL' not in {status for _, status, _ in results}


def test_missing_platform_module_is_no_fault_of_the_plugin(files, tmp_path,
                                                           monkeypatch):
    path = write(tmp_path, files)
    monkeypatch.setattr(checkout, 'package_parent', lambda: str(tmp_path))
    (tmp_path / 'lab' / 'sysinv' / 'sysinv').mkdir(parents=True)

    detail = dict((name, (status, detail)) for name, status, detail
                  in verify.verify(path))['plugin classes']

    assert detail[0] == 'skip'
    assert 'sysinv' in detail[1]


def test_result_as_json_says_the_same(built, files, tmp_path):
    put('images/x')(files)
    path = write(tmp_path, files)

    done = built.run('verify', path, '-o', 'json')

    result = json.loads(done.stdout)
    assert done.returncode == 1
    assert result['ok'] is False
    assert {one['check'] for one in result['checks']
            if one['status'] == 'FAIL'} == {'layout'}


def test_names_from_the_tarball_cannot_forge_lines(built, tmp_path):
    path = tmp_path / 'portieris-2.0-1.tgz'
    path.write_bytes(tar_of(('./x\nok   archive: fine\x1b[2J',
                             tarfile.REGTYPE)))

    done = built.run('verify', path)

    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 2
    assert '\x1b' not in done.stdout


def nodes(tree, path=()):
    yield path
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from nodes(value, path + (key,))
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from nodes(value, path + (index,))


def set_at(tree, path, value):
    if not path:
        return value
    parent = tree
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    return tree


@pytest.mark.parametrize('value', [
    None, 7, '', 'text', [], ['text'], [None], {}, {1: None}], ids=repr)
def test_any_value_in_any_place_gives_sentences(built, monkeypatch, value):
    monkeypatch.setattr(checkout, 'helm', lambda: None)
    monkeypatch.setattr(checkout, 'kubectl', lambda: None)
    sound = packages.Package(str(built.tarball))
    files = sound.files
    for name in sorted(name for name in files if name.endswith('.yaml')):
        documents = list(yaml.safe_load_all(files[name]))
        for index, document in enumerate(documents):
            for place in nodes(document):
                copies = list(yaml.safe_load_all(files[name]))
                copies[index] = set_at(copies[index], place, value)
                spoilt = dict(files)
                spoilt[name] = yaml.safe_dump_all(copies).encode()
                package = copy.copy(sound)
                package.files = spoilt
                for _, _, detail in verify.judge(package, no_code=True):
                    assert detail


def test_any_damaged_byte_gives_sentences(built, tmp_path, monkeypatch):
    monkeypatch.setattr(checkout, 'helm', lambda: None)
    monkeypatch.setattr(checkout, 'kubectl', lambda: None)
    chance = random.Random(2)
    inner = gzip.decompress(built.tarball.read_bytes())
    path = tmp_path / 'portieris-2.0-1.tgz'
    for _ in range(200):
        spoilt = bytearray(inner)
        for _ in range(chance.randrange(1, 4)):
            spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
        path.write_bytes(gzip.compress(bytes(spoilt), 1))
        for _, _, detail in verify.verify(str(path), no_code=True):
            assert detail
