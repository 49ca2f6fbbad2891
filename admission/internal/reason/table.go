// SPDX-License-Identifier: Apache-2.0

package reason

// Entry is one row of the table the documentation is made from.
type Entry struct {
	Code    Code   `json:"code"`
	Meaning string `json:"meaning"`
	Cure    string `json:"cure"`
}

// The codes. Their text is a promise: scripts and dashboards match on it.
const (
	// About policies and what a user wrote.
	NoPolicy                 Code = "NO-POLICY"
	NoMatchingPolicy         Code = "NO-MATCHING-POLICY"
	PolicyInvalid            Code = "POLICY-INVALID"
	ImageInvalid             Code = "IMAGE-INVALID"
	Rejected                 Code = "REJECTED"
	RequirementUnsupported   Code = "REQUIREMENT-UNSUPPORTED"
	VulnerabilityUnsupported Code = "VULNERABILITY-UNSUPPORTED"
	DigestConflict           Code = "DIGEST-CONFLICT"

	// About trust data.
	NotSigned            Code = "NOT-SIGNED"
	NoTrustData          Code = "NO-TRUST-DATA"
	NotSignedBySigner    Code = "NOT-SIGNED-BY-SIGNER"
	SignerKeyMismatch    Code = "SIGNER-KEY-MISMATCH"
	SignerDigestConflict Code = "SIGNER-DIGEST-CONFLICT"
	DigestNotSigned      Code = "DIGEST-NOT-SIGNED"
	TrustDataExpired     Code = "TRUST-DATA-EXPIRED"
	TrustDataInvalid     Code = "TRUST-DATA-INVALID"
	TrustDataRolledBack  Code = "TRUST-DATA-ROLLED-BACK"
	RootChanged          Code = "ROOT-CHANGED"
	PinsUnavailable      Code = "PINS-UNAVAILABLE"

	// About the trust server.
	TrustServerUnknown     Code = "TRUST-SERVER-UNKNOWN"
	TrustServerUnreachable Code = "TRUST-SERVER-UNREACHABLE"
	TrustServerTimeout     Code = "TRUST-SERVER-TIMEOUT"
	TrustServerError       Code = "TRUST-SERVER-ERROR"
	TrustServerCertificate Code = "TRUST-SERVER-CERTIFICATE"

	// About signatures in a registry or in a store beside it.
	SignatureRefused    Code = "SIGNATURE-REFUSED"
	ImageNotFound       Code = "IMAGE-NOT-FOUND"
	RegistryUnreachable Code = "REGISTRY-UNREACHABLE"
	RegistryTimeout     Code = "REGISTRY-TIMEOUT"
	RegistryError       Code = "REGISTRY-ERROR"
	RegistryCertificate Code = "REGISTRY-CERTIFICATE"

	// About Secrets.
	KeyMissing         Code = "KEY-MISSING"
	KeyInvalid         Code = "KEY-INVALID"
	SignerInvalid      Code = "SIGNER-INVALID"
	SignerMissing      Code = "SIGNER-MISSING"
	NoCredentials      Code = "NO-CREDENTIALS"
	CredentialsRefused Code = "CREDENTIALS-REFUSED"
	PullSecretInvalid  Code = "PULL-SECRET-INVALID"

	// About the request and this server.
	RequestInvalid  Code = "REQUEST-INVALID"
	ObjectInvalid   Code = "OBJECT-INVALID"
	TooManyImages   Code = "TOO-MANY-IMAGES"
	Timeout         Code = "TIMEOUT"
	KubernetesError Code = "KUBERNETES-ERROR"
	NotReady        Code = "NOT-READY"
	Internal        Code = "INTERNAL"
)

// Table returns every code with its meaning and cure, in the order of the
// documentation. The caller owns the slice.
func Table() []Entry { return append([]Entry(nil), table...) }

// Lookup finds the entry of a code.
func Lookup(code Code) (Entry, bool) {
	for _, entry := range table {
		if entry.Code == code {
			return entry, true
		}
	}
	return Entry{}, false
}

var table = []Entry{
	{NoPolicy,
		"Neither the namespace has an ImagePolicy nor the cluster a ClusterImagePolicy, and without a policy no image is admitted.",
		"Create a policy with kubectl apply, or set trustServers or defaultPolicy in the chart's overrides and apply the application again."},
	{NoMatchingPolicy,
		"Policies exist, but none of their repository entries has a name that matches the image.",
		"Add an entry whose name matches the image to the policies that count here: the ImagePolicies of the namespace if it has any, else the ClusterImagePolicies."},
	{PolicyInvalid,
		"The policy cannot be used as it is written: it is refused as it is applied, and an image that it would judge is denied rather than admitted by accident.",
		"Correct the policy the message names; portieris lint FILE says what is wrong with it."},
	{ImageInvalid,
		"The image reference of a container does not parse.",
		"Correct the reference; it has the form [host[:port]/]name[:tag][@sha256:digest]."},
	{Rejected,
		"The policy entry that matches the image has the requirement reject.",
		"Use another image, or ask whoever keeps the policy to admit this one."},
	{RequirementUnsupported,
		"The policy entry that matches the image asks for a kind of signature that this server does not verify.",
		"Use policy.trust, or one of the requirements insecureAcceptAnything, reject, signedBy, sigstoreSigned and notation."},
	{VulnerabilityUnsupported,
		"The policy entry asks for a vulnerability verdict of IBM's registry (policy.vulnerability.ICCRVA), which this server does not ask for.",
		"Remove vulnerability from the entry, or point image.repository at IBM's own image, which supports it."},
	{DigestConflict,
		"The policy entry has several requirements and they vouch for different digests of the image.",
		"Push the image once more and sign it with every method the entry asks for."},

	{NotSigned,
		"There is no signature for the image: the trust data of its repository has no released one for the tag, or the registry or signature store has none.",
		"Sign the image with the method the policy entry asks for (in Notary: in the role targets or targets/releases) and publish the signature, or use an image that is signed."},
	{NoTrustData,
		"The trust server has no trust data for the repository.",
		"Initialise trust for the repository and sign the tag, or check that the policy names the right trust server and the image the registry's external host and port."},
	{NotSignedBySigner,
		"A signer that the policy requires has not signed this tag.",
		"Have the required signer sign the tag in its delegation role, or change signerSecrets in the policy."},
	{SignerKeyMismatch,
		"The public key in a signer Secret is not a key of that signer's role in the trust data.",
		"Put the public key that the trust data has for the signer into the Secret, or add the signer's key to the trust data."},
	{SignerDigestConflict,
		"The signers that the policy requires vouch for different digests of the same tag.",
		"Have every required signer sign the same image."},
	{DigestNotSigned,
		"The image is referenced by a digest that no released and required signature vouches for.",
		"Use a digest that is signed, or sign this one under a tag."},
	{TrustDataExpired,
		"A role of the repository's trust data is past its expiry date.",
		"Publish the repository's trust data again so that its roles are signed anew; for the timestamp role check the trust server and its clock."},
	{TrustDataInvalid,
		"The trust server's answer is not valid trust data for the repository: it does not parse, or its signatures do not verify.",
		"Check that the policy's trust server is a Notary v1 server and that no proxy changes its answers; then look at the repository's trust data with notary list."},
	{TrustDataRolledBack,
		"The trust server offers trust data older than what it has offered before.",
		"Restore the trust server's newest data. If it was restored from a backup on purpose, publish the repository once more."},
	{RootChanged,
		"The repository's root keys are not those that were seen first, and the old root has not signed the change: somebody initialised the repository anew, or takes its place.",
		"If the change is known and right, remove the repository's pin from its ConfigMap in the server's namespace as the message says; else treat it as an attack."},
	{PinsUnavailable,
		"The root keys of the repository are seen for the first time and could not be recorded or read, so nobody would notice a later change.",
		"Check that the server may read and write the ConfigMaps portieris-trust-pins-00 to -ff in its namespace and that the Kubernetes API answers."},

	{TrustServerUnknown,
		"The policy entry requires trust but names no trust server, and none is known for the image's registry.",
		"Set policy.trust.trustServer in the entry, or trustServers in the chart's overrides."},
	{TrustServerUnreachable,
		"No connection to the trust server or to its token service could be made.",
		"Check the trust server's address, that it runs, and name resolution, proxy and firewall between the cluster and it."},
	{TrustServerTimeout,
		"The trust server or its token service did not answer within the time the request has.",
		"Check the trust server's load and the network; raise webHooks.timeoutSeconds if it is merely far away."},
	{TrustServerError,
		"The trust server or its token service answered with an error.",
		"Look into the trust server's log for the time of the request."},
	{TrustServerCertificate,
		"The certificate of the trust server or of its token service is not trusted, out of date, or made out for another name.",
		"Give the certificate authority's certificate in trustedCA in the chart's overrides and apply again, or renew the server's certificate."},

	{SignatureRefused,
		"There are signatures of the image, and none of them satisfies the policy entry: they are by other keys, made for another image, or out of date.",
		"Sign the image with the key the policy entry names, under the name the image is pulled by, or correct keySecret, signedIdentity or trustedIdentities in the entry."},
	{ImageNotFound,
		"The registry has no image under the reference, so there is nothing whose signature could be verified.",
		"Push the image, or correct its reference."},
	{RegistryUnreachable,
		"No connection to the image's registry, its token service or the signature store could be made.",
		"Check the address, that it runs, and name resolution, proxy and firewall between the cluster and it."},
	{RegistryTimeout,
		"The image's registry, its token service or the signature store did not answer within the time the request has.",
		"Check its load and the network; raise webHooks.timeoutSeconds if it is merely far away."},
	{RegistryError,
		"The image's registry, its token service or the signature store answered with an error.",
		"Look into its log for the time of the request."},
	{RegistryCertificate,
		"The certificate of the image's registry, its token service or the signature store is not trusted, out of date, or made out for another name.",
		"Give the certificate authority's certificate in trustedCA in the chart's overrides and apply again, or renew the certificate."},

	{KeyMissing,
		"A Secret with keys or credentials for signatures that the policy names does not exist.",
		"Create the Secret: kubectl create secret generic NAME --from-file=key=FILE in the workload's namespace or in keySecretNamespace; one for storeSecret has the keys username and password."},
	{KeyInvalid,
		"A Secret with keys for signatures does not hold what it must: under the key named key armoured PGP public keys for signedBy, PEM public keys for sigstoreSigned, PEM certificates of authorities for notation (there under ca.crt as well), one of them in date at least if there are no roots of timestamping authorities under tsa.crt.",
		"Create the Secret again: kubectl create secret generic NAME --from-file=key=FILE."},
	{SignerInvalid,
		"A signer Secret does not hold what it must: the keys name and publicKey, the latter a PEM public key or certificate.",
		"Create the Secret again: kubectl create secret generic NAME --from-literal=name=SIGNER --from-file=publicKey=FILE."},
	{SignerMissing,
		"A signer Secret that the policy names does not exist in the workload's namespace.",
		"Create the Secret in the workload's namespace: kubectl create secret generic NAME --from-literal=name=SIGNER --from-file=publicKey=FILE."},
	{NoCredentials,
		"The trust server, the registry or the signature store wants credentials, and neither the pod's nor its ServiceAccount's pull secrets have any for the image's registry, nor does the policy name a storeSecret for the store.",
		"Add a pull secret for the image's registry host, with the port if it has one, to imagePullSecrets of the pod or its ServiceAccount; for a signature store name a Secret with username and password as storeSecret."},
	{CredentialsRefused,
		"The trust server, the registry, its token service or the signature store refused every credential it was shown.",
		"Check user name and password in the Secret the message names and that the user may pull from the repository."},
	{PullSecretInvalid,
		"A pull secret is not of a type that holds registry credentials, or its content does not parse, and without it no credential works.",
		"Create it again: kubectl create secret docker-registry NAME --docker-server=HOST[:PORT] --docker-username=USER --docker-password=PASSWORD."},

	{RequestInvalid,
		"The admission request is not an AdmissionReview of version v1, or too large.",
		"Check that nothing but the Kubernetes API server calls /admit, and that the webhook asks for admissionReviewVersions v1."},
	{ObjectInvalid,
		"The object in the admission request cannot be read as the kind it claims to be.",
		"Correct the object; kubectl apply --dry-run=server --validate=strict names the field."},
	{TooManyImages,
		"The object names more images than the server judges in one request.",
		"Split the workload into several objects."},
	{Timeout,
		"The time the API server allows for the request passed before a decision was reached.",
		"Try again; if it stays so, raise webHooks.timeoutSeconds and look at the server's metrics for the slow part."},
	{KubernetesError,
		"The Kubernetes API could not answer a question the decision depends on.",
		"Check that the API server answers and that the server's ClusterRole is the chart's."},
	{NotReady,
		"The server has just started and has not read the policies yet.",
		"Try again in a few seconds; if it stays so, check that the policy CRDs are installed and look at the server's log."},
	{Internal,
		"The server met an error it has no code for.",
		"Look into the server's log for the time of the request and report what it says."},
}
