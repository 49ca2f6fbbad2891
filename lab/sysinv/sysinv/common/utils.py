# SPDX-License-Identifier: Apache-2.0
"""Addresses of the platform."""

try:
    from urllib.parse import urlsplit
except ImportError:
    from urlparse import urlsplit

# StarlingX's default floating address of the cluster host network.
_FLOATING_ADDRESS = '192.168.206.1'


def replace_helmrepo_url_with_floating_address(dbapi, helmrepository_url):
    """Point a Helm repository at the address that is this system's."""
    parts = urlsplit(helmrepository_url)
    port = ':%d' % parts.port if parts.port else ''
    return parts._replace(netloc=_FLOATING_ADDRESS + port).geturl()
