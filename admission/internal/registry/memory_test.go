// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"strings"
	"testing"
)

func TestMemoryIsBoundedByNumberAndBySize(t *testing.T) {
	var many, large memory[int, string]
	text := strings.Repeat("x", 256<<10)
	for i := range 2 * maxMemory {
		many.put(i, "x", 1)
		large.put(i, text, len(text))
	}
	if got := len(many.entries); got > maxMemory {
		t.Errorf("%d small values are kept", got)
	}
	if got := len(large.entries) * len(text); got > maxMemorySize {
		t.Errorf("%d bytes are kept", got)
	}
	if _, ok := large.get(2*maxMemory - 1); !ok {
		t.Error("the last value is not kept")
	}
}
