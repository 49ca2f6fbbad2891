# SPDX-License-Identifier: Apache-2.0
"""Kubernetes objects that several tests make."""


def pull_secret(lab, name, password=None):
    """Credentials of the lab's registry, or wrong ones."""
    env = lab.environment()
    with open(env['dockerConfig'], encoding='utf-8') as file:
        text = file.read()
    if password is not None:
        text = '{"auths": {"%s": {"username": "%s", "password": "%s"}}}' % (
            env['registry'], env['registryUser'], password)
    return {'apiVersion': 'v1', 'kind': 'Secret',
            'metadata': {'name': name},
            'type': 'kubernetes.io/dockerconfigjson',
            'stringData': {'.dockerconfigjson': text}}


def pod(name, image, secret=None, **spec):
    """A pod of one container that always asks the registry."""
    spec['containers'] = [{'name': 'main', 'image': image,
                           'imagePullPolicy': 'Always'}]
    if secret:
        spec['imagePullSecrets'] = [{'name': secret}]
    return {'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'name': name},
            'spec': spec}
