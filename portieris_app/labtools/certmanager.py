# SPDX-License-Identifier: Apache-2.0
"""The manifest of cert-manager, rendered from its own chart.

The chart and the definitions come with the Go module of cert-manager. Only
the images differ: they hold the controllers that the lab compiled.
"""

import glob
import hashlib
import json
import os
import shutil
import subprocess
import tempfile

from portieris_app.errors import Failure
from portieris_app.labtools import binaries
from portieris_app import progress

MODULE = 'github.com/cert-manager/cert-manager'
NAMESPACE = 'cert-manager'
TEMPLATES = ('serviceaccount', 'rbac', 'deployment',
             'cainjector-serviceaccount', 'cainjector-rbac',
             'cainjector-deployment')
VALUES = {
    'image.repository': 'lab.local/cert-manager-controller',
    'image.tag': 'lab',
    'cainjector.image.repository': 'lab.local/cert-manager-cainjector',
    'cainjector.image.tag': 'lab',
    'startupapicheck.enabled': 'false',
    'prometheus.enabled': 'false',
}


def manifest(root):
    """Render the manifest if needed and return its path."""
    path = os.path.join(root, 'build', 'lab', 'cert-manager.yaml')
    stamp = os.path.join(root, 'build', 'lab', 'cert-manager.stamp')
    digest = digest_of(root)
    try:
        with open(stamp, encoding='ascii') as old:
            if old.read() == digest and os.path.exists(path):
                return path
    except OSError:
        pass
    with progress.step('render cert-manager'):
        text = render(root)
    binaries.drop_stamp(stamp)
    with open(path, 'w', encoding='utf-8') as new:
        new.write(text)
    binaries.write_stamp(stamp, digest)
    return path


def digest_of(root):
    digest = hashlib.sha256()
    for path in (os.path.join(root, 'lab', 'go.mod'), __file__):
        with open(path, 'rb') as source:
            digest.update(source.read())
    return digest.hexdigest()


def render(root):
    module = json.loads(output(['go', 'mod', 'download', '-json', MODULE],
                               cwd=os.path.join(root, 'lab')))
    deploy = os.path.join(module['Dir'], 'deploy')
    parts = ['apiVersion: v1\nkind: Namespace\nmetadata:\n  name: %s\n' %
             NAMESPACE]
    for crd in sorted(glob.glob(os.path.join(deploy, 'crds', '*.yaml'))):
        with open(crd, encoding='utf-8') as source:
            parts.append(source.read())
    with tempfile.TemporaryDirectory() as scratch:
        chart = os.path.join(scratch, 'chart')
        shutil.copytree(os.path.join(deploy, 'charts', 'cert-manager'),
                        chart, copy_function=shutil.copyfile)
        name_chart(chart, module['Version'])
        command = [os.path.join(root, 'build', 'bin', 'helm'), 'template',
                   'cert-manager', chart, '--namespace', NAMESPACE,
                   '--kube-version', binaries.KUBERNETES]
        for template in TEMPLATES:
            command += ['--show-only', 'templates/%s.yaml' % template]
        for key, value in VALUES.items():
            command += ['--set', '%s=%s' % (key, value)]
        parts.append(output(command))
    return '---\n'.join(parts)


def name_chart(chart, version):
    """Give the chart the version that its release tool would."""
    with open(os.path.join(chart, 'Chart.template.yaml'),
              encoding='utf-8') as source:
        text = source.read()
    text = text.replace('v0.0.0', version)
    text = text.replace('{{IS_PRERELEASE}}', 'false')
    with open(os.path.join(chart, 'Chart.yaml'), 'w',
              encoding='utf-8') as new:
        new.write(text)


def output(command, cwd=None):
    try:
        return subprocess.run(command, cwd=cwd, check=True, text=True,
                              capture_output=True).stdout
    except OSError as error:
        raise Failure('Rendering cert-manager: cannot start %s: %s.' % (
            command[0], error.strerror)) from error
    except subprocess.CalledProcessError as error:
        raise Failure('Rendering cert-manager: %s failed: %s' % (
            command[0], error.stderr.strip())) from error
