# SPDX-License-Identifier: Apache-2.0
"""Where things lie in a checkout, and which tools it can use."""

import os
import shutil

from portieris_app.errors import Failure

METADATA = 'stx-portieris-helm/files/metadata.yaml'
CHART = 'stx-portieris-helm/helm-charts/portieris'
PLUGIN = 'python-k8sapp-portieris/k8sapp_portieris'
ARMADA_MANIFEST = 'manifests/armada/portieris-manifest.yaml'
FLUXCD_MANIFESTS = 'manifests/fluxcd/fluxcd-manifests'
ADMISSION = 'admission'
SYSINV_DOUBLE = 'lab/sysinv'


def package_parent():
    return os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def root():
    """Return the checkout that this package, or else the user, is in."""
    for folder in (package_parent(), os.getcwd()):
        if os.path.isfile(os.path.join(folder, METADATA)):
            return folder
    raise Failure(
        'The sources are neither beside this program nor in %s. Run it '
        'from a checkout of portieris-armada-app.' % os.getcwd())


def helm():
    """Return the command of helm, or None."""
    built = os.path.join(package_parent(), 'build', 'bin', 'helm')
    return [built] if os.access(built, os.X_OK) else on_path('helm')


def kubectl():
    """Return the command of kubectl, or None."""
    built = os.path.join(package_parent(), 'build', 'bin', 'kube')
    if os.access(built, os.X_OK):
        return [built, 'kubectl']
    return on_path('kubectl')


def on_path(name):
    found = shutil.which(name)
    return [found] if found else None
