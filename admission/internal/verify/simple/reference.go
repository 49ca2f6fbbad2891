// SPDX-License-Identifier: Apache-2.0

package simple

import (
	"context"

	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/types"
)

// imageName is the library's view of a name without its registry client,
// which would bring a transport of its own and a third of the binary.
type imageName struct{ named reference.Named }

func (n imageName) DockerReference() reference.Named        { return n.named }
func (n imageName) StringWithinTransport() string           { return "//" + n.named.String() }
func (n imageName) PolicyConfigurationIdentity() string     { return n.named.String() }
func (n imageName) PolicyConfigurationNamespaces() []string { return nil }
func (n imageName) Transport() types.ImageTransport         { return transportName("docker") }

func (n imageName) NewImage(context.Context, *types.SystemContext) (types.ImageCloser, error) {
	return nil, errNotAsked
}

func (n imageName) NewImageSource(context.Context, *types.SystemContext) (types.ImageSource, error) {
	return nil, errNotAsked
}

func (n imageName) NewImageDestination(context.Context, *types.SystemContext) (types.ImageDestination, error) {
	return nil, errNotAsked
}

func (n imageName) DeleteImage(context.Context, *types.SystemContext) error { return errNotAsked }

// transportName is all that the policy engine asks of a transport.
type transportName string

func (t transportName) Name() string { return string(t) }

func (t transportName) ParseReference(string) (types.ImageReference, error) {
	return nil, errNotAsked
}

func (t transportName) ValidatePolicyConfigurationScope(string) error { return errNotAsked }
