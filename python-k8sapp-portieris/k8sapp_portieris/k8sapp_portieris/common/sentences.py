# SPDX-License-Identifier: Apache-2.0
"""What is wrong with the user overrides, in sentences for the operator.

sysinv stores any override of any name. What is wrong with it would show
only later, in a log, as the error of a template; these functions find it
before anything is changed. They know values only: nothing here reads the
database or the cluster.
"""

import difflib
import re

import yaml

from k8sapp_portieris.common import bundles
from k8sapp_portieris.common import constants
from k8sapp_portieris.common import override_keys
from k8sapp_portieris.common import overrides
from k8sapp_portieris.common import platform

# The newest name first; the older ones still work.
CA_KEYS = ('trustedCA', 'TrustedCACert', 'caCert')

# Neither the server nor a container runtime can read what begins so.
_BARE_IPV6 = re.compile('[0-9a-fA-F]*:[0-9a-fA-F]*:')

# How the names of images of a registry begin, as in the chart.
_BEGINNING = re.compile(
    r'([a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?'
    r'(\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])'
    r'(:[0-9]+)?(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*/?\Z')

# As in the chart's schema.
MOST_REPLICAS = 100

# Keys whose default Helm drops for an empty value, and that the chart needs.
NEED_A_VALUE = ('trustServers', 'defaultPolicy', 'exemptNamespaces',
                'replicaCount', 'trustFreshness', 'trustStaleness',
                'logLevel')
# Below these any key may be left empty.
_FREE = ('affinity', 'resources')


def about(user_overrides):
    """Return the sentences about the YAML text ``user_overrides``."""
    values, found = _read(user_overrides)
    if found:
        return found
    return (about_keys(values, override_keys.OVERRIDE_KEYS)
            + about_empty(values, override_keys.OVERRIDE_KEYS)
            + about_trust_servers(values.get('trustServers'))
            + about_namespaces(values.get('exemptNamespaces'))
            + about_replicas(values.get('replicaCount'))
            + about_budget(values.get('podDisruptionBudget'))
            + about_certificates(values, CA_KEYS))


def about_old_chart(user_overrides):
    """Return the sentences about overrides of the chart portieris-certs.

    Of all that the chart had, only the CA still means something.
    """
    values, found = _read(user_overrides)
    return found or about_certificates(values, CA_KEYS[-1:])


def _read(user_overrides):
    """Return the values, and sentences if there are none to be had."""
    try:
        values = overrides.load(user_overrides)
    except yaml.YAMLError as error:
        mark = getattr(error, 'problem_mark', None)
        return {}, ['They are no YAML%s.' % (
            ' from line %d on' % (mark.line + 1) if mark else '')]
    except ValueError as error:
        # What looks like a date and is none, 2026-02-30 for example.
        return {}, ['They hold a value that cannot be read (%s); put it in '
                    'quotes.' % _shown(error)]
    if values is not None and not isinstance(values, dict):
        return {}, ['They are a %s, not keys with values.' % (
            'list' if isinstance(values, list) else 'single value')]
    return values or {}, []


def about_keys(values, known, path=''):
    """Say which keys are unknown, and which values are not to choose from.

    ``known`` has the shape of override_keys.OVERRIDE_KEYS.
    """
    if isinstance(known, tuple):
        # What may be empty is for about_empty to say.
        if values is None or values in known:
            return []
        return ['%s is "%s", but can only be %s.' % (
            path, _shown(values),
            ' or '.join('"%s"' % each for each in known))]
    if isinstance(known, list) and isinstance(values, list):
        return [sentence for place, value in enumerate(values)
                for sentence in about_keys(value, known[0],
                                           '%s[%d]' % (path, place))]
    if not isinstance(known, dict) or not isinstance(values, dict):
        return []
    found = []
    for key in sorted(values, key=_shown):
        name = '%s.%s' % (path, _shown(key)) if path else _shown(key)
        if key in known:
            found += about_keys(values[key], known[key], name)
        else:
            found.append('The key "%s" is unknown; %s.' % (
                name, _nearest(key, known)))
    return found


def about_empty(values, known):
    """Say which keys are there without the value that they need."""
    empty = [key for key in NEED_A_VALUE
             if key in values and values[key] is None]
    for section in sorted(set(known).intersection(values)):
        if not isinstance(known[section], dict) or section in _FREE:
            continue
        below = values[section]
        if below is None:
            empty.append(section)
        elif isinstance(below, dict):
            empty += ['%s.%s' % (section, key)
                      for key in sorted(set(known[section]).intersection(
                          below)) if below[key] is None]
    return ['%s is given without a value: leave the key out, or give it one.'
            % key for key in empty]


def _nearest(key, known):
    by_lower = {each.lower(): each for each in known}
    near = difflib.get_close_matches(_shown(key).lower(), sorted(by_lower),
                                     1)
    if near:
        return 'the nearest known key is "%s"' % by_lower[near[0]]
    return 'known here are %s' % ', '.join(sorted(known))


