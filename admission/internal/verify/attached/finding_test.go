// SPDX-License-Identifier: Apache-2.0

package attached

import (
	"fmt"
	"testing"
)

func TestManyRefusalsAreOneReadableSentence(t *testing.T) {
	var r Refusals
	for i := range 9 {
		r.Add(fmt.Errorf("reason %d", i))
	}
	if got := r.Error(); got != "reason 0; reason 1; reason 2; and 6 more" {
		t.Errorf("got %q", got)
	}
}
