# SPDX-License-Identifier: Apache-2.0
"""The server's pods: hardened, always startable, never in the way."""

import base64

import pytest


def pod_labels(release):
    return release.get('Deployment', 'portieris-portieris')[
        'spec']['template']['metadata']['labels']


def covers(selector, labels):
    return selector.items() <= labels.items()


def test_objects_have_the_names_the_platform_knows(chart, scenario):
    release = chart.render(scenario)

    for kind, name in (('Deployment', 'portieris-portieris'),
                       ('Service', 'portieris'),
                       ('ServiceAccount', 'portieris'),
                       ('ClusterRole', 'portieris'),
                       ('ClusterRoleBinding', 'admission-portieris-webhook'),
                       ('Certificate', 'portieris-certs')):
        assert release.has(kind, name), '%s %s' % (kind, name)


def test_selectors_find_the_pods(chart, scenario):
    release = chart.render(scenario)
    labels = pod_labels(release)
    deployment = release.get('Deployment', 'portieris-portieris')

    assert labels['app'] == 'portieris'
    assert labels['app.kubernetes.io/name'] == 'portieris'
    assert covers(deployment['spec']['selector']['matchLabels'], labels)
    assert covers(release.get('Service', 'portieris')['spec']['selector'],
                  labels)
    for budget in release.all('PodDisruptionBudget'):
        assert covers(budget['spec']['selector']['matchLabels'], labels)


def test_pods_of_older_applications_are_selected_too(chart, scenario):
    # Otherwise their Deployment had to go before ours could come.
    release = chart.render(scenario)
    older = {'app': 'portieris', 'release': 'portieris-portieris'}

    assert release.get('Deployment', 'portieris-portieris')['spec'][
        'selector']['matchLabels'] == older
    assert release.get('Service', 'portieris')['spec']['selector'] == older


def test_service_ports_exist_in_the_container(chart):
    release = chart.render()
    ports = {p['name']: p['containerPort'] for p in release.server['ports']}

    assert ports == {'https': 8000, 'metrics': 8080}
    for port in release.get('Service', 'portieris')['spec']['ports']:
        assert port['targetPort'] in ports
        assert port['protocol'] == 'TCP'


@pytest.mark.parametrize('kubernetes', ['1.18.0', '1.19.0', '1.34.0'])
def test_pod_is_restricted(chart, scenario, kubernetes):
    release = chart.render(scenario, kubernetes=kubernetes)
    pod, server = release.pod, release.server

    assert pod['securityContext']['runAsNonRoot'] is True
    assert pod['securityContext']['runAsUser'] > 0
    if kubernetes != '1.18.0':
        assert pod['securityContext']['seccompProfile'] == {
            'type': 'RuntimeDefault'}
    assert server['securityContext'] == {
        'allowPrivilegeEscalation': False, 'privileged': False,
        'readOnlyRootFilesystem': True, 'capabilities': {'drop': ['ALL']}}
    assert not {'hostNetwork', 'hostPID', 'hostIPC'} & set(pod)
    assert {next(iter(set(v) - {'name'})) for v in pod['volumes']} == {
        'projected', 'emptyDir'}


def test_certificates_are_readable_by_the_server_alone(chart):
    pod = chart.render().pod
    (certs,) = [v for v in pod['volumes'] if v['name'] == 'certs']

    assert certs['projected']['defaultMode'] == 0o440
    assert pod['securityContext']['fsGroup'] == (
        pod['securityContext']['runAsGroup'])


def test_ibm_image_finds_what_it_needs(chart):
    release = chart.render('ibm-image')
    server = release.server
    mounts = {m['mountPath']: m['name'] for m in server['volumeMounts']}
    volumes = {v['name']: v for v in release.pod['volumes']}

    assert server['image'] == (
        'registry.local:9001/icr.io/portieris/portieris:v0.14.2')
    assert server['command'] == ['/portieris']
    assert server['args'] == ['-logtostderr']
    assert volumes[mounts['/run']]['emptyDir'] == {}
    assert volumes[mounts['/tmp']]['emptyDir'] == {}
    paths = [i['path']
             for s in volumes[mounts['/etc/certs']]['projected']['sources']
             for i in s['secret']['items']]
    assert paths == ['tls.crt', 'tls.key']
    assert release.webhook['reinvocationPolicy'] == 'Never'


