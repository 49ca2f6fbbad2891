# SPDX-License-Identifier: Apache-2.0
"""What the kubernetes client that is installed makes of the calls."""

import json
import threading
import unittest

from k8sapp_portieris.lifecycle import cluster as clusters

try:
    from http import server as http
except ImportError:
    import BaseHTTPServer as http
try:
    from kubernetes import client
except ImportError:
    client = None

ABSENT = '/api/v1/namespaces/absent'
THERE = '/api/v1/namespaces'


class Handler(http.BaseHTTPRequestHandler):
    """Says what it was asked; some paths are not there, or in the way."""

    def answer(self):
        sent = self.rfile.read(int(self.headers.get('Content-Length') or 0))
        code = 200
        if self.path.startswith(ABSENT):
            code = 404
        elif self.command == 'POST' and 'taken' in sent.decode('utf-8'):
            code = 409
        said = json.dumps({
            'method': self.command, 'path': self.path,
            'type': self.headers.get('Content-Type'),
            'body': json.loads(sent.decode('utf-8') or 'null'),
            'text': u'\u00e9'}).encode('utf-8')
        self.send_response(code)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def log_message(self, *args):
        """Keep the test's output to itself."""


@unittest.skipIf(client is None, 'the kubernetes client is not installed')
class Calls(unittest.TestCase):

    def setUp(self):
        server = http.HTTPServer(('127.0.0.1', 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.daemon = True
        thread.start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        settings = client.Configuration()
        settings.host = 'http://127.0.0.1:%d' % server.server_port
        self.cluster = clusters.Cluster(
            client.CoreV1Api(client.ApiClient(settings)).api_client)

    def test_an_object_comes_as_it_is(self):
        path = THERE + '?labelSelector=owner%3Dhelm,name%3Da'
        found = self.cluster.get(path)
        self.assertEqual(('GET', path, u'\u00e9', None), (
            found['method'], found['path'], found['text'], found['body']))

    def test_what_is_not_there_is_no_error(self):
        self.assertIsNone(self.cluster.get(ABSENT))
        self.cluster.delete(ABSENT)

    def test_what_is_there_already_is_no_error(self):
        self.cluster.create(THERE, {'metadata': {'name': 'taken'}})

    def test_a_change_says_of_which_kind_it_is(self):
        change = {'metadata': {'labels': {'a': None, 'b': u'\u00e9'}}}
        for kind in (clusters.STRATEGIC, clusters.MERGE):
            found = self.cluster.patch(THERE, change, kind)
            self.assertEqual(('PATCH', kind, change), (
                found['method'], found['type'], found['body']))

    def test_a_replacement_is_sent_whole(self):
        found = self.cluster.replace(THERE, {'a': None})
        self.assertEqual(('PUT', {'a': None}),
                         (found['method'], found['body']))

    def test_other_answers_are_errors_with_their_number(self):
        for call in (self.cluster.patch, self.cluster.replace,
                     self.cluster.create):
            with self.assertRaises(client.rest.ApiException) as caught:
                call(ABSENT, {'metadata': {'name': 'a'}})
            self.assertEqual(404, caught.exception.status)
