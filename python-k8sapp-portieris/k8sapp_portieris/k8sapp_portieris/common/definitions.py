# SPDX-License-Identifier: Apache-2.0
"""The chart's crds without their texts; written by generate_from_chart.py."""

import json

# The kinds differ in name and scope alone.
VERSIONS = json.loads(r'''
[
 {
  "name": "v1",
  "schema": {
   "openAPIV3Schema": {
    "properties": {
     "apiVersion": {
      "type": "string"
     },
     "kind": {
      "type": "string"
     },
     "metadata": {
      "type": "object"
     },
     "spec": {
      "properties": {
       "repositories": {
        "items": {
         "properties": {
          "mode": {
           "enum": [
            "enforce",
            "warn"
           ],
           "type": "string"
          },
          "name": {
           "type": "string"
          },
          "policy": {
           "nullable": true,
           "properties": {
            "mutateImage": {
             "type": "boolean"
            },
            "simple": {
             "properties": {
              "requirements": {
               "items": {
                "properties": {
                 "keySecret": {
                  "type": "string"
                 },
                 "keySecretNamespace": {
                  "type": "string"
                 },
                 "signedIdentity": {
                  "properties": {
                   "dockerReference": {
                    "type": "string"
                   },
                   "dockerRepository": {
                    "type": "string"
                   },
                   "prefix": {
                    "type": "string"
                   },
                   "signedPrefix": {
                    "type": "string"
                   },
                   "type": {
                    "enum": [
                     "",
                     "matchExact",
                     "matchRepository",
                     "matchExactReference",
                     "matchExactRepository",
                     "remapIdentity"
                    ],
                    "type": "string"
                   }
                  },
                  "type": "object"
                 },
                 "trustedIdentities": {
                  "items": {
                   "type": "string"
                  },
                  "type": "array"
                 },
                 "type": {
                  "enum": [
                   "insecureAcceptAnything",
                   "reject",
                   "signedBy",
                   "sigstoreSigned",
                   "notation"
                  ],
                  "type": "string"
                 }
                },
                "required": [
                 "type"
                ],
                "type": "object"
               },
               "nullable": true,
               "type": "array"
              },
              "storeSecret": {
               "type": "string"
              },
              "storeURL": {
               "type": "string"
              }
             },
             "type": "object"
            },
            "trust": {
             "properties": {
              "enabled": {
               "type": "boolean"
              },
              "signerSecrets": {
               "items": {
                "properties": {
                 "name": {
                  "type": "string"
                 }
                },
                "type": "object"
               },
               "type": "array"
              },
              "trustServer": {
               "type": "string"
              }
             },
             "type": "object"
            },
            "vulnerability": {
             "properties": {
              "ICCRVA": {
               "properties": {
                "account": {
                 "type": "string"
                },
                "enabled": {
                 "type": "boolean"
                }
               },
               "type": "object"
              }
             },
             "type": "object"
            }
           },
           "type": "object"
          }
         },
         "type": "object"
        },
        "type": "array"
       }
      },
      "type": "object"
     }
    },
    "type": "object"
   }
  },
  "served": true,
  "storage": true
 }
]
''')

DEFINITIONS = json.loads(r'''
[
 {
  "apiVersion": "apiextensions.k8s.io/v1",
  "kind": "CustomResourceDefinition",
  "metadata": {
   "annotations": {
    "controller-gen.kubebuilder.io/version": "v0.20.1"
   },
   "name": "clusterimagepolicies.portieris.cloud.ibm.com"
  },
  "spec": {
   "group": "portieris.cloud.ibm.com",
   "names": {
    "kind": "ClusterImagePolicy",
    "listKind": "ClusterImagePolicyList",
    "plural": "clusterimagepolicies",
    "singular": "clusterimagepolicy"
   },
   "scope": "Cluster"
  }
 },
 {
  "apiVersion": "apiextensions.k8s.io/v1",
  "kind": "CustomResourceDefinition",
  "metadata": {
   "annotations": {
    "controller-gen.kubebuilder.io/version": "v0.20.1"
   },
   "name": "imagepolicies.portieris.cloud.ibm.com"
  },
  "spec": {
   "group": "portieris.cloud.ibm.com",
   "names": {
    "kind": "ImagePolicy",
    "listKind": "ImagePolicyList",
    "plural": "imagepolicies",
    "singular": "imagepolicy"
   },
   "scope": "Namespaced"
  }
 }
]
''')
for _each in DEFINITIONS:
    _each['spec']['versions'] = VERSIONS
