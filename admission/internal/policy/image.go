// SPDX-License-Identifier: Apache-2.0

// Package policy decides which entry of which policy judges an image, from
// the image's reference and the policies of its namespace and cluster. It
// never looks at signatures, and it never asks anything over the network.
package policy

import (
	"regexp"
	"strings"

	"github.com/distribution/reference"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/host"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
)

// Image is a parsed image reference.
type Image struct {
	// Written is the reference as the user wrote it.
	Written string
	// Host is the registry with its port: registry.local:9001, docker.io.
	Host string
	// Name is the full name, host included, without tag and digest:
	// docker.io/library/nginx. Notary calls it the GUN.
	Name string
	// Tag is latest if the reference has neither tag nor digest, and empty
	// if it has a digest only.
	Tag string
	// Digest is algorithm:hex, or empty.
	Digest string
}

// imageID begins the ID of an image, or the beginning of one. It reads as a
// tag of docker.io/library/sha256, but runtimes first look on their node for
// an image with the ID and run it, whatever repository it came from.
var imageID = regexp.MustCompile(`^sha(256|384|512):`)

// longest is more than any reference has: a name of 255 characters, a tag of
// 128 and a digest.
const longest = 1024

// Parse reads an image reference the way container runtimes do.
func Parse(written string) (Image, error) {
	if len(written) > longest {
		return Image{}, reason.New(reason.ImageInvalid,
			"the image reference has %d characters, more than any can have",
			len(written))
	}
	if imageID.MatchString(written) {
		return Image{}, reason.New(reason.ImageInvalid,
			"it is the ID of an image on a node and names no repository")
	}
	named, err := reference.ParseNormalizedNamed(written)
	if err != nil {
		return Image{}, reason.Wrap(reason.ImageInvalid, err,
			"the image reference does not parse: %v", err)
	}
	image := Image{Written: written, Name: named.Name()}
	// Not reference.Domain, which finds none in a name with an underscore.
	image.Host, _, _ = strings.Cut(image.Name, "/")
	if digested, ok := named.(reference.Digested); ok {
		image.Digest = digested.Digest().String()
	}
	if tagged, ok := named.(reference.Tagged); ok {
		image.Tag = tagged.Tag()
	} else if image.Digest == "" {
		image.Tag = "latest"
	}
	return image, nil
}

// WithDigest is the reference that runs the given digest and nothing else.
func (i Image) WithDigest(digest string) string {
	return i.Name + "@" + digest
}

// forms are the spellings of the reference that a pattern may match, the
// most telling first. Matching all of them keeps a user from choosing another
// entry by another spelling: nginx for docker.io/library/nginx:latest, or a
// digest where the policy names the repository. The first is the reference as
// written; the whole ones say which image of the repository is meant.
//
// For an entry that judges nothing, a tag is no spelling of a reference with a
// digest: whoever may run app:v1 unseen could run every image of the
// repository as app:v1@sha256:DIGEST, for runtimes pass over the tag.
func (i Image) forms(unseen bool) (all []string, whole int) {
	all = []string{i.Written}
	path := strings.TrimPrefix(i.Name, i.Host)
	registries := hosts(i.Host)
	for _, registry := range registries {
		name := registry + path
		if i.Tag != "" && i.Digest != "" {
			all = append(all, name+":"+i.Tag+"@"+i.Digest)
		}
		if i.Digest != "" {
			all = append(all, name+"@"+i.Digest)
		}
		if i.Tag != "" && !(unseen && i.Digest != "") {
			all = append(all, name+":"+i.Tag)
		}
	}
	whole = len(all)
	for _, registry := range registries {
		all = append(all, registry+path)
	}
	return all, whole
}

// hosts are the texts by which the same registry is reached, folded: 443 is
// the port of one that names none.
func hosts(written string) []string {
	name, port := host.Split(host.Fold(written))
	if port == "" || port == ":443" {
		return []string{name, name + ":443"}
	}
	return []string{name + port}
}

// foldedHost folds the part of a pattern that stands for a registry. Few
// need it, and this is done for each pattern and image.
func foldedHost(pattern string) string {
	slash := strings.IndexByte(pattern, '/')
	if slash < 0 || !unfolded(pattern[:slash]) {
		return pattern
	}
	return host.Fold(pattern[:slash]) + pattern[slash:]
}

// unfolded tells whether folding might change a host.
func unfolded(registry string) bool {
	for i, c := range []byte(registry) {
		if 'A' <= c && c <= 'Z' || c == '[' ||
			c == '0' && i > 0 && registry[i-1] == ':' {
			return true
		}
	}
	return strings.Contains(registry, ".docker.")
}

// matches tells whether a pattern matches one spelling of a reference. A star
// stands for any text, slashes included. In a pattern with a slash the part
// before the first slash, the registry host, matches only the part before the
// reference's first slash; a pattern without a slash matches over the whole
// reference. A pattern without a tag matches any tag.
func matches(pattern, reference string) bool {
	if match(pattern, reference) {
		return true
	}
	for i, c := range []byte(reference) {
		if c == ':' && match(pattern, reference[:i]) {
			return true
		}
	}
	return false
}

func match(pattern, reference string) bool {
	patternHost, patternPath, anchored := strings.Cut(pattern, "/")
	if !anchored {
		return glob(pattern, reference)
	}
	host, path, ok := strings.Cut(reference, "/")
	return ok && glob(patternHost, host) && glob(patternPath, path)
}

// glob takes no longer for a long pattern than for the text, but for stars in
// a row: who writes patterns must not be able to keep the server busy.
func glob(pattern, text string) bool {
	part, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == text
	}
	text, ok := strings.CutPrefix(text, part)
	for ok {
		part, rest, star = strings.Cut(strings.TrimLeft(rest, "*"), "*")
		if !star {
			return strings.HasSuffix(text, part)
		}
		_, text, ok = strings.Cut(text, part)
	}
	return false
}
