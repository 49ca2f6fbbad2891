# SPDX-License-Identifier: Apache-2.0
"""Requests to give up an operation: files, for another process writes them.

sysinv's conductor keeps them in memory, one flag for each application.
"""

import contextlib
import os


class Aborts(object):

    def __init__(self, platform):
        self._folder = platform.path('var/run')

    def _path(self, app_name):
        return os.path.join(self._folder, 'abort-%s' % app_name)

    def request(self, app_name):
        os.makedirs(self._folder, exist_ok=True)
        open(self._path(app_name), 'w').close()

    def requested(self, app_name):
        return os.path.exists(self._path(app_name))

    def forget(self, app_name):
        with contextlib.suppress(FileNotFoundError):
            os.remove(self._path(app_name))