def about_trust_servers(servers):
    """Say which trust server could not be reached as it is written."""
    if not isinstance(servers, list):
        return [] if servers is None else [
            'trustServers is no list; write --set '
            'trustServers[0].registry=HOST:PORT --set '
            'trustServers[0].url=https://HOST:PORT.']
    found = []
    for place, server in enumerate(servers):
        path = 'trustServers[%d]' % place
        if not isinstance(server, dict):
            found.append('%s has no registry and url, but is "%s".' % (
                path, _shown(server)))
            continue
        for key in ('registry', 'url'):
            if not server.get(key):
                found.append('%s has no %s.' % (path, key))
        url = server.get('url')
        if url and not _is_https(url):
            found.append(
                '%s.url is "%s", but has to begin with https://, as '
                'https://%s does.' % (path, _shown(url), _host_of(url)))
        registry = server.get('registry')
        if registry and '://' in _shown(registry):
            found.append(
                '%s.registry is "%s", but is written without scheme, as in '
                'the names of images: %s.' % (
                    path, _shown(registry), _host_of(registry)))
        elif registry and not _BARE_IPV6.match(_shown(registry)):
            found += about_registry(path, _shown(registry))
        for key, example in (('registry', '[fd00::1]:9001'),
                             ('url', 'https://[fd00::1]:4443')):
            if _BARE_IPV6.match(_host_of(server.get(key))):
                found.append(
                    '%s.%s is "%s", but an IPv6 address stands in brackets, '
                    'as in %s.' % (path, key, _shown(server[key]), example))
    return found


def about_registry(path, registry):
    """Say that the entry of a registry would judge no image, or others'."""
    below = registry[:-2] if registry.endswith('/*') else registry
    if below != registry and '*' not in below:
        return ['%s.registry is "%s", but all images below it are meant '
                'without a star: %s.' % (path, registry, below)]
    if '*' in registry:
        return ['%s.registry is "%s", but a star would take in registries of '
                'others; write an entry for each.' % (path, registry)]
    if not _BEGINNING.match(registry):
        return ['%s.registry is "%s", but has to be HOST[:PORT][/PATH], as '
                'image names begin, without tag or digest.' % (
                    path, registry)]
    return []


def _is_https(url):
    return (isinstance(url, bundles.TEXT_TYPES)
            and url.lower().startswith('https://')
            and len(url) > len('https://'))


def _host_of(url):
    return _shown(url).split('://', 1)[-1].strip('/') or 'HOST:PORT'


def about_namespaces(exempt):
    """Say which namespaces of the platform would be judged."""
    if not isinstance(exempt, list):
        return []
    missing = [name for name in constants.PLATFORM_NAMESPACES
               if name not in exempt]
    if not missing:
        return []
    return ['exemptNamespaces replaces the whole list and leaves out %s: '
            'the platform could not start its own pods there while no server '
            'answers. Add %s.' % (', '.join(missing),
                                  'it' if len(missing) == 1 else 'them')]


def about_replicas(count):
    """Say that a number of servers is none there can be."""
    return [] if _is_number(count) else [
        'replicaCount is "%s", but has to be a number from 1 to %d; without '
        'it there is one server for each controller.' % (
            _shown(count), MOST_REPLICAS)]


def about_budget(budget):
    """Say that no server could be moved to another host."""
    count = budget.get('maxUnavailable') if isinstance(budget, dict) else None
    return [] if _is_number(count) else [
        'podDisruptionBudget.maxUnavailable is "%s", but has to be a number '
        'from 1 on: with less the drain of a host would never end.' % (
            _shown(count))]


def _is_number(count):
    try:
        return count is None or (1 <= int(count) <= MOST_REPLICAS
                                 and not isinstance(count, bool))
    except (TypeError, ValueError):
        return False


def about_default(values, names):
    """Say that the policies would deny every image of the platform.

    ``names`` are those of the entries in users' policies. Whether an entry
    matches is the server's business; this asks only whether any entry is
    meant for the platform's registry at all.
    """
    default = values.get('defaultPolicy')
    if default not in ('deny', 'none'):
        return []
    servers = values.get('trustServers')
    registries = [server.get('registry') for server in servers
                  if isinstance(server, dict)] \
        if isinstance(servers, list) else []
    if any(_shown(name).startswith((platform.LOCAL_REGISTRY, '*'))
           for name in registries + list(names)):
        return []
    return ['With defaultPolicy "%s" every image of %s would be denied '
            'outside the exempt namespaces, those of the platform\'s '
            'applications too, because no policy names that registry. Apply '
            'a ClusterImagePolicy with an entry "%s:9001/*" first, or set '
            'defaultPolicy to "allow".' % (
                default, platform.LOCAL_REGISTRY, platform.LOCAL_REGISTRY)]


def about_certificates(values, keys):
    """Say which certificate bundle cannot be used."""
    return ['%s %s.' % (key, problem)
            for key in keys
            for problem in [bundles.problem(values.get(key))]
            if problem]


def about_issuers(user_overrides):
    """Remark on authorities that are in use without the ones above them."""
    values = overrides.read(user_overrides)
    return ['%s holds the authority "%s" without "%s", which issued it: '
            'servers are trusted that the former vouches for, and no others '
            'of the latter.' % ((key,) + tuple(map(_shown, pair)))
            for key in CA_KEYS
            for pair in bundles.missing_issuers(values.get(key))]


def about_kubernetes(running):
    """Say that the cluster is older than the chart can be."""
    if _version(running) >= _version(constants.KUBERNETES_MINIMUM):
        return []
    return ['It needs Kubernetes %s or later, and this cluster runs %s. '
            'Upgrade Kubernetes first.' % (constants.KUBERNETES_MINIMUM,
                                           running)]


def _version(text):
    return [int(part) for part in re.findall(r'\d+', text)[:3]]


def _shown(value):
    """Return a value of the operator's for a sentence, in ASCII.

    Not all that carries a sentence to the operator carries more on Python 2.
    """
    return str((u'%s' % (value,)).encode('ascii', 'backslashreplace')
               .decode('ascii'))
