# SPDX-License-Identifier: Apache-2.0
"""The definitions of the policies follow the application."""

import json

from tests.e2e.conftest import policy

CRD = 'imagepolicies.portieris.cloud.ibm.com'
ENTRY = ('/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/'
         'repositories/items/properties')


def knows_mode(platform):
    """Tell whether the API server knows what only newer policies have."""
    definition = json.loads(platform.kubectl('get', 'crd', CRD, '-o', 'json'))
    for step in ENTRY.strip('/').split('/'):
        definition = definition[int(step) if step.isdigit() else step]
    return 'mode' in definition


def test_apply_brings_older_definitions_up_to_date_and_keeps_the_policies(
        protected, namespace):
    protected.apply(policy(namespace, {'name': '*', 'policy': {}}))
    before = protected.get('imagepolicy', 'team', namespace)['metadata']
    protected.kubectl('patch', 'crd', CRD, '--type=json', '-p', json.dumps(
        [{'op': 'remove', 'path': ENTRY + '/mode'}]))
    assert not knows_mode(protected)

    protected.system('application-apply', 'portieris')

    assert knows_mode(protected)
    after = protected.get('imagepolicy', 'team', namespace)['metadata']
    assert after['uid'] == before['uid']
