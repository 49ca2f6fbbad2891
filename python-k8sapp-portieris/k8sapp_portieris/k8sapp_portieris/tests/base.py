# SPDX-License-Identifier: Apache-2.0
"""Runs a test case on the sysinv of each release, and fakes its data.

With the double of sysinv on the path every release is imitated in turn;
with a real sysinv there is only the installed one.
"""

import copy
import importlib
import logging
import sys
import unittest

from k8sapp_portieris.tests import api

try:
    from sysinv import double
except ImportError:
    double = None

PLUGIN_ROOMS = ('armada', 'common', 'helm', 'kustomize', 'lifecycle')
FIRST_RELEASE = 'stx.5.0'
INSTALLED = 'installed'


def on_each_release(since=FIRST_RELEASE, until='master'):
    """Replace a test case by one for each release in the range."""
    def replace(case):
        _add(case, _releases(since, until))
    return replace


def on_newest_release(case):
    """Replace a test case by one for the newest release there is."""
    _add(case, [double.RELEASES[-1] if double else INSTALLED])


def _add(case, releases):
    module = sys.modules[case.__module__]
    for release in releases:
        name = '%s_%s' % (case.__name__, release.replace('.', '_'))
        setattr(module, name, type(name, (case, ReleaseTestCase), {
            '__module__': case.__module__, 'RELEASE': release}))


def _releases(since, until):
    if double is None:
        here = _number(_like())
        return [INSTALLED] if _number(since) <= here <= _number(until) else []
    names = double.RELEASES
    return names[names.index(since):names.index(until) + 1]


def _like():
    """Return the newest release that is as the installed sysinv."""
    if not _has('helm.kustomize_base'):
        return 'stx.6.0'
    if _has('helm.manifest_base'):
        return 'stx.8.0'
    ready = hasattr(sysinv('common.exception'),
                    'LifecycleStatusCheckNotReady')
    return 'master' if ready else 'stx.9.0'


def _has(module):
    try:
        sysinv(module)
    except ImportError:
        return False
    return True


def _number(release):
    if release == 'master':
        return float('inf')
    return float(release.partition('.')[2])


def plugin(module):
    """Import a module of the plugin, on the sysinv of the moment."""
    return importlib.import_module('k8sapp_portieris.' + module)


def sysinv(module):
    return importlib.import_module('sysinv.' + module)


