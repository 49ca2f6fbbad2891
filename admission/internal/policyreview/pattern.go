// SPDX-License-Identifier: Apache-2.0

package policyreview

import (
	"fmt"
	"strings"

	v1 "opendev.org/starlingx/portieris-armada-app/admission/api/v1"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/policy"
)

// alphabet is all that an image reference is made of, and the star.
const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" +
	"0123456789._-/:@+[]*"

// neverMatches says why a pattern matches no image at all, or nothing.
func neverMatches(name string) string {
	switch last := strings.TrimLeft(name, alphabet); {
	case name == "":
		return "it has no name, so it matches no image"
	case strings.ContainsAny(name, " \t\r\n"):
		return fmt.Sprintf("its name %q has a blank in it, so it matches no "+
			"image", name)
	case strings.Contains(name, "://"):
		return fmt.Sprintf("its name %q begins with a scheme; a name begins "+
			"with the registry's host", name)
	case last != "":
		return fmt.Sprintf("its name %q has %q in it, which no image has; "+
			"only * stands for other text", name, []rune(last)[0])
	case strings.Contains(name, "//"):
		return fmt.Sprintf("its name %q has two slashes in a row, so it "+
			"matches no image", name)
	case strings.Contains(name, "/."):
		return fmt.Sprintf("its name %q has a dot behind a slash, so it "+
			"matches no image; * alone stands for any text", name)
	case strings.HasSuffix(name, "/"):
		return fmt.Sprintf("its name %q ends with a slash, so it matches no "+
			"image; end it with /*", name)
	case strings.HasSuffix(name, ":") && !mayBeAddress(name),
		strings.HasSuffix(name, "@"):
		return fmt.Sprintf("its name %q ends with %s, so it matches no "+
			"image; leave that out, and every tag matches", name,
			name[len(name)-1:])
	case hasCapital(name):
		return fmt.Sprintf("its name %q has a capital letter behind the "+
			"host, so it matches no image", name)
	}
	return ""
}

// mayBeAddress tells whether the end of a pattern may stand within an IPv6
// address, which has colons in a row.
func mayBeAddress(name string) bool {
	return !strings.Contains(name, "/") && strings.ContainsAny(name, "*[")
}

// hasCapital tells whether the path of a pattern has a capital letter where
// no tag can be. A star may stand for what begins a tag.
func hasCapital(name string) bool {
	_, path, anchored := strings.Cut(name, "/")
	if end := strings.IndexAny(path, "*:@"); end >= 0 {
		path = path[:end]
	}
	return anchored && path != strings.ToLower(path)
}

// matchesOthers says which images a pattern takes in or leaves out that its
// author may not have thought of, or nothing.
func matchesOthers(name string) string {
	host, path, anchored := strings.Cut(name, "/")
	switch {
	case name == "*":
		return ""
	case !anchored && strings.Contains(name, "*"):
		return fmt.Sprintf("its name %q has no slash, so it matches over "+
			"the whole reference, whatever the registry", name)
	case !anchored && strings.ContainsAny(name, ".:"):
		return fmt.Sprintf("its name %q has no slash, so it is no registry "+
			"but an image of Docker Hub; for the registry write %q",
			name, name+"/*")
	case strings.Contains(host, "*") && !ownHosts(host):
		return fmt.Sprintf("the star in the host of its name %q matches the "+
			"hosts of strangers too", name)
	case strings.HasSuffix(path, "*") && endsInWord(path[:len(path)-1]):
		return fmt.Sprintf("its name %q matches %q too; without the star it "+
			"matches every tag", name, strings.TrimRight(name, "*")+"-other")
	}
	return otherSpelling(name)
}

// namesATag tells whether a pattern leaves references by digest to others.
func namesATag(name string) bool {
	_, path, anchored := strings.Cut(name, "/")
	return anchored && strings.Contains(path, ":") &&
		!strings.Contains(path, "@")
}

// ownHosts tells whether the stars in a host leave all that it matches with
// one owner: any host at all, those below a domain, or the ports of a host.
func ownHosts(host string) bool {
	rest := strings.TrimPrefix(host, "*.")
	name, _, _ := strings.Cut(rest, ":")
	return host == "*" || !strings.Contains(name, "*")
}

func endsInWord(text string) bool {
	if text == "" {
		return false
	}
	last := text[len(text)-1]
	return last >= 'a' && last <= 'z' || last >= '0' && last <= '9'
}

// otherSpelling says that a pattern is not the full name of the images it
// looks like: what has no registry is of Docker Hub, whose name a user may
// write in full.
func otherSpelling(name string) string {
	image, known := sample(name)
	if !known && !strings.ContainsAny(name, "*/") {
		var err error
		image, err = policy.Parse(name)
		known = err == nil
	}
	if !known {
		return ""
	}
	full, err := policy.Parse(inFull(image))
	if err != nil || chosen(name, full) {
		return ""
	}
	return fmt.Sprintf("its name %q matches only images that are written so; "+
		"in full they are called %q", name, full.Written)
}

func inFull(image policy.Image) string {
	full := image.Name
	if image.Tag != "" {
		full += ":" + image.Tag
	}
	if image.Digest != "" {
		full += "@" + image.Digest
	}
	return full
}

// sample is an image that a pattern is likely to be meant for. It is false if
// the registry is not known.
func sample(name string) (policy.Image, bool) {
	host, path, anchored := strings.Cut(name, "/")
	if !anchored || strings.Contains(host, "*") {
		return policy.Image{}, false
	}
	image, err := policy.Parse(host + "/" +
		strings.ReplaceAll(path, "*", "x"))
	return image, err == nil
}

// chosen tells whether an entry of this name judges an image.
func chosen(name string, image policy.Image) bool {
	only := &v1.ClusterImagePolicy{}
	only.Spec.Repositories = []v1.Repository{{Name: name}}
	_, err := policy.Choose(policy.Set{
		Cluster: []*v1.ClusterImagePolicy{only}}, image)
	return err == nil
}