def test_digest_replaces_the_tag(chart):
    image = chart.render('digest').server['image']

    assert image.startswith(
        'registry.local:9001/docker.io/starlingx/portieris@sha256:')


def test_every_image_is_one_the_platform_mirrors(chart):
    reference = 'registry.local:9001/docker.io/starlingx/portieris:2.0.1'
    release = chart.render(images={'tags': {'portieris': reference}})
    pod = release.pod

    assert [c['image'] for c in pod['containers']] == [reference]
    assert 'initContainers' not in pod
    workloads = [o for o in release.objects
                 if 'containers' in str(o.get('spec', {}))
                 and o['kind'] != 'MutatingWebhookConfiguration']
    assert {o['kind'] for o in workloads} == {'Deployment', 'Pod'}
    (doctor,) = release.get('Pod', 'portieris-doctor')['spec']['containers']
    assert doctor['image'] == reference
    assert pod['imagePullSecrets'] == [{'name': 'default-registry-key'}]


def test_server_learns_its_settings_from_the_environment(chart):
    release = chart.render(trustFreshness='0s', logLevel='warn')
    env = {e['name']: e for e in release.server['env']}

    assert env['PORTIERIS_NAMESPACE']['valueFrom'] == {
        'fieldRef': {'fieldPath': 'metadata.namespace'}}
    assert env['PORTIERIS_TRUST_FRESHNESS']['value'] == '0s'
    assert env['PORTIERIS_TRUST_STALENESS']['value'] == '0s'
    assert env['PORTIERIS_LOG_LEVEL']['value'] == 'warn'
    assert 'HTTPS_PROXY' not in env
    assert 'NO_PROXY' not in env


def test_proxy_never_stands_before_the_api_server(chart):
    env = chart.render('everything').env

    assert env['HTTP_PROXY'] == 'http://proxy.example.com:3128'
    assert env['HTTPS_PROXY'] == 'http://proxy.example.com:3128'
    assert env['NO_PROXY'].split(',') == [
        'harbor.example.com', '10.0.0.0/8', '$(KUBERNETES_SERVICE_HOST)',
        'localhost', '.svc', '.cluster.local', 'registry.local']
    assert chart.render(proxy={'https': 'http://p:1'}).env[
        'NO_PROXY'].startswith('$(KUBERNETES_SERVICE_HOST),')


def test_probes_ask_the_server_itself(chart):
    server = chart.render('everything').server

    for name, path in (('startupProbe', '/health/liveness'),
                       ('livenessProbe', '/health/liveness'),
                       ('readinessProbe', '/health/readiness')):
        assert server[name]['httpGet'] == {
            'path': path, 'port': 'https', 'scheme': 'HTTPS'}
    for name in ('livenessProbe', 'readinessProbe'):
        assert server[name]['periodSeconds'] == 20
        assert server[name]['timeoutSeconds'] == 10
        assert server[name]['failureThreshold'] == 6


def test_update_starts_a_new_server_before_it_stops_one(chart, scenario):
    strategy = chart.render(scenario).get(
        'Deployment', 'portieris-portieris')['spec']['strategy']

    assert strategy['rollingUpdate'] == {'maxUnavailable': 0, 'maxSurge': 1}


@pytest.mark.parametrize('seconds', [1, 30])
def test_stopping_server_may_end_what_the_api_server_waits_for(
        chart, seconds):
    release = chart.render(webHooks={'timeoutSeconds': seconds})

    # It serves for five seconds more, and then ends what is under way.
    assert release.pod['terminationGracePeriodSeconds'] > 5 + seconds


def test_server_sends_its_callers_on_by_itself(chart):
    assert 'lifecycle' not in chart.render().server


@pytest.mark.parametrize('kubernetes, sleeps', [
    ('1.29.0', False), ('1.30.0', True)])
def test_stopping_pod_of_another_image_serves_until_it_is_forgotten(
        chart, kubernetes, sleeps):
    release = chart.render('ibm-image', kubernetes=kubernetes)

    assert ('lifecycle' in release.server) is sleeps
    if sleeps:
        seconds = release.server['lifecycle']['preStop']['sleep']['seconds']
        assert 0 < seconds < release.pod['terminationGracePeriodSeconds']


