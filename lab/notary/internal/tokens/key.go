// SPDX-License-Identifier: Apache-2.0

package tokens

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"sync"
	"time"
)

// Key signs tokens. It is made anew at every start and never stored.
type Key struct {
	Certificate *x509.Certificate
	private     *rsa.PrivateKey

	mu      sync.Mutex
	refresh map[string][2]string
}

type claims struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audience  string   `json:"aud"`
	Expires   int64    `json:"exp"`
	NotBefore int64    `json:"nbf"`
	IssuedAt  int64    `json:"iat"`
	ID        string   `json:"jti"`
	Access    []access `json:"access"`
}

// NewKey makes a key and its self-signed certificate.
func NewKey() (*Key, error) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("make a token key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "token signer"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().AddDate(1, 0, 0),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, fmt.Errorf("make a token certificate: %w", err)
	}
	certificate, err := x509.ParseCertificate(raw)
	if err != nil {
		return nil, fmt.Errorf("make a token certificate: %w", err)
	}
	return &Key{Certificate: certificate, private: private, refresh: map[string][2]string{}}, nil
}

// sign makes a JWT of the claims, RS256, with the certificate in its header.
func (k *Key) sign(c claims) (string, error) {
	header, err := json.Marshal(map[string]any{
		"typ": "JWT", "alg": "RS256",
		"x5c": []string{base64.StdEncoding.EncodeToString(k.Certificate.Raw)},
	})
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	text := base64.RawURLEncoding.EncodeToString(header) + "." +
		base64.RawURLEncoding.EncodeToString(payload)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, k.private, crypto.SHA256, sum[:])
	if err != nil {
		return "", err
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// sealRefresh hands out an identity token for a user.
func (k *Key) sealRefresh(user, password string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	id := randomID()
	k.refresh[id] = [2]string{user, password}
	return id
}

// openRefresh finds whose identity token it is. One that was never handed out
// is a credential that was given and is wrong.
func (k *Key) openRefresh(id string) (user, password string, given bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	pair := k.refresh[id]
	return pair[0], pair[1], true
}

func randomID() string { return rand.Text() }
