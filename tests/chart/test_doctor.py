# SPDX-License-Identifier: Apache-2.0
"""What `helm test` runs: our own program, taken for a server by nobody."""


def doctor(release):
    return release.get('Pod', 'portieris-doctor')


def test_doctor_is_a_test_hook_whose_log_stays(chart, scenario):
    notes = doctor(chart.render(scenario))['metadata']['annotations']

    assert notes['helm.sh/hook'] == 'test'
    assert notes['helm.sh/hook-delete-policy'] == 'before-hook-creation'


def test_nothing_selects_the_doctor_as_a_server(chart, scenario):
    release = chart.render(scenario)
    labels = doctor(release)['metadata']['labels']
    selectors = [
        release.get('Service', 'portieris')['spec']['selector'],
        release.get('Deployment', 'portieris-portieris')[
            'spec']['selector']['matchLabels']]

    assert labels['app.kubernetes.io/name'] != 'portieris'
    assert 'app' not in labels
    for selector in selectors:
        assert not selector.items() <= labels.items()


def test_doctor_is_the_server_with_another_command(chart):
    release = chart.render()
    (container,) = doctor(release)['spec']['containers']

    assert container['image'] == release.server['image']
    assert container['securityContext'] == release.server['securityContext']
    assert container['command'] + container['args'] == [
        '/portieris', 'doctor', '--server-namespace=portieris',
        '--namespace=default']


def test_doctor_is_ours_also_when_the_server_is_ibms(chart):
    release = chart.render('ibm-image')
    (container,) = doctor(release)['spec']['containers']

    assert container['image'].startswith('docker.io/starlingx/portieris:')
    assert release.server['image'] != container['image']
    assert '/icr.io/portieris/' in '/' + release.server['image']


def test_doctor_asks_where_and_for_what_the_values_say(chart):
    release = chart.render(doctor={'namespace': 'team', 'admits': 'r/i:1'})
    (container,) = doctor(release)['spec']['containers']

    assert container['args'][-2:] == ['--namespace=team', '--image=r/i:1']
    assert release.get('Role', 'portieris-doctor-trial')[
        'metadata']['namespace'] == 'team'


def test_namespace_of_the_doctor_may_be_exempt(chart):
    # He says so himself; nobody should have to ask him to exempt one.
    assert chart.render(exemptNamespaces=['default']).has(
        'Role', 'portieris-doctor-trial')
