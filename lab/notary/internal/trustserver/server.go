// SPDX-License-Identifier: Apache-2.0

// Package trustserver is a Notary v1 server for the lab and for tests: the
// notary module's own handlers over memory, with an upload handler that also
// takes delegations. It keeps nothing on disk and never serves plain HTTP.
package trustserver

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"

	"github.com/docker/distribution/registry/auth"
	_ "github.com/docker/distribution/registry/auth/token" // the access controller "token"
	"github.com/gorilla/mux"
	"github.com/theupdateframework/notary"
	"github.com/theupdateframework/notary/cryptoservice"
	"github.com/theupdateframework/notary/passphrase"
	"github.com/theupdateframework/notary/server"
	"github.com/theupdateframework/notary/server/errors"
	"github.com/theupdateframework/notary/server/storage"
	"github.com/theupdateframework/notary/trustmanager"
	"github.com/theupdateframework/notary/tuf/data"
	"github.com/theupdateframework/notary/utils"
)

// TokenAuth tells which tokens the server accepts. The zero value means that
// no token is wanted.
type TokenAuth struct {
	Realm, Service, Issuer string
	Certificate            *x509.Certificate
}

// Handler returns the server's routes over a new, empty memory store.
func Handler(tokens TokenAuth) (http.Handler, error) {
	access, err := accessController(tokens)
	if err != nil {
		return nil, err
	}
	keys := cryptoservice.NewCryptoService(
		trustmanager.NewKeyMemoryStore(passphrase.ConstantRetriever("memory")))
	store := storage.NewMemStorage()
	ctx := context.WithValue(context.Background(), notary.CtxKeyMetaStore, store)
	ctx = context.WithValue(ctx, notary.CtxKeyKeyAlgo, data.ED25519Key)

	routes := mux.NewRouter()
	routes.Methods(http.MethodPost).Path("/v2/{gun:[^*]+}/_trust/tuf/").Handler(
		server.CreateHandler("Upload", upload{keys, store}.serve,
			errors.ErrInvalidGUN, false, nil, []string{"push", "pull"},
			utils.RootHandlerFactory(ctx, access, keys), nil))
	routes.PathPrefix("/").Handler(server.RootHandler(ctx, access, keys,
		utils.NoCacheControl{}, utils.NoCacheControl{}, nil))
	return routes, nil
}

// accessController makes distribution's token verifier. It reads its
// certificate from a file only, so one is written for as long as that takes.
func accessController(tokens TokenAuth) (auth.AccessController, error) {
	if tokens.Certificate == nil {
		return nil, nil
	}
	bundle, err := os.CreateTemp("", "token-certificate-*.pem")
	if err != nil {
		return nil, fmt.Errorf("write the token certificate: %w", err)
	}
	defer os.Remove(bundle.Name())
	defer bundle.Close()
	block := &pem.Block{Type: "CERTIFICATE", Bytes: tokens.Certificate.Raw}
	if err := pem.Encode(bundle, block); err != nil {
		return nil, fmt.Errorf("write the token certificate: %w", err)
	}
	return auth.GetAccessController("token", map[string]interface{}{
		"realm":          tokens.Realm,
		"service":        tokens.Service,
		"issuer":         tokens.Issuer,
		"rootcertbundle": bundle.Name(),
	})
}
