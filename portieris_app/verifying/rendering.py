# SPDX-License-Identifier: Apache-2.0
"""What helm and kustomize make of the package, and its images."""

import contextlib
import os
import posixpath
import re
import subprocess
import tempfile

import yaml

from portieris_app import checkout
from portieris_app.verifying import manifests
from portieris_app.verifying import package as tree
from portieris_app.verifying import require
from portieris_app.verifying import Skipped
from portieris_app.verifying import Wrong

SECONDS = 60
KUSTOMIZATIONS = ('kustomization.yaml', 'kustomization.yml', 'Kustomization')
# The keys of a kustomization whose entries may be URLs.
SOURCES = ('resources', 'bases', 'components', 'generators', 'transformers',
           'validators', 'configurations', 'crds')
LOCAL_REGISTRY = 'registry.local:9001/'
PULL_SECRET = 'default-registry-key'
# What the platform takes for an image: a slash, later a tag.
REFERENCE = re.compile(r'/.+:.+$')
# Old enough for every StarlingX, with the APIs that all releases share.
KUBERNETES = '1.29.0'


@contextlib.contextmanager
def unpacked(package):
    with tempfile.TemporaryDirectory(prefix='portieris-app-') as folder:
        package.write(folder)
        yield folder


def ask(command, folder):
    """Run a tool and return its output and its complaints."""
    try:
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=SECONDS,
            env=dict(os.environ, HELM_CACHE_HOME=folder,
                     HELM_CONFIG_HOME=folder, HELM_DATA_HOME=folder,
                     KUBECONFIG=os.devnull))
    except subprocess.TimeoutExpired as error:
        raise Wrong('%s gave no answer in %d s' % (
            os.path.basename(command[0]), SECONDS)) from error
    except ValueError as error:
        raise Wrong('a name in it is none that a tool can be given: %s'
                    % error) from error
    except OSError as error:
        raise Skipped('cannot start %s: %s' % (
            command[0], error.strerror)) from error
    complaint = ' '.join(done.stderr.decode(errors='replace').split())
    if done.returncode:
        raise Wrong('%s refuses it: %s' % (
            os.path.basename(command[0]), complaint[:600] or ' '.join(
                done.stdout.decode(errors='replace').split())[:600]))
    return done.stdout, complaint


def helm():
    command = checkout.helm()
    if not command:
        raise Skipped('needs helm: put one on the PATH; the lab builds one')
    return command


def lint(package):
    names = package.below('charts', '.tgz')
    command = helm()
    with unpacked(package) as folder:
        for name in names:
            package.chart(name)
            ask(command + ['lint', '--strict', name], folder)
    return '%d chart linted' % len(names)


def kustomization(package):
    """It builds, says nothing, and keeps the names the platform knows."""
    command = checkout.kubectl()
    if not command:
        raise Skipped('needs kubectl: put one on the PATH')
    require(list(remote_sources(package)))
    with unpacked(package) as folder:
        output, complaint = ask(
            command + ['kustomize', manifests.FLUXCD], folder)
    faults = []
    if complaint:
        faults.append('kustomize says "%s": 7.0 and 8.0 take any word for a '
                      'failure' % complaint[:300])
    made = {(tree.text(one, 'kind'), tree.text(one, 'metadata', 'name'))
            for one in tree.mappings(tree.documents(output, 'the output'))}
    for _, release in manifests.releases(package):
        wanted = {('HelmRelease', tree.text(release, 'metadata', 'name'))}
        wanted |= {('Secret', tree.text(source, 'name')) for source in
                   tree.mappings(tree.dig(release, 'spec', 'valuesFrom'))}
        for kind, name in sorted(wanted - made):
            faults.append('kustomize makes no %s %s, which the release reads'
                          % (kind, name))
    require(faults)
    return '%d objects' % len(made)


def remote_sources(package):
    """Kustomize would fetch whatever is not in the package."""
    for path in sorted(package.files):
        folder, name = posixpath.split(path)
        if name not in KUSTOMIZATIONS:
            continue
        for document in tree.mappings(package.documents(path)):
            for key in SOURCES:
                for source in tree.strings(document.get(key)):
                    place = posixpath.normpath(
                        posixpath.join(folder, source))
                    if not any(one == place or one.startswith(place + '/')
                               for one in package.files):
                        yield '%s: %s is not in the tarball' % (path, source)


def image_values(package):
    """Return ``{name: reference}`` of images.tags as the release has them.

    The platform finds these, mirrors them and rewrites them in the static
    overrides.
    """
    found = {}
    for values in values_of(package):
        tags = tree.dig(values, 'images', 'tags')
        found.update(tags if isinstance(tags, dict) else {})
    return found


