// SPDX-License-Identifier: Apache-2.0

package decision

import (
	"fmt"
	"strings"

	"opendev.org/starlingx/portieris-armada-app/admission/internal/reason"
)

// Prefix begins every denial that a client sees.
const Prefix = "trust: policy denied the request: "

// Sentence is one denial for people: the image, the sentence, the code under
// which the documentation explains it, and the cure.
func Sentence(image string, denial *reason.Denial) string {
	return fmt.Sprintf("Deny %q, %s. %s [%s]", Shown(image),
		strings.TrimRight(denial.Sentence, "."), denial.Cure(), denial.Code)
}

// Shown is an image for messages and logs: the text of a container's image
// may have megabytes.
func Shown(image string) string {
	const most = 600
	if len(image) <= most {
		return image
	}
	return strings.ToValidUTF8(image[:most], "") + "..."
}

// Message is the denial of a whole request: one line for each image denied.
func Message(decisions []Decision) string {
	var lines []string
	for _, decision := range decisions {
		if !decision.Allowed() {
			lines = append(lines, decision.Sentence())
		}
	}
	return Prefix + strings.Join(lines, "\n")
}
