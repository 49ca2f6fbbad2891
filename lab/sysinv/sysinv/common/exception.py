# SPDX-License-Identifier: Apache-2.0
"""The exceptions a plugin raises or catches, with sysinv's sentences."""


class SysinvException(Exception):
    """A sentence, or the class's own filled with the keyword arguments."""

    message = 'An unknown exception occurred.'
    code = 500

    def __init__(self, message=None, **kwargs):
        self.kwargs = kwargs
        if message is None:
            message = self.message % kwargs
        super(SysinvException, self).__init__(message)


class Invalid(SysinvException):
    message = 'Unacceptable parameters.'
    code = 400


class MultipleResults(SysinvException):
    message = 'More than one result was found for the query.'


class NotFound(SysinvException):
    message = 'Resource could not be found.'
    code = 404


class ApplicationApplyFailure(SysinvException):
    message = 'Application %(name)s encountered a transient failure.'


class HelmOverrideNotFound(NotFound):
    message = 'No helm override %(name)s in namespace %(namespace)s.'


class IncompatibleKubeVersion(SysinvException):
    message = ('Application %(name)s (%(version)s) is incompatible with '
               'Kubernetes %(kube_version)s.')


class InvalidHelmNamespace(Invalid):
    message = 'Chart %(chart)s has no overrides in namespace %(namespace)s.'


class KubeAppApplyFailure(SysinvException):
    message = ('Deployment of application %(name)s (%(version)s) failed: '
               '%(reason)s')


class KubeAppNotFound(NotFound):
    message = 'No application with name %(name)s.'


class KubeNamespaceDeleteTimeout(SysinvException):
    message = 'Namespace %(name)s was not deleted in time.'


class LifecycleSemanticCheckException(SysinvException):
    message = 'A semantic check of the application failed.'


class LifecycleSemanticCheckOpererationBlocked(SysinvException):
    message = '%(op)s is disabled for this version of %(app)s.'


class LifecycleStatusCheckNotReady(SysinvException):
    message = 'The application is not ready.'
