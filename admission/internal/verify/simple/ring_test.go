// SPDX-License-Identifier: Apache-2.0

package simple

import (
	"bytes"
	"crypto/rsa"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// key is a public key as gpg exports it.
func key(t *testing.T) []byte {
	t.Helper()
	made, err := openpgp.NewEntity("ci", "", "ci@example.com",
		&packet.Config{Algorithm: packet.PubKeyAlgoEdDSA})
	if err != nil {
		t.Fatal(err)
	}
	var public bytes.Buffer
	if err := made.Serialize(&public); err != nil {
		t.Fatal(err)
	}
	return public.Bytes()
}

// large is a key that takes long to use.
func large(t *testing.T) []byte {
	t.Helper()
	var public bytes.Buffer
	n := new(big.Int).Lsh(big.NewInt(1), 16383)
	err := packet.NewRSAPublicKey(time.Now(), &rsa.PublicKey{N: n, E: 65537}).Serialize(&public)
	if err != nil {
		t.Fatal(err)
	}
	return public.Bytes()
}

func TestARingTakesALimitedTimeToRead(t *testing.T) {
	one := key(t)
	for name, row := range map[string]struct {
		ring    []byte
		problem string
	}{
		"as many keys as are accepted": {bytes.Repeat(one, maxKeys), ""},
		"one key more":                 {bytes.Repeat(one, maxKeys+1), "has 101 keys"},
		"a large key":                  {append(bytes.Clone(one), large(t)...), "16384 bits"},
		"too long to be read":          {bytes.Repeat(one, maxRing/len(one)+1), "bytes"},
	} {
		err := Requirement{KeyRing: row.ring}.Check()
		if (err != nil) != (row.problem != "") || err != nil && !strings.Contains(err.Error(), row.problem) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestASignatureAndItsKeyTellWhenTheyEnd(t *testing.T) {
	config := packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, KeyLifetimeSecs: 3600}
	made, err := openpgp.NewEntity("ci", "", "ci@example.com", &config)
	if err != nil {
		t.Fatal(err)
	}
	var public, message bytes.Buffer
	if err := made.Serialize(&public); err != nil {
		t.Fatal(err)
	}
	config.SigLifetimeSecs = 60
	text, err := openpgp.Sign(&message, made, nil, &config)
	if err == nil {
		err = text.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	got, err := endsOf([]Requirement{{KeyRing: public.Bytes()}}, [][]byte{message.Bytes()})
	if err != nil || len(got) != 2 || got[1].Sub(got[0]) < 58*time.Minute {
		t.Errorf("they end at %v, %v", got, err)
	}
}
