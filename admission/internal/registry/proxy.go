// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpproxy"
)

// environmentProxy is the proxy of the environment. It takes IPv6 addresses
// in brackets in NO_PROXY too, as platforms and curl write them.
func environmentProxy() func(*http.Request) (*url.URL, error) {
	settings := httpproxy.FromEnvironment()
	direct := strings.Split(settings.NoProxy, ",")
	for i, host := range direct {
		host = strings.TrimSpace(host)
		if inner, ok := strings.CutPrefix(host, "["); ok && !strings.Contains(host, "]:") {
			host = strings.Replace(inner, "]", "", 1)
		}
		direct[i] = host
	}
	settings.NoProxy = strings.Join(direct, ",")
	choose := settings.ProxyFunc()
	return func(r *http.Request) (*url.URL, error) { return choose(r.URL) }
}
