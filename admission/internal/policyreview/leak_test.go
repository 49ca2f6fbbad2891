// SPDX-License-Identifier: Apache-2.0

package policyreview

import (
	"testing"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }
