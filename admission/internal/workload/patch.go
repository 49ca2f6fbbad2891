// SPDX-License-Identifier: Apache-2.0

package workload

import "encoding/json"

// operation is one operation of a JSON patch (RFC 6902).
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value string `json:"value"`
}

// Patch returns the JSON patch that puts the replacement of each image in the
// places that name it, or nil if nothing changes. Nothing but the image of a
// container or volume is ever touched.
func Patch(uses []Use, replacements map[string]string) ([]byte, error) {
	var operations []operation
	for _, use := range uses {
		replacement, ok := replacements[use.Image]
		if !ok || replacement == "" || replacement == use.Image {
			continue
		}
		operations = append(operations,
			operation{"replace", use.Pointer, replacement})
	}
	if operations == nil {
		return nil, nil
	}
	return json.Marshal(operations)
}
