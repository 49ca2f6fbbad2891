// SPDX-License-Identifier: Apache-2.0

package notary

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/verify/keysize"
)

// keys are those of a file, as the library reads them.
type keys map[string]struct {
	KeyVal struct {
		Public []byte `json:"public"`
	} `json:"keyval"`
}

// checkKeys refuses a file with keys by which the library would check
// signatures for longer than anybody waits.
func checkKeys(file []byte) error {
	var read struct {
		Signed struct {
			Keys        keys `json:"keys"`
			Delegations struct {
				Keys keys `json:"keys"`
			} `json:"delegations"`
		} `json:"signed"`
	}
	if err := json.Unmarshal(file, &read); err != nil {
		return err
	}
	for _, all := range []keys{read.Signed.Keys, read.Signed.Delegations.Keys} {
		for _, key := range all {
			if err := checkKey(key.KeyVal.Public); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkKey looks into a key in each of the forms in which there are some. What
// is in none of them is left for the library to refuse.
func checkKey(public []byte) error {
	forms := [][]byte{public}
	for block, rest := pem.Decode(public); block != nil; block, rest = pem.Decode(rest) {
		forms = append(forms, block.Bytes)
	}
	for _, form := range forms {
		key, err := x509.ParsePKIXPublicKey(form)
		if err != nil {
			certificate, err := x509.ParseCertificate(form)
			if err != nil {
				continue
			}
			key = certificate.PublicKey
		}
		if err := keysize.Check(key); err != nil {
			return err
		}
	}
	return nil
}
