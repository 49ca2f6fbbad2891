# SPDX-License-Identifier: Apache-2.0
"""The keys of the chart's values; written by generate_from_chart.py.

A dictionary names all keys there are, a list holds the shape of its items,
a tuple the values to choose from. Below None anything goes.
"""

OVERRIDE_KEYS = \
    {'PostUpgradePolicy': None,
     'ReapplyAdmissionWebhook': None,
     'TrustedCACert': None,
     'affinity': None,
     'app.starlingx.io/component': None,
     'caCert': None,
     'certificates': {'caDuration': None,
                      'duration': None,
                      'renewBefore': None},
     'defaultPolicy': ('allow', 'deny', 'none'),
     'doctor': {'admits': None, 'namespace': None},
     'exemptNamespaces': None,
     'image': {'repository': None, 'tag': None},
     'imagePullSecrets': None,
     'images': {'tags': {'portieris': None}},
     'keepPolicies': None,
     'logLevel': ('debug', 'info', 'warn', 'error'),
     'namespace': None,
     'nodeSelector': None,
     'podAnnotations': None,
     'podDisruptionBudget': {'enabled': None, 'maxUnavailable': None},
     'priorityClassName': None,
     'probes': {'failureThreshold': None,
                'periodSeconds': None,
                'timeoutSeconds': None},
     'proxy': {'http': None, 'https': None, 'noProxy': None},
     'replicaCount': None,
     'resources': None,
     'tolerations': None,
     'trustFreshness': None,
     'trustServers': [{'registry': None, 'signerSecrets': None, 'url': None}],
     'trustedCA': None,
     'webHooks': {'failurePolicy': ('Fail', 'Ignore'),
                  'reinvocationPolicy': ('IfNeeded', 'Never'),
                  'timeoutSeconds': None}}
