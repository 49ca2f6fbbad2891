// SPDX-License-Identifier: Apache-2.0

package notary

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/theupdateframework/notary/trustpinning"
	"github.com/theupdateframework/notary/tuf/signed"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/registry"
)

// denial says why an update failed, as the user reads it.
func denial(r Request, server string, waited time.Duration, err error) error {
	var known *reason.Denial
	if errors.As(err, &known) {
		return known
	}
	var transport *registry.Error
	switch {
	case errors.As(err, &transport):
		return transportDenial(r, server, waited, err, transport)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return reason.Wrap(reason.TrustServerTimeout, err,
			content+"trust server %s did not answer within %s", server, round(waited))
	default:
		return dataDenial(r, server, err)
	}
}

func transportDenial(r Request, server string, waited time.Duration, err error, t *registry.Error) error {
	const endpoint = "could not resolve the auth-endpoint, "
	switch t.Kind {
	case registry.Unreachable:
		return reason.Wrap(reason.TrustServerUnreachable, err, endpoint+"%v", t)
	case registry.Certificate:
		return reason.Wrap(reason.TrustServerCertificate, err, endpoint+"%v", t)
	case registry.Timeout:
		who := "trust server " + server
		if t.URL != "" && !strings.HasPrefix(t.URL, server+"/") {
			who = "token service " + t.URL + " of trust server " + server
		}
		return reason.Wrap(reason.TrustServerTimeout, err,
			content+"%s did not answer within %s", who, round(waited))
	case registry.Challenge:
		return reason.Wrap(reason.TrustServerError, err, endpoint+"no supported auth-endpoint found: %v", t)
	case registry.Missing:
		return reason.Wrap(reason.NoCredentials, err,
			"no valid ImagePullSecret defined for %s: %v", r.image(), t)
	case registry.Refused:
		return reason.Wrap(reason.CredentialsRefused, err,
			"no valid ImagePullSecret defined for %s: %v", r.image(), t.For(r.Credentials))
	case registry.Status:
		return statusDenial(r, server, err, t)
	case registry.TooLarge:
		return reason.Wrap(reason.TrustDataInvalid, err, content+"%v", t)
	case registry.Garbage:
		if strings.HasPrefix(t.URL, server+"/v2/") {
			return reason.Wrap(reason.TrustDataInvalid, err, content+"%v", t)
		}
		return reason.Wrap(reason.TrustServerError, err, content+"%v", t)
	default: // Invalid, Forbidden
		return reason.Wrap(reason.TrustServerError, err, content+"%v", t)
	}
}

// statusDenial tells a repository without trust data from a server that fails.
func statusDenial(r Request, server string, err error, t *registry.Error) error {
	if noTrustData(err) {
		return reason.Wrap(reason.NoTrustData, err,
			content+"%s does not have trust data for %s", host(server), r.GUN)
	}
	var failed *failedFile
	if t.Status != http.StatusNotFound || !errors.As(err, &failed) {
		return reason.Wrap(reason.TrustServerError, err,
			content+"unable to reach trust server at this time: %d (%v)", t.Status, t)
	}
	return reason.Wrap(reason.TrustDataInvalid, err,
		content+"%s has trust data for %s, but its file %s is missing", server, r.GUN, failed.name)
}

// noTrustData tells that the server has nothing for the repository.
func noTrustData(err error) bool {
	var failed *failedFile
	var transport *registry.Error
	return errors.As(err, &failed) && (failed.name == "root" || failed.name == "timestamp") &&
		errors.As(err, &transport) && transport.Kind == registry.Status && transport.Status == http.StatusNotFound
}

// dataDenial names what is wrong with trust data that was received.
func dataDenial(r Request, server string, err error) error {
	var expired signed.ErrExpired
	var low signed.ErrLowVersion
	switch {
	case errors.As(err, &expired):
		return reason.Wrap(reason.TrustDataExpired, err,
			content+"the role %s of the trust data expired on %s", expired.Role, expired.Expired)
	case errors.As(err, &low):
		return reason.Wrap(reason.TrustDataRolledBack, err,
			content+"%s offers version %d of a role of %s after version %d", server, low.Actual, r.GUN, low.Current)
	default:
		return reason.Wrap(reason.TrustDataInvalid, err,
			content+"the trust data of %s at %s does not verify: %v", r.GUN, server, brief(err))
	}
}

// rootFailed says whether the library did not accept a root.
func rootFailed(err error) bool {
	var rotation *trustpinning.ErrRootRotationFail
	var validation *trustpinning.ErrValidationFail
	return errors.As(err, &rotation) || errors.As(err, &validation)
}

func (v *Verifier) rootChanged(r Request, server string, pinned, offered []string, err error) error {
	if slices.Equal(pinned, offered) {
		return dataDenial(r, server, err)
	}
	sentence := fmt.Sprintf(content+"could not rotate trust to a new trusted root: %s offers the root keys %s for %s, pinned are %s, which have not signed the change",
		server, shortIDs(offered), r.GUN, shortIDs(pinned))
	if named, ok := v.pins.(interface {
		ResetCommand(server, gun string) string
	}); ok {
		sentence += "; if the change is right, accept it with: " + named.ResetCommand(server, r.GUN)
	}
	return reason.Wrap(reason.RootChanged, err, "%s", sentence)
}

func host(server string) string { return strings.TrimPrefix(server, "https://") }

func shortIDs(ids []string) string {
	if len(ids) == 0 {
		return "(unknown)"
	}
	short := make([]string, len(ids))
	for i, id := range ids {
		short[i] = id[:min(12, len(id))]
	}
	return strings.Join(short, ", ")
}

// brief keeps what a peer sent from filling a message.
func brief(err error) string {
	text := strings.ToValidUTF8(err.Error(), "?")
	if len(text) > 300 {
		text = text[:300] + "..."
	}
	return text
}

func round(d time.Duration) time.Duration {
	if d > time.Second {
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Millisecond)
}
