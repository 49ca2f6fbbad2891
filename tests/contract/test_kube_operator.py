# SPDX-License-Identifier: Apache-2.0
"""KubeOperator: the real client against an API that writes down requests."""

import http.server
import json
import threading

import pytest
from sysinv.common import kubernetes

CORE = '/api/v1'


class Api(http.server.ThreadingHTTPServer):
    """Answers what it was told to, and 404 where it was told nothing."""

    def __init__(self):
        super().__init__(('127.0.0.1', 0), Handler)
        self.objects = {}
        self.requests = []


class Handler(http.server.BaseHTTPRequestHandler):

    def handle_any(self):
        length = int(self.headers.get('Content-Length') or 0)
        body = json.loads(self.rfile.read(length) or 'null')
        path = self.path.split('?')[0]
        self.server.requests.append((self.command, path, body))
        found = self.server.objects.get((self.command, path))
        answer = json.dumps(found if found is not None else {
            'kind': 'Status', 'code': 404, 'reason': 'NotFound'}).encode()
        self.send_response(200 if found is not None else 404)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PATCH = do_DELETE = handle_any

    def log_message(self, *args):
        """Keep the test's output to itself."""


@pytest.fixture
def api(tmp_path, monkeypatch):
    server = Api()
    threading.Thread(target=server.serve_forever, args=(0.02,),
                     daemon=True).start()
    config = tmp_path / 'kubeconfig'
    config.write_text(json.dumps({
        'apiVersion': 'v1', 'kind': 'Config', 'current-context': 'lab',
        'contexts': [{'name': 'lab',
                      'context': {'cluster': 'lab', 'user': 'lab'}}],
        'users': [{'name': 'lab', 'user': {}}],
        'clusters': [{'name': 'lab', 'cluster': {
            'server': 'http://127.0.0.1:%d' % server.server_port}}]}))
    monkeypatch.setenv('KUBECONFIG', str(config))
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def kube(api):
    return kubernetes.KubeOperator()


ABSENT = {
    'kube_get_namespace': (('a',), False, CORE + '/namespaces/a'),
    'kube_get_secret': (('s', 'a'), None, CORE + '/namespaces/a/secrets/s'),
}
DELETED = {
    'kube_delete_namespace': (('a',), CORE + '/namespaces/a'),
    'kube_delete_secret': (('s', 'a'), CORE + '/namespaces/a/secrets/s'),
}


@pytest.mark.parametrize('method', ABSENT)
def test_what_is_not_there_is_an_answer_and_no_error(kube, api, method):
    arguments, answer, path = ABSENT[method]
    assert getattr(kube, method)(*arguments) == answer
    assert [each[:2] for each in api.requests] == [('GET', path)]


@pytest.mark.parametrize('method', DELETED)
def test_deleting_what_is_gone_is_no_error(kube, api, method):
    arguments, path = DELETED[method]
    getattr(kube, method)(*arguments)
    assert [each[:2] for each in api.requests] == [('DELETE', path)]


def test_another_error_is_passed_on(kube, api):
    from kubernetes.client.exceptions import ApiException
    with pytest.raises(ApiException):
        kube.kube_create_namespace('a')


def test_a_namespace_that_is_there_is_true(kube, api):
    api.objects['GET', CORE + '/namespaces/a'] = {'metadata': {'name': 'a'}}
    assert kube.kube_get_namespace('a') is True


def test_pods_are_found_by_label(kube, api):
    api.objects['GET', CORE + '/namespaces/a/pods'] = {'items': [
        {'metadata': {'name': 'p'}}]}
    found = kube.kube_get_pods_by_selector('a', 'app=portieris', '')
    assert [each.metadata.name for each in found] == ['p']
