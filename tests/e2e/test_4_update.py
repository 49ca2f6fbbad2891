# SPDX-License-Identifier: Apache-2.0
"""A newer tarball over an older one."""

import json

from portieris_app import build
from portieris_app import image
from tests.e2e.conftest import DENIAL
from tests.e2e.conftest import pod


def test_update_keeps_overrides_and_protection(
        protected, namespace, tmp_path):
    newer = build.make_tarball(output=str(tmp_path), wanted_version='2.0-2')
    protected.lab('push', '--tar', image.make_image(),
                  image.platform_reference().replace('2.0.1', '2.0.2'))
    protected.system('application-update', newer)
    shown = json.loads(protected.system(
        'application-show', 'portieris', '--format', 'json'))
    assert (shown['app_version'], shown['status']) == ('2.0-2', 'applied')
    answer = protected.create(pod('after', namespace, protected.image()))
    assert answer.status == 1
    assert DENIAL in answer.text, answer
