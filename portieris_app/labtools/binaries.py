# SPDX-License-Identifier: Apache-2.0
"""The lab's own programs, compiled when their sources changed.

A stamp with a digest of the sources stands for a finished build: asking the
Go tool costs seconds, and linking Kubernetes anew costs twenty.
"""

import contextlib
import hashlib
import os

from portieris_app.labtools import packages
from portieris_app import progress

KUBERNETES = 'v1.34.4'
LDFLAGS = ' '.join(
    ['-s', '-w'] + ['-X %s=%s' % pair for pair in (
        ('k8s.io/component-base/version.gitVersion', KUBERNETES),
        ('k8s.io/component-base/version.gitMajor', '1'),
        ('k8s.io/component-base/version.gitMinor', '34'),
        ('k8s.io/client-go/pkg/version.gitVersion', KUBERNETES))])


class Target:
    """Programs that one 'go build' makes from one set of sources."""

    def __init__(self, name, what, module, outputs, package_paths, sources):
        self.name = name
        self.what = what
        self.module = module
        self.outputs = outputs
        self.package_paths = package_paths
        self.sources = sources


TARGETS = [
    Target('platform',
           'compile Kubernetes, cert-manager and Helm (the first time about '
           '8 minutes on two cores)', 'lab',
           ['kube', 'certmanager', 'helm'],
           ['./cmd/kube', './cmd/certmanager', 'helm.sh/helm/v3/cmd/helm'],
           ['lab/go.mod', 'lab/go.sum', 'lab/cmd/kube',
            'lab/cmd/certmanager']),
    Target('labnode', 'compile the lab', 'lab',
           ['labnode', 'pause', 'sample'],
           ['./cmd/labnode', './cmd/pause', './cmd/sample'],
           ['lab/go.mod', 'lab/go.sum', 'lab/internal', 'lab/cmd/labnode',
            'lab/cmd/pause', 'lab/cmd/sample']),
    Target('notary', 'compile the trust server', 'lab/notary',
           ['notary-server'], ['./cmd/notary-server'], ['lab/notary']),
]


def build(root, only=None):
    """Compile what is not up to date; return the folder of the programs."""
    out = os.path.join(root, 'build', 'bin')
    go = packages.go_version()
    for target in TARGETS:
        if only and target.name not in only:
            continue
        digest = digest_of(root, target, go)
        stamp = os.path.join(root, 'build', 'lab', target.name + '.stamp')
        if up_to_date(out, target, stamp, digest):
            continue
        drop_stamp(stamp)
        os.makedirs(out, exist_ok=True)
        progress.run(
            ['go', 'build', '-trimpath', '-ldflags', LDFLAGS,
             '-o', out + os.sep] + target.package_paths,
            target.what,
            os.path.join(root, 'build', 'log', 'go-%s.log' % target.name),
            cwd=os.path.join(root, target.module),
            env=dict(os.environ, CGO_ENABLED='0', GOFLAGS=''))
        write_stamp(stamp, digest)
    return out


def up_to_date(out, target, stamp, digest):
    if not all(os.path.exists(os.path.join(out, name))
               for name in target.outputs):
        return False
    try:
        with open(stamp, encoding='ascii') as old:
            return old.read() == digest
    except OSError:
        return False


def drop_stamp(stamp):
    """Own up that what is there may be of any sources, or half written."""
    with contextlib.suppress(FileNotFoundError):
        os.remove(stamp)


def write_stamp(stamp, digest):
    os.makedirs(os.path.dirname(stamp), exist_ok=True)
    with open(stamp, 'w', encoding='ascii') as new:
        new.write(digest)


def digest_of(root, target, go):
    """Digest all that the programs depend on, tests left out."""
    digest = hashlib.sha256((go + LDFLAGS).encode())
    for source in target.sources:
        for path in sorted(files(os.path.join(root, source))):
            if path.endswith('_test.go'):
                continue
            digest.update(os.path.relpath(path, root).encode() + b'\0')
            with open(path, 'rb') as content:
                digest.update(hashlib.sha256(content.read()).digest())
    return digest.hexdigest()


def files(path):
    if os.path.isfile(path):
        return [path]
    return [os.path.join(folder, name)
            for folder, _, names in os.walk(path) for name in names]
