// SPDX-License-Identifier: Apache-2.0

package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ImagePolicy says which images may run in its namespace. If a namespace has
// at least one, no ClusterImagePolicy counts in it.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=imagepolicies,scope=Namespaced
type ImagePolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	Spec PolicySpec `json:"spec,omitempty"`
}

// ImagePolicyList is a list of ImagePolicy.
//
// +kubebuilder:object:root=true
type ImagePolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []ImagePolicy `json:"items"`
}

// ClusterImagePolicy says which images may run in the namespaces that have no
// ImagePolicy of their own.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=clusterimagepolicies,scope=Cluster
type ClusterImagePolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	Spec PolicySpec `json:"spec,omitempty"`
}

// ClusterImagePolicyList is a list of ClusterImagePolicy.
//
// +kubebuilder:object:root=true
type ClusterImagePolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []ClusterImagePolicy `json:"items"`
}

// PolicySpec is what a policy of either kind says.
type PolicySpec struct {
	// Repositories are the entries of the policy. The entries of all policies
	// that count are pooled, and the most specific one that matches an image
	// judges it. A policy without entries admits nothing.
	// +optional
	Repositories []Repository `json:"repositories,omitempty"`
}

// Mode says what happens to an image that an entry does not trust.
type Mode string

// The modes of an entry.
const (
	ModeEnforce Mode = "enforce"
	ModeWarn    Mode = "warn"
)

// Repository is one entry: a pattern and what images that match it must have.
type Repository struct {
	// Name is the pattern, a repository with its registry host, in which *
	// stands for any text: registry.local:9001/team/*. An image without a
	// tag or with any tag matches the name of its repository.
	// +optional
	Name string `json:"name,omitempty"`

	// Policy is what the image must have. If it is absent or empty the image
	// is admitted unseen.
	// +optional
	// +nullable
	Policy *Policy `json:"policy,omitempty"`

	// Mode enforce, the default, denies an image that is not trusted; warn
	// admits it with a warning to the user and counts it.
	// +optional
	// +kubebuilder:validation:Enum=enforce;warn
	Mode Mode `json:"mode,omitempty"`
}

// Policy is what an image must have to be admitted. All parts that are given
// must hold.
type Policy struct {
	// Trust asks for a signature in Notary v1.
	// +optional
	Trust Trust `json:"trust,omitempty"`

	// Simple lists requirements of simple signing.
	// +optional
	Simple Simple `json:"simple,omitempty"`

	// Vulnerability asks for a verdict about vulnerabilities.
	// +optional
	Vulnerability Vulnerability `json:"vulnerability,omitempty"`

	// MutateImage replaces the image by its signed digest, so that the image
	// that was judged is the one that runs. The default is true.
	// +optional
	MutateImage *bool `json:"mutateImage,omitempty"`
}

// Trust asks for a signature in Notary v1.
type Trust struct {
	// Enabled turns the requirement on. The default is false.
	// +optional
	Enabled *bool `json:"enabled,omitempty"`

	// TrustServer is the base URL of the Notary server. The default is known
	// for Docker Hub and quay.io only.
	// +optional
	TrustServer string `json:"trustServer,omitempty"`

	// SignerSecrets name Secrets in the namespace of the workload. Every
	// signer listed must have signed the image.
	// +optional
	SignerSecrets []SignerSecret `json:"signerSecrets,omitempty"`
}

// SignerSecret names a Secret with the keys name and publicKey.
type SignerSecret struct {
	// Name of the Secret.
	// +optional
	Name string `json:"name,omitempty"`
}

// RequirementType is the kind of one requirement of simple signing.
type RequirementType string

// The types of requirements.
const (
	RequirementAcceptAnything RequirementType = "insecureAcceptAnything"
	RequirementReject         RequirementType = "reject"
	RequirementSignedBy       RequirementType = "signedBy"
	// RequirementSigstoreSigned is met by cosign sign --key.
	RequirementSigstoreSigned RequirementType = "sigstoreSigned"
	// RequirementNotation is met by notation sign.
	RequirementNotation RequirementType = "notation"
)

// Simple lists requirements of signatures beside the image, and where those of
// simple signing are kept.
type Simple struct {
	// Requirements must all hold.
	// +optional
	// +nullable
	Requirements []SimpleRequirement `json:"requirements,omitempty"`

	// StoreURL is the base URL of a web server that keeps the signatures, if
	// the registry does not.
	// +optional
	StoreURL string `json:"storeURL,omitempty"`

	// StoreSecret names a Secret in the namespace of the workload with the
	// keys username and password for StoreURL.
	// +optional
	StoreSecret string `json:"storeSecret,omitempty"`
}

// SimpleRequirement is one requirement of simple signing.
type SimpleRequirement struct {
	// Type of the requirement.
	// +kubebuilder:validation:Enum=insecureAcceptAnything;reject;signedBy;sigstoreSigned;notation
	Type RequirementType `json:"type"`

	// KeySecret names a Secret whose key named key holds public keys: PGP
	// keys for signedBy, PEM keys for sigstoreSigned, PEM certificates of
	// authorities for notation, which may also stand under ca.crt; there the
	// roots of timestamping authorities may stand under tsa.crt besides.
	// +optional
	KeySecret string `json:"keySecret,omitempty"`

	// KeySecretNamespace is the namespace of KeySecret. The default is the
	// namespace of the workload.
	// +optional
	KeySecretNamespace string `json:"keySecretNamespace,omitempty"`

	// SignedIdentity says which name the signature must give to the image.
	// +optional
	SignedIdentity IdentityRequirement `json:"signedIdentity,omitempty"`

	// TrustedIdentities says for notation which signers count of those whom
	// the certificates in KeySecret vouch for, each as x509.subject: and the
	// parts of a subject that must be there. The default is any.
	// +optional
	TrustedIdentities []string `json:"trustedIdentities,omitempty"`
}

// IdentityRequirement says which name a signature must give to the image.
type IdentityRequirement struct {
	// Type of the comparison. Empty means that a digest in the reference
	// needs the same repository, and a tag the same reference.
	// +optional
	// +kubebuilder:validation:Enum="";matchExact;matchRepository;matchExactReference;matchExactRepository;remapIdentity
	Type string `json:"type,omitempty"`

	// DockerReference is the reference that matchExactReference wants.
	// +optional
	DockerReference string `json:"dockerReference,omitempty"`

	// DockerRepository is the repository that matchExactRepository wants.
	// +optional
	DockerRepository string `json:"dockerRepository,omitempty"`

	// Prefix of the image's name that remapIdentity replaces.
	// +optional
	Prefix string `json:"prefix,omitempty"`

	// SignedPrefix is what remapIdentity puts in its place.
	// +optional
	SignedPrefix string `json:"signedPrefix,omitempty"`
}

// Vulnerability asks for a verdict about vulnerabilities.
type Vulnerability struct {
	// ICCRVA asks the vulnerability advisor of IBM's registry. This server
	// denies images that need it; IBM's own image supports it.
	// +optional
	ICCRVA ICCRVA `json:"ICCRVA,omitempty"`
}

// ICCRVA asks the vulnerability advisor of IBM's registry.
type ICCRVA struct {
	// Enabled turns the requirement on. The default is false.
	// +optional
	Enabled *bool `json:"enabled,omitempty"`

	// Account of the registry, if it is not that of the pull secret.
	// +optional
	Account string `json:"account,omitempty"`
}