def values_of(package):
    """Return the chart's values and the static overrides."""
    for name in package.below('charts', '.tgz'):
        for path, content in package.chart(name).items():
            if path.count('/') == 1 and path.endswith('/values.yaml'):
                yield (tree.documents(content, path) or [None])[0]
    for folder, _ in manifests.releases(package):
        for name in package.below(folder, '-static-overrides.yaml'):
            yield (package.documents(name) or [None])[0]


def images(package):
    """Every image is one that the platform finds, mirrors and rewrites."""
    found = image_values(package)
    faults = []
    if not found:
        faults.append('images.tags names no image: the platform refuses an '
                      'application without one')
    for name, reference in sorted(found.items(), key=str):
        if not isinstance(reference, str) or \
                not REFERENCE.search(reference):
            faults.append('images.tags.%s is %s, not REGISTRY/NAME:TAG' % (
                name, reference))
    sources = list(values_of(package))
    for chart in manifests.armada_documents(package)['Chart']:
        values = tree.dig(chart, 'data', 'values')
        sources.append(values)
        if tree.dig(values, 'images', 'tags') != found:
            faults.append('the armada chart lists other images than the '
                          'FluxCD release')
    for values in sources:
        faults.extend(misread(values))
    require(list(dict.fromkeys(faults)))
    return ', '.join(map(str, found.values()))


def misread(values, keys=()):
    """Yield shapes that some release's image parser gets wrong."""
    if not isinstance(values, dict):
        return
    for key, value in values.items():
        here = keys + (str(key),)
        if str(key).lower() == 'image' and isinstance(value, dict) and any(
                str(name).lower() == 'image' for name in value):
            yield '%s holds another image: after 12.0 the platform ' \
                'rewrites it into an invalid reference' % '.'.join(here)
        yield from misread(value, here)


def rendered(package):
    """Every rendered pod takes its images from images.tags.

    Renders the chart with the references as the platform writes them, from
    its own registry, so that a reference written into a template is seen.
    """
    command = helm()
    root = package.document(manifests.FLUXCD + '/kustomization.yaml')
    local = {name: LOCAL_REGISTRY + str(reference)
             for name, reference in image_values(package).items()}
    pods = []
    with unpacked(package) as folder:
        rewritten = os.path.join(folder, 'rewritten.yaml')
        with open(rewritten, 'w', encoding='utf-8') as target:
            yaml.safe_dump({'images': {'tags': local}}, target)
        for path, release in manifests.releases(package):
            spec = tree.dig(release, 'spec', 'chart', 'spec')
            options = []
            for name in package.below(path, '-overrides.yaml'):
                options += ['--values', name]
            # A name could be an option: it goes behind the dashes.
            output, _ = ask(
                command + [
                    'template', '--kube-version', KUBERNETES,
                    '--namespace=' + tree.text(root, 'namespace'),
                    *options, '--values', rewritten, '--',
                    tree.text(release, 'spec', 'releaseName'),
                    'charts/%s-%s.tgz' % (tree.text(spec, 'chart'),
                                          tree.text(spec, 'version'))],
                folder)
            pods += pod_specs(tree.documents(output, 'the rendered chart'))
    faults = []
    if not pods:
        faults.append('the chart renders no pod')
    for name, spec, secrets in pods:
        for image in images_of(spec):
            if image not in local.values():
                faults.append('%s runs %s, which images.tags does not list'
                              % (name, image))
        if PULL_SECRET not in secrets:
            faults.append('%s does not name the pull secret %s' % (
                name, PULL_SECRET))
    require(faults)
    return '%d pod, images from images.tags, pull secret named' % len(pods)


def pod_specs(documents):
    """Return ``(name, pod spec, its pull secrets)`` for every pod."""
    objects = tree.mappings(documents)
    accounts = {tree.text(one, 'metadata', 'name'): secret_names(one)
                for one in objects if one.get('kind') == 'ServiceAccount'}
    found = []
    for one in objects:
        for keys in (('spec',), ('spec', 'template', 'spec'),
                     ('spec', 'jobTemplate', 'spec', 'template', 'spec')):
            spec = tree.dig(one, *keys)
            if isinstance(tree.dig(spec, 'containers'), list):
                account = tree.text(spec, 'serviceAccountName')
                secrets = secret_names(spec) | accounts.get(account, set())
                found.append(('%s/%s' % (
                    one.get('kind'), tree.dig(one, 'metadata', 'name')),
                    spec, secrets))
    return found


def secret_names(holder):
    return {tree.text(secret, 'name') for secret in tree.mappings(
        holder.get('imagePullSecrets'))}


def images_of(spec):
    return [container.get('image')
            for kind in ('initContainers', 'containers')
            for container in tree.mappings(spec.get(kind))]
