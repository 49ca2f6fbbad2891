// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/registry"
)

const (
	indexType  = "application/vnd.oci.image.index.v1+json"
	emptyType  = "application/vnd.oci.empty.v1+json"
	bundleType = "application/vnd.dev.sigstore.bundle.v0.3+json"
)

// newRegistry is the registry of go-containerregistry, with answers about
// referrers as the distribution specification has them: the artifact type is
// that of the manifest, only the types asked for are listed, and a list of
// more than pageSize entries has pages.
func newRegistry(pageSize int) http.Handler {
	behind := registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/referrers/") {
			listReferrers(w, r, behind, pageSize)
			return
		}
		behind.ServeHTTP(w, r)
	})
}

func listReferrers(w http.ResponseWriter, r *http.Request, behind http.Handler, pageSize int) {
	inner := r.Clone(r.Context())
	inner.URL.RawQuery = ""
	answer := httptest.NewRecorder()
	behind.ServeHTTP(answer, inner)
	var list struct {
		SchemaVersion int              `json:"schemaVersion"`
		MediaType     string           `json:"mediaType"`
		Manifests     []map[string]any `json:"manifests"`
	}
	if answer.Code != http.StatusOK || json.Unmarshal(answer.Body.Bytes(), &list) != nil {
		w.WriteHeader(answer.Code)
		return
	}
	repository, _, _ := strings.Cut(r.URL.Path, "/referrers/")
	wanted := r.URL.Query().Get("artifactType")
	kept := []map[string]any{}
	for _, entry := range list.Manifests {
		manifest := httptest.NewRecorder()
		behind.ServeHTTP(manifest, httptest.NewRequest(http.MethodGet,
			fmt.Sprint(repository, "/manifests/", entry["digest"]), nil))
		var of struct {
			ArtifactType string            `json:"artifactType"`
			Annotations  map[string]string `json:"annotations"`
		}
		if json.Unmarshal(manifest.Body.Bytes(), &of) == nil && of.ArtifactType != "" {
			entry["artifactType"], entry["annotations"] = of.ArtifactType, of.Annotations
		}
		if wanted == "" || entry["artifactType"] == wanted {
			kept = append(kept, entry)
		}
	}
	first, _ := strconv.Atoi(r.URL.Query().Get("from"))
	slices.SortFunc(kept, func(a, b map[string]any) int {
		return strings.Compare(fmt.Sprint(a["digest"]), fmt.Sprint(b["digest"]))
	})
	last := min(first+pageSize, len(kept))
	if last < len(kept) {
		w.Header().Set("Link", fmt.Sprintf(`<%s?from=%d>; rel="next"`, r.URL.Path, last))
	}
	list.Manifests = kept[min(first, last):last]
	w.Header().Set("Content-Type", indexType)
	_ = json.NewEncoder(w).Encode(list)
}
