// SPDX-License-Identifier: Apache-2.0

// Package v1 holds the types of ImagePolicy and ClusterImagePolicy, from which
// the deep copies and the chart's CRDs are generated. It never interprets a
// policy: internal/policy chooses the entry and internal/decision judges by it.
//
// +kubebuilder:object:generate=true
// +groupName=portieris.cloud.ibm.com
package v1

//go:generate go run sigs.k8s.io/controller-tools/cmd/controller-gen@v0.20.1 object:headerFile=header.go.txt crd:crdVersions=v1,headerFile=header.yaml.txt paths=. output:crd:dir=../../../stx-portieris-helm/helm-charts/portieris/crds
