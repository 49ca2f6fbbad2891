// SPDX-License-Identifier: Apache-2.0

package notation

import (
	"crypto/x509"
	"encoding/json"
	"errors"

	"github.com/notaryproject/tspclient-go"
	gocose "github.com/veraison/go-cose"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/keysize"
)

// stamped is where both kinds of envelopes keep a timestamp.
const stamped = "io.cncf.notary.timestampSignature"

// checkKeys refuses an envelope with certificates by whose keys the library
// would check signatures for longer than anybody waits. It does so before it
// looks whether anybody trusts them.
func checkKeys(envelope []byte, mediaType string) error {
	read := readJWS
	if mediaType == cose {
		read = readCOSE
	}
	chain, timestamp, err := read(envelope)
	if err != nil {
		return err
	}
	var all []*x509.Certificate
	for _, raw := range chain {
		certificate, err := x509.ParseCertificate(raw)
		if err != nil {
			return err
		}
		all = append(all, certificate)
	}
	// One that cannot be read is of no use to the library either, which does
	// not always want it.
	if token, err := tspclient.ParseSignedToken(timestamp); err == nil {
		all = append(all, token.Certificates...)
	}
	return keysize.Certificates(all)
}

func readJWS(envelope []byte) (chain [][]byte, timestamp []byte, err error) {
	var read struct {
		Header struct {
			Chain     [][]byte `json:"x5c"`
			Timestamp []byte   `json:"io.cncf.notary.timestampSignature"`
		} `json:"header"`
	}
	err = json.Unmarshal(envelope, &read)
	return read.Header.Chain, read.Header.Timestamp, err
}

func readCOSE(envelope []byte) (chain [][]byte, timestamp []byte, err error) {
	var read gocose.Sign1Message
	if err := read.UnmarshalCBOR(envelope); err != nil {
		return nil, nil, err
	}
	entries, _ := read.Headers.Unprotected[gocose.HeaderLabelX5Chain].([]any)
	for _, entry := range entries {
		raw, ok := entry.([]byte)
		if !ok {
			return nil, nil, errors.New("its certificates are malformed")
		}
		chain = append(chain, raw)
	}
	timestamp, _ = read.Headers.Unprotected[stamped].([]byte)
	return chain, timestamp, nil
}
