# SPDX-License-Identifier: Apache-2.0
"""Every hook of the lifecycle plugin: what it does, again, and half done.

The tables of the plugin say which hooks do something. For each of them there
has to be an effect here; and whatever a call finds, and wherever it breaks
off, another call has to end where an undisturbed one does.
"""

import copy
import time

from k8sapp_portieris.tests import api
from k8sapp_portieris.tests import base
from k8sapp_portieris.tests.base import run

SAVED = api.CONFIG_MAPS + 'portieris-webhook'
EXPORT = api.CONFIG_MAPS + 'portieris-policies'
POLICY = api.POLICIES + 'clusterimagepolicies/mine'
DEFINITION = api.DEFINITIONS + 'imagepolicies.portieris.cloud.ibm.com'
BAD = 'trustServer: []'


class Died(BaseException):
    """What ends the conductor is no Exception."""


def platform(user_overrides='keepPolicies: false'):
    """A platform on which nothing was applied yet."""
    app_op = base.AppOperator(base.Db(user_overrides=user_overrides))
    app_op._kube.api.add(POLICY, spec={'repositories': []})
    return app_op


def applied():
    app_op = platform()
    app_op._kube.namespaces.add('portieris')
    api.install(app_op._kube.api)
    return app_op


def after(*moment, **more):
    """Return a start at which another hook was the last that was called."""
    def start():
        app_op = applied()
        run(app_op, *moment, **more)
        return app_op
    return start


def without(*paths):
    def start():
        app_op = applied()
        for path in paths:
            del app_op._kube.api.objects[path]
        return app_op
    return start


def copied():
    """Return the start of a backup that died between copy and deletion."""
    app_op = applied()
    app_op._kube.api.broken.add('DELETE')
    run(app_op, 'auto', 'operation', 'pre', 'backup')
    app_op._kube.api.broken.clear()
    return app_op


def older(hooks, selector=None):
    """Return the start at which an application of before 2.0 is there."""
    def start():
        app_op = platform()
        app_op._kube.namespaces.add('portieris')
        cluster = api.install_older(app_op._kube.api, hooks)
        if selector:
            cluster.objects[api.DEPLOYMENT]['spec']['selector'] = {
                'matchLabels': dict(selector)}
        return app_op
    return start


# What a hook may find.
RELAXED = after(None, 'fluxcd-request', 'pre', 'apply', status='updating')
AWAY = after('auto', 'operation', 'pre', 'backup')
STARTS = {
    'nothing': platform, 'applied': applied, 'relaxed': RELAXED,
    'away': AWAY, 'copied': copied,
    'removal begun': after(None, 'fluxcd-request', 'pre', 'remove'),
    'removed': after('manual', 'resource', 'post', 'remove'),
    'webhook deleted': without(api.WEBHOOK),
    'objects deleted': without(api.WEBHOOK, api.SERVICE, api.DEPLOYMENT),
    'older': older(hooks=False), 'oldest': older(hooks=True),
    'other selector': older(hooks=False, selector={'app': 'portieris'}),
}


def policy_is(wanted):
    return lambda objects: api.WEBHOOK in objects and objects[api.WEBHOOK][
        'webhooks'][0]['failurePolicy'] == wanted


def is_there(*paths):
    return lambda objects: all(path in objects for path in paths)


def is_gone(*paths):
    return lambda objects: not any(path in objects for path in paths)


def is_refused(case, moment):
    exception = base.sysinv('common.exception')
    with case.assertRaises(exception.LifecycleSemanticCheckException):
        run(platform(BAD), *moment)
    run(platform(), *moment)


# Hook: where it begins, and what is so afterwards and was not before. The
# checks refuse, and change nothing.
RESTORES = (RELAXED, policy_is('Fail'))
LEAVES = (applied, is_gone(api.WEBHOOK))
REMOVES = (applied, is_there(EXPORT))
EFFECTS = {
    ('check', 'pre', 'apply'): is_refused,
    ('check', 'pre', 'update'): is_refused,
    ('resource', 'pre', 'apply'): (
        platform, lambda objects: objects[api.NAMESPACES + 'portieris'][
            'metadata'].get('labels')),
    ('armada-request', 'pre', 'apply'): (platform, is_there(DEFINITION)),
    ('fluxcd-request', 'pre', 'apply'): (applied, policy_is('Ignore')),
    ('fluxcd-request', 'status', 'apply'): None,
    ('armada-request', 'post', 'apply'): RESTORES,
    ('fluxcd-request', 'post', 'apply'): RESTORES,
    ('armada-request', 'pre', 'rollback'): (applied, policy_is('Ignore')),
    ('fluxcd-request', 'pre', 'rollback'): (applied, policy_is('Ignore')),
    ('armada-request', 'post', 'rollback'): RESTORES,
    ('fluxcd-request', 'post', 'rollback'): RESTORES,
    ('manifest', 'post', 'apply'): RESTORES,
    ('resource', 'post', 'apply'): RESTORES,
    ('operation', 'post', 'apply'): RESTORES,
    ('operation', 'post', 'abort'): RESTORES,
    ('armada-request', 'pre', 'delete'): REMOVES,
    ('armada-request', 'pre', 'remove'): REMOVES,
    ('fluxcd-request', 'pre', 'remove'): REMOVES,
    ('resource', 'post', 'remove'): (
        STARTS['removal begun'], is_gone(SAVED, DEFINITION)),
}
for _operation in ('recover', 'recover-update'):
    for _timing in ('pre', 'post', None):
        EFFECTS['resource', _timing, _operation] = RESTORES