@pytest.mark.parametrize('kubernetes, version', [
    ('1.18.0', 'policy/v1beta1'), ('1.20.15', 'policy/v1beta1'),
    ('1.21.0', 'policy/v1'), ('1.37.0', 'policy/v1')])
def test_budget_uses_the_api_of_the_cluster(chart, kubernetes, version):
    (budget,) = chart.render(kubernetes=kubernetes).all('PodDisruptionBudget')

    assert budget['apiVersion'] == version


def test_budget_never_stops_a_drain(chart, scenario):
    for budget in chart.render(scenario).all('PodDisruptionBudget'):
        assert 'minAvailable' not in budget['spec']
        assert budget['spec']['maxUnavailable'] >= 1
        assert budget['spec']['unhealthyPodEvictionPolicy'] == 'AlwaysAllow'


@pytest.mark.parametrize('values', [
    {'replicaCount': 1}, {'replicaCount': '1'},
    {'replicaCount': 2, 'podDisruptionBudget': {'enabled': False}}])
def test_there_is_no_budget_without_need(chart, values):
    assert not chart.render(**values).has('PodDisruptionBudget')


def test_number_given_as_text_is_a_number(chart):
    release = chart.render('legacy-overrides')

    assert release.get('Deployment', 'portieris-portieris')[
        'spec']['replicas'] == 2
    assert release.webhook['timeoutSeconds'] == 15


def test_pods_prefer_different_nodes_and_bear_one(chart):
    pod = chart.render().pod

    (rules,) = pod['affinity']['podAntiAffinity'].items()
    assert rules[0] == 'preferredDuringSchedulingIgnoredDuringExecution'
    assert [r['podAffinityTerm']['topologyKey'] for r in rules[1]] == [
        'kubernetes.io/hostname', 'topology.kubernetes.io/zone']
    assert {t['key'] for t in pod['tolerations']} == {
        'node-role.kubernetes.io/master',
        'node-role.kubernetes.io/control-plane'}
    assert pod['priorityClassName'] == 'system-cluster-critical'


def test_users_place_the_pods(chart):
    release = chart.render('everything')
    pod = release.pod

    assert 'podAntiAffinity' not in pod['affinity']
    assert 'nodeAffinity' in pod['affinity']
    assert pod['nodeSelector'] == {'kubernetes.io/os': 'linux'}
    assert pod['tolerations'] == [{'operator': 'Exists'}]
    assert 'priorityClassName' not in pod
    assert 'imagePullSecrets' not in pod
    assert release.server['resources']['limits'] == {
        'cpu': '1', 'memory': '1Gi'}
    assert release.get('PodDisruptionBudget', 'portieris')['spec'][
        'maxUnavailable'] == 2
    assert annotations(release)['example.com/team'] == 'platform'
    assert annotations(release)['prometheus.io/port'] == '8080'


def annotations(release):
    return release.get('Deployment', 'portieris-portieris')[
        'spec']['template']['metadata']['annotations']


def test_annotation_of_the_user_replaces_the_one_for_prometheus(chart):
    assert annotations(chart.render(podAnnotations={
        'prometheus.io/scrape': 'false'})) == {
            'prometheus.io/scrape': 'false', 'prometheus.io/port': '8080',
            'prometheus.io/path': '/metrics'}


def test_server_may_read_and_write_only_its_pins(chart):
    release = chart.render()
    (cluster,) = [role for role in release.all('ClusterRole')
                  if role['metadata']['name'] == 'portieris']
    (local,) = [role for role in release.all('Role')
                if role['metadata']['name'] == 'portieris-trust-pins']

    rules = {}
    for rule in cluster['rules']:
        for group in rule['apiGroups']:
            for resource in rule['resources']:
                rules.setdefault((group, resource), set()).update(
                    rule['verbs'])
    policies = {'list', 'watch'}
    assert rules == {
        ('portieris.cloud.ibm.com', 'imagepolicies'): policies,
        ('portieris.cloud.ibm.com', 'clusterimagepolicies'): policies,
        ('', 'secrets'): {'get', 'watch'},
        ('', 'serviceaccounts'): {'get', 'watch'},
        ('', 'pods'): {'get', 'list'}, ('', 'namespaces'): {'list'},
        ('', 'replicationcontrollers'): {'get'},
        ('apps', 'deployments'): {'get'}, ('apps', 'replicasets'): {'get'},
        ('apps', 'daemonsets'): {'get'}, ('apps', 'statefulsets'): {'get'},
        ('batch', 'jobs'): {'get'}, ('batch', 'cronjobs'): {'get'}}
    (pins,) = local['rules']
    assert pins['resources'] == ['configmaps']
    assert set(pins['verbs']) == {'get', 'list', 'watch', 'create', 'update'}


