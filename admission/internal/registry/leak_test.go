// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"testing"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }
