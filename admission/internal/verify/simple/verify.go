// SPDX-License-Identifier: Apache-2.0

// Package simple decides whether an image carries the GPG signatures ("simple
// signing") that a policy requires, kept in a lookaside store. The decision
// itself is that of the containers/image library; this package only brings it
// manifest and signatures, within bounds.
package simple

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/image"
	"go.podman.io/image/v5/signature"
)

// Fetch reads a URL path with the caller's credentials: of a repository below
// /v2/<name>/, or of a lookaside store. At most limit bytes are read; a status
// other than 200 is no error.
type Fetch func(ctx context.Context, path, accept string, limit int64) (status int, body []byte, err error)

// Identity says which name a signature must have been made for. The zero
// value is the library's default: the same repository, and the same tag
// unless the image is asked for by digest. Types and fields are those of
// containers-policy.json(5).
type Identity struct {
	Type                                                    string
	DockerReference, DockerRepository, Prefix, SignedPrefix string
}

// Requirement is one signedBy requirement: a signature by any key of the ring.
type Requirement struct {
	KeyRing  []byte // armored or binary, one or more blocks
	Identity Identity
}

// Request is one question: does this image satisfy every requirement?
type Request struct {
	Reference    string // full name with tag or digest, as the user wrote it
	Repository   Fetch
	Store        Fetch // nil: no lookaside store is configured
	Requirements []Requirement
	// Known tells that the signatures of a digest satisfied the requirements
	// a while ago, and need not be read again; nil: of none.
	Known func(digest string) bool
	// Keep is told of a digest whose signatures were read and satisfy the
	// requirements, and of the times after which they may do so no more; nil:
	// nobody is.
	Keep func(digest string, ends []time.Time)
}

// The ways a check can end other than well. Anything else says that registry
// or store did not answer as they should.
var (
	// ErrNoStore says that no place for signatures is known.
	ErrNoStore = errors.New("no signature store is configured: the policy has no storeURL")
	// ErrNoName says that no signature can be about an image of this name.
	ErrNoName = errors.New("GPG signatures have no name for this registry: write its host name in small letters, and no IPv6 address")
	// ErrNoImage says that the registry answered, and has no such manifest.
	ErrNoImage = errors.New("the registry has no such image")
	// ErrUnsigned says that the store answered, and holds no signature.
	ErrUnsigned = errors.New("the image is not signed")
)

// Refused says that there are signatures, and that they do not satisfy the
// requirements.
type Refused struct{ Reason string }

func (r *Refused) Error() string { return r.Reason }

// BadRequirement says that a requirement cannot be used as it is written.
type BadRequirement struct{ Reason string }

func (b *BadRequirement) Error() string { return b.Reason }

// Verify returns the digest of the manifest that satisfies every requirement.
// Every error is a denial.
func Verify(ctx context.Context, r Request) (string, error) {
	named, err := reference.ParseNormalizedNamed(r.Reference)
	if err != nil {
		// The library's grammar is older than that of container runtimes.
		return "", ErrNoName
	}
	policy, err := libraryPolicy(r.Requirements)
	if err != nil {
		return "", err
	}
	if r.Store == nil {
		return "", ErrNoStore
	}
	named = reference.TagNameOnly(named)
	content, found, err := fetchManifest(ctx, named, r.Repository)
	if err != nil {
		return "", err
	}
	if r.Known != nil && r.Known(found.String()) {
		return found.String(), nil
	}
	signatures, err := fetchSignatures(ctx, r.Store, reference.Path(named), found)
	if err != nil {
		return "", err
	}
	if len(signatures) == 0 {
		return "", ErrUnsigned
	}
	signatures, problem := readable(signatures)
	if len(signatures) == 0 {
		return "", &Refused{problem.Error()}
	}
	if err := judge(ctx, policy, &source{imageName{named}, content, signatures}); err != nil {
		return "", err
	}
	if ends, err := endsOf(r.Requirements, signatures); err == nil && r.Keep != nil {
		r.Keep(found.String(), ends)
	}
	return found.String(), nil
}

// judge asks the library whether the signatures satisfy the policy.
func judge(ctx context.Context, policy *signature.Policy, source *source) (err error) {
	evaluation, err := signature.NewPolicyContext(policy)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, evaluation.Destroy()) }()
	allowed, err := evaluation.IsRunningImageAllowed(ctx, image.UnparsedInstance(source, nil))
	if err != nil {
		return &Refused{err.Error()}
	}
	if !allowed {
		return &Refused{"the signatures do not satisfy the requirements"}
	}
	return nil
}

func libraryPolicy(requirements []Requirement) (*signature.Policy, error) {
	if len(requirements) == 0 {
		return nil, &BadRequirement{"there is no signedBy requirement"}
	}
	var all signature.PolicyRequirements
	for _, requirement := range requirements {
		ring, err := readRing(requirement.KeyRing)
		if err != nil {
			return nil, &BadRequirement{err.Error()}
		}
		identity, err := requirement.Identity.match()
		if err != nil {
			return nil, &BadRequirement{fmt.Sprintf("signedIdentity: %v", err)}
		}
		signedBy, err := signature.NewPRSignedByKeyData(signature.SBKeyTypeGPGKeys, ring, identity)
		if err != nil {
			return nil, &BadRequirement{err.Error()}
		}
		all = append(all, signedBy)
	}
	return &signature.Policy{Default: all}, nil
}

func (i Identity) match() (signature.PolicyReferenceMatch, error) {
	switch i.Type {
	case "", "matchRepoDigestOrExact":
		return signature.NewPRMMatchRepoDigestOrExact(), nil
	case "matchExact":
		return signature.NewPRMMatchExact(), nil
	case "matchRepository":
		return signature.NewPRMMatchRepository(), nil
	case "matchExactReference":
		return signature.NewPRMExactReference(i.DockerReference)
	case "matchExactRepository":
		return signature.NewPRMExactRepository(i.DockerRepository)
	case "remapIdentity":
		return signature.NewPRMRemapIdentity(i.Prefix, i.SignedPrefix)
	}
	return nil, fmt.Errorf("type %q is not known", i.Type)
}