for _operation in ('backup', 'etcd-backup', 'restore'):
    EFFECTS['operation', 'pre', _operation] = LEAVES
    EFFECTS['operation', 'post', _operation] = (AWAY, policy_is('Fail'))


def breaking(app_op, number, error):
    """Let the call of that number fail; count the calls."""
    cluster = app_op._kube.api
    cluster.calls = 0

    def call_api(*args, **kwargs):
        cluster.calls += 1
        if cluster.calls == number:
            raise error
        return api.Api.call_api(cluster, *args, **kwargs)
    cluster.call_api = call_api


def left(app_op):
    """Return all that a call may have changed."""
    return copy.deepcopy((
        app_op._kube.api.objects, app_op._kube.namespaces,
        app_op._kube.secrets, app_op._dbapi.user_overrides))


@base.on_newest_release
class Moments(object):

    def setUp(self):
        def quiet(*args):
            """Log nothing: errors are the rule here."""
        self.change('lifecycle.lifecycle_portieris', 'LOG', base.Row(
            info=quiet, warning=quiet, error=quiet, exception=quiet))
        self.change('lifecycle.lifecycle_portieris', '_CA_SECONDS', 0)
        self.change('lifecycle.cluster', 'time', base.Row(
            time=time.time, sleep=quiet))

    def call(self, app_op, moment, **more):
        lifecycle_type, timing, operation = moment
        run(app_op, 'manual', lifecycle_type, timing, operation,
            extra={'force': False, 'rc': True, 'manifest_applied': True},
            conductor=base.Conductor(), status='updating', **more)

    def test_every_hook_that_does_something_has_an_effect_here(self):
        plugin = base.plugin('lifecycle.lifecycle_portieris')
        self.assertEqual(
            set(plugin.BEFORE_BASE) | set(plugin.AFTER_BASE), set(EFFECTS))

    def test_each_has_its_effect_once_and_again(self):
        for moment, effect in EFFECTS.items():
            if not isinstance(effect, tuple):
                continue
            start, is_so = effect
            app_op = start()
            self.assertFalse(is_so(app_op._kube.api.objects), moment)
            for _ in range(2):
                self.call(app_op, moment)
                self.assertTrue(is_so(app_op._kube.api.objects), moment)

    def test_the_checks_refuse(self):
        for moment, effect in EFFECTS.items():
            if effect is is_refused:
                is_refused(self, ('manual',) + moment)

    def test_another_call_changes_nothing_whatever_was_there(self):
        for moment in EFFECTS:
            for name, start in STARTS.items():
                app_op = start()
                self.call(app_op, moment)
                once = left(app_op)
                self.call(app_op, moment)
                self.assertEqual(once, left(app_op), (moment, name))

    def test_wherever_it_breaks_off_another_call_ends_the_same(self):
        plugin = base.plugin('lifecycle.lifecycle_portieris')
        # Hooks with the same steps break off alike.
        distinct = {(plugin.BEFORE_BASE.get(moment),
                     plugin.AFTER_BASE.get(moment)): moment
                    for moment in EFFECTS}
        for moment in distinct.values():
            for name, start in STARTS.items():
                self.break_off_everywhere(moment, name, start)

    def break_off_everywhere(self, moment, name, start):
        whole = start()
        breaking(whole, None, None)
        self.call(whole, moment)
        for number in range(1, whole._kube.api.calls + 1):
            for error in (api.Refused(500, 'broken'), Died()):
                app_op = start()
                breaking(app_op, number, error)
                try:
                    self.call(app_op, moment)
                except Died:
                    # The next call is another conductor's.
                    pass
                self.call(app_op, moment)
                self.assertEqual(left(whole), left(app_op),
                                 (moment, name, number, error))
