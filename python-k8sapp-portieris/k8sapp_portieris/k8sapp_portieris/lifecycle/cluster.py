# SPDX-License-Identifier: Apache-2.0
"""Objects of the cluster, as dictionaries, by their path in the API.

Paths rather than the classes of the kubernetes client: those differ from
version to version, and the webhook helpers that sysinv builds on them ask
for v1beta1 up to 8.0, which Kubernetes has not had since 1.22. All paths
used here are in every Kubernetes from 1.16 on.
"""

import json
import time

STRATEGIC = 'application/strategic-merge-patch+json'
MERGE = 'application/merge-patch+json'

_NOT_FOUND = 404
_CONFLICT = 409
# Seconds to connect, and to wait for an answer. The client asks four times
# where that does no harm: in all less than the minute for which whoever
# began an apply waits for the checks.
_TIMEOUT = (5, 10)
_TIMEOUT_ONCE = (5, 30)


class Cluster(object):

    def __init__(self, api_client):
        self._api_client = api_client

    def get(self, path):
        """Return the object, or None if there is none."""
        return self._unless(_NOT_FOUND, 'GET', path)

    def items(self, path):
        """Return the objects of a list; an unknown kind has none."""
        return (self.get(path) or {}).get('items') or []

    def create(self, path, body):
        """Create in the list ``path``; one that is there stays as it is."""
        self._unless(_CONFLICT, 'POST', path, body)

    def apply(self, path, body):
        """Create in the list ``path``, or change what is there."""
        own = '%s/%s' % (path, body['metadata']['name'])
        if self.get(own) is None:
            self.create(path, body)
        else:
            self.patch(own, body, MERGE)

    def patch(self, path, change, kind=STRATEGIC):
        return self._call('PATCH', path, change, kind)

    def replace(self, path, body):
        return self._call('PUT', path, body)

    def delete(self, path):
        """Delete; it is no error if there is nothing."""
        self._unless(_NOT_FOUND, 'DELETE', path)

    def _unless(self, status, *call):
        try:
            return self._call(*call)
        except Exception as error:
            # The client's exception; importing it would make the client
            # necessary where none of this runs.
            if getattr(error, 'status', None) != status:
                raise
            return None

    def _call(self, method, path, body=None, content='application/json'):
        settings = {'body': body, 'auth_settings': ['BearerToken'],
                    'header_params': {'Accept': 'application/json',
                                      'Content-Type': content}}
        timeout = _TIMEOUT_ONCE if method in ('POST', 'PATCH') else _TIMEOUT
        client = self._api_client
        if hasattr(client, 'param_serialize'):
            # From 37 on the client is another one.
            answer = client.call_api(
                *client.param_serialize(method, path, **settings),
                _request_timeout=timeout)
            answer.read()
            data = client.response_deserialize(answer, {}).raw_data
        else:
            data = client.call_api(
                path, method, _preload_content=False,
                _return_http_data_only=True, _request_timeout=timeout,
                **settings).data
        return json.loads(data.decode('utf-8') if isinstance(data, bytes)
                          else data)


def wait_until(condition, seconds, pause=1):
    """Return what ``condition`` does, once it does, else None."""
    deadline = time.time() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.time() >= deadline:
            return None
        time.sleep(pause)