def test_roles_are_bound_to_the_server_or_its_doctor(chart):
    release = chart.render(into='elsewhere')

    for binding in release.all('RoleBinding') + release.all(
            'ClusterRoleBinding'):
        name = ('portieris-doctor' if 'doctor' in binding['metadata']['name']
                else 'portieris')
        assert binding['subjects'] == [
            {'kind': 'ServiceAccount', 'name': name,
             'namespace': 'elsewhere'}]
        assert release.has(binding['roleRef']['kind'],
                           binding['roleRef']['name'])
    assert release.pod['serviceAccountName'] == 'portieris'


def test_leaf_is_signed_by_a_ca_that_outlives_it(chart):
    release = chart.render(into='elsewhere')
    ca = release.get('Certificate', 'portieris-ca')['spec']
    leaf = release.get('Certificate', 'portieris-certs')['spec']
    root = release.get('Issuer', ca['issuerRef']['name'])['spec']
    issuer = release.get('Issuer', leaf['issuerRef']['name'])['spec']

    assert root == {'selfSigned': {}}
    assert ca['isCA'] is True
    assert issuer == {'ca': {'secretName': ca['secretName']}}
    assert leaf['secretName'] == 'portieris-certs'
    assert leaf['dnsNames'] == ['portieris.elsewhere.svc',
                                'portieris.elsewhere.svc.cluster.local']
    assert 'isCA' not in leaf
    assert hours(ca['duration']) > 4 * hours(leaf['duration'])
    assert hours(leaf['renewBefore']) * 2 < hours(leaf['duration'])
    # A new key for each leaf, the same one for the CA.
    assert leaf['privateKey']['rotationPolicy'] == 'Always'
    assert ca['privateKey']['rotationPolicy'] == 'Never'


def hours(duration):
    assert duration.endswith('h')
    return int(duration[:-1])


def test_users_set_how_long_certificates_live(chart):
    release = chart.render('everything')
    leaf = release.get('Certificate', 'portieris-certs')['spec']

    assert release.get('Certificate', 'portieris-ca')['spec'][
        'duration'] == '175200h'
    assert (leaf['duration'], leaf['renewBefore']) == ('8760h', '2160h')


def ca_file(release):
    data = release.get('Secret', 'portieris-trusted-ca')['data']
    assert set(data) == {'ca.pem'}
    return base64.b64decode(data['ca.pem']).decode()


@pytest.mark.parametrize('key', ['trustedCA', 'TrustedCACert', 'caCert'])
def test_ca_reaches_the_server_from_plain_and_base64(chart, ca, key):
    encoded = base64.encodebytes(ca.encode()).decode()

    assert ca_file(chart.render(**{key: ca})) == ca
    assert ca_file(chart.render(**{key: encoded})) == ca


def test_newer_name_of_the_ca_wins(chart, ca):
    broken = 'no certificate at all'

    assert ca_file(chart.render(trustedCA=ca, TrustedCACert=broken,
                                caCert=broken)) == ca
    assert ca_file(chart.render(TrustedCACert=ca, caCert=broken)) == ca


def test_ca_is_mounted_beside_the_certificate(chart):
    (certs,) = [v for v in chart.render('private-ca').pod['volumes']
                if v['name'] == 'certs']

    assert certs['projected']['sources'][1] == {'secret': {
        'name': 'portieris-trusted-ca',
        'items': [{'key': 'ca.pem', 'path': 'ca.pem'}]}}


def test_there_is_no_ca_secret_without_a_ca(chart):
    release = chart.render()

    assert not release.has('Secret')
    assert 'portieris-trusted-ca' not in str(release.pod)


def test_other_ca_does_not_restart_the_pods(chart, ca):
    one = chart.render(trustedCA=ca)
    two = chart.render(trustedCA=ca + ca)

    assert ca_file(one) != ca_file(two)
    assert one.get('Deployment', 'portieris-portieris') == two.get(
        'Deployment', 'portieris-portieris')
