# SPDX-License-Identifier: Apache-2.0
"""What is said of pods that keep a release waiting."""

from kubernetes import client
import pytest

from stx_system.errors import Failed
from stx_system import flux

RELEASE = flux.Release('sample-sample', 'sample', {'chart': 'sample'},
                       'stx-platform', {}, [])


class Cluster(object):
    """Answers with the pods it was given, or fails as it was told."""

    def __init__(self, *pods, error=None):
        self._pods = pods
        self._error = error

    def kube_get_pods_by_selector(self, namespace, labels, fields):
        assert (namespace, labels) == (
            'sample', 'app.kubernetes.io/name=sample')
        if self._error:
            raise self._error
        return list(self._pods)


def pod(ready, phase='Running', message=None, waiting=None, deleted=None):
    return client.V1Pod(
        metadata=client.V1ObjectMeta(name='sample-1',
                                     deletion_timestamp=deleted),
        status=client.V1PodStatus(
            phase=phase,
            conditions=[client.V1PodCondition(
                type='Ready', status='True' if ready else 'False',
                message=message)],
            container_statuses=waiting and [client.V1ContainerStatus(
                name='main', image='a', image_id='', ready=False,
                restart_count=0,
                state=client.V1ContainerState(waiting=waiting))]))


def test_a_container_s_reason_goes_before_the_pod_s():
    waiting = client.V1ContainerStateWaiting(
        reason='ImagePullBackOff', message='no such tag')
    assert flux.pods_that_wait(
        Cluster(pod(True), pod(False, message='not ready',
                               waiting=waiting)), RELEASE) == (
        '\npod sample-1: ImagePullBackOff: no such tag')


def test_a_pod_without_a_node_says_why():
    assert flux.pods_that_wait(
        Cluster(pod(False, 'Pending', 'no nodes')), RELEASE) == (
        '\npod sample-1: no nodes')


def test_a_cluster_that_does_not_answer_adds_nothing():
    assert flux.pods_that_wait(
        Cluster(error=OSError('refused')), RELEASE) == ''


@pytest.mark.parametrize('quiet', (
    pod(True), pod(False, 'Succeeded'), pod(False, deleted='2026-01-01')))
def test_pods_that_are_ready_done_or_going_are_not_waited_for(quiet):
    flux.wait_for_pods(Cluster(quiet), 'sample', 'sample', seconds=0)


def test_a_pod_that_is_not_ready_in_time_is_named():
    with pytest.raises(Failed, match='pods are not ready: sample-1'):
        flux.wait_for_pods(Cluster(pod(False)), 'sample', 'sample',
                           seconds=0)
