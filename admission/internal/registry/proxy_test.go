// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"net/http"
	"testing"
)

func TestNoProxyIsReadInTheFormsThatPlatformsWrite(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://proxy.example.com:3128")
	t.Setenv("NO_PROXY", "[2001:db8::1], 2001:db8::2,[2001:db8::3]:4443,"+
		"[2001:db8:1::]/48,192.0.2.0/24,.example.com")
	proxy := environmentProxy()
	for address, direct := range map[string]bool{
		"https://[2001:db8::1]:4443": true,
		"https://[2001:db8::2]":      true,
		"https://[2001:db8::3]:4443": true,
		"https://[2001:db8:1::9]":    true,
		"https://192.0.2.7:4443":     true,
		"https://trust.example.com":  true,
		"https://[2001:db8::3]:5000": false,
		"https://[2001:db8::9]":      false,
		"https://198.51.100.7":       false,
		"https://trust.example.org":  false,
	} {
		request, err := http.NewRequest(http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := proxy(request); err != nil || (got == nil) != direct {
			t.Errorf("the way to %s leads through %v, %v", address, got, err)
		}
	}
}