class ReleaseTestCase(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        if double:
            double.emulate(cls.RELEASE, forget=[
                'k8sapp_portieris.' + room for room in PLUGIN_ROOMS])

    def change(self, module, name, value):
        """Set a value in a module of the plugin until the test ends."""
        module = plugin(module)
        self.addCleanup(setattr, module, name, getattr(module, name))
        setattr(module, name, value)

    def is_at_least(self, release):
        if double:
            return double.at_least(release)
        return _number(_like()) >= _number(release)


class Row(object):
    """A row of the database."""

    def __init__(self, **columns):
        self.__dict__.update(columns)


def controller(**changes):
    """Return a host that counts as a provisioned controller."""
    return dict({'personality': 'controller', 'administrative': 'unlocked',
                 'operational': 'enabled', 'availability': 'available',
                 'vim_progress_status': 'services-enabled'}, **changes)


class Db(object):
    """The methods of sysinv's database that base class and plugin call."""

    def __init__(self, hosts=(), parameters=None, user_overrides=None,
                 system_overrides=None, cert_manager='applied',
                 old_overrides=None, system_type='Standard', older=()):
        self.hosts = list(hosts)
        self.parameters = parameters or {}
        self.user_overrides = user_overrides
        self.system_overrides = system_overrides
        self.old_overrides = old_overrides
        self.system_type = system_type
        # Versions that were active before, as (when, old_overrides).
        self.older = {100 + number: each
                      for number, each in enumerate(older)}
        self.apps = {'portieris': Row(id=7, status='uploaded')}
        if cert_manager:
            self.apps['cert-manager'] = Row(id=1, status=cert_manager)

    def count_hosts_matching_criteria(self, personality=None,
                                      administrative=None, operational=None,
                                      availability=None,
                                      vim_progress_status=None):
        wanted = {'personality': personality,
                  'administrative': administrative,
                  'operational': operational, 'availability': availability,
                  'vim_progress_status': vim_progress_status}
        return len([host for host in self.hosts if all(
            value is None or host[key] == value
            or (isinstance(value, list) and host[key] in value)
            for key, value in wanted.items())])

    def service_parameter_get_one(self, service=None, section=None,
                                  name=None, personality=None,
                                  resource=None):
        if (service, section, name) not in self.parameters:
            raise sysinv('common.exception').NotFound()
        return Row(value=self.parameters[service, section, name])

    def kube_app_get(self, name):
        if name not in self.apps:
            raise sysinv('common.exception').KubeAppNotFound(name=name)
        return self.apps[name]

    def kube_app_get_inactive(self, name, limit=None, marker=None,
                              sort_key=None, sort_dir=None):
        return [Row(id=number, name=name, status='inactive', updated_at=when)
                for number, (when, _) in self.older.items()]

    def isystem_get_one(self):
        return Row(system_type=self.system_type)

    def helm_override_get(self, app_id, name, namespace):
        found = {
            (7, 'portieris', 'portieris'): (self.user_overrides,
                                            self.system_overrides),
            (7, 'portieris-certs', 'portieris'): (self.old_overrides, {}),
        }.get((app_id, name, namespace), (None, None))
        if name == 'portieris-certs' and app_id in self.older:
            found = self.older[app_id][1], {}
        if found == (None, None):
            raise sysinv('common.exception').HelmOverrideNotFound(
                name=name, namespace=namespace)
        return Row(app_id=app_id, name=name, namespace=namespace,
                   user_overrides=found[0], system_overrides=found[1])

    def helm_override_update(self, app_id, name, namespace, values):
        self.helm_override_get(app_id, name, namespace)
        if name == 'portieris':
            self.user_overrides = values['user_overrides']
        else:
            self.old_overrides = values['user_overrides']


class Kube(object):
    """Namespaces and secrets, as KubeOperator shows them; and the API."""

    def __init__(self):
        self.api = api.platform()
        self.namespaces = {'kube-system', 'default'}
        self.secrets = {('kube-system', 'default-registry-key'): {
            '.dockerconfigjson': 'e30='}}

    def _get_kubernetesclient_core(self):
        return Row(api_client=self.api)

    def kube_get_namespace(self, namespace):
        return namespace in self.namespaces

    def kube_create_namespace(self, namespace):
        self.namespaces.add(namespace)

    def kube_patch_namespace(self, namespace, body):
        """Take the labels that some releases give every namespace."""

    def kube_delete_namespace(self, namespace, **kwargs):
        self.namespaces.discard(namespace)
        self.secrets = {key: value for key, value in self.secrets.items()
                        if key[0] != namespace}

    def kube_get_secret(self, name, namespace):
        data = self.secrets.get((namespace, name))
        return Row(data=copy.copy(data)) if data else None

    def kube_create_secret(self, namespace, body):
        self.secrets[namespace, body['metadata']['name']] = body['data']

    def kube_delete_secret(self, name, namespace, **kwargs):
        self.secrets.pop((namespace, name), None)


class Helm(object):

    def __init__(self, dbapi):
        self.dbapi = dbapi

    def get_helm_application_namespaces(self, app_name):
        operator = plugin('helm.portieris').PortierisHelm(None)
        return {'portieris': operator.get_namespaces_by_app(app_name)}


class AppOperator(object):

    DOCKER_REGISTRY_SECRET = 'default-registry-key'

    def __init__(self, dbapi=None):
        self._dbapi = dbapi or Db()
        self._kube = Kube()
        self._helm = Helm(self._dbapi)


class Conductor(object):

    def __init__(self, **behavior):
        self.apps_metadata = {'apps': {'portieris': {
            'behavior': behavior}}}


class Mistakes(logging.Handler):
    """Collects mistakes of the plugin's own that a step has passed over.

    A step that fails is logged, and no test would see that it cannot work.
    """

    KINDS = (AttributeError, LookupError, NameError, TypeError)

    def __init__(self):
        logging.Handler.__init__(self)
        self.found = []

    def __enter__(self):
        logging.getLogger('k8sapp_portieris').addHandler(self)
        return self

    def __exit__(self, kind, *_):
        logging.getLogger('k8sapp_portieris').removeHandler(self)
        if self.found and kind is None:
            raise AssertionError('\n'.join(self.found))

    def emit(self, record):
        if record.exc_info and isinstance(record.exc_info[1], self.KINDS):
            self.found.append(self.format(record))


def run(app_op, mode, lifecycle_type, timing, operation, extra=None,
        conductor=None, status='applying'):
    """Call the plugin as sysinv does at that moment."""
    hook_info = sysinv('helm.lifecycle_hook').LifecycleHookInfo()
    hook_info.init(mode, lifecycle_type, timing, operation)
    hook_info.extra = extra or {}
    with Mistakes():
        plugin('lifecycle.lifecycle_portieris') \
            .PortierisAppLifecycleOperator().app_lifecycle_actions(
                None, conductor, app_op,
                Row(name='portieris', status=status), hook_info)
