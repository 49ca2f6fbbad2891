// SPDX-License-Identifier: Apache-2.0

// Command matches asks the server's own package which patterns match which
// images. The test of the manual puts it into the server's module by an
// overlay, since the package is internal to it.
package main

import (
	"encoding/json"
	"os"

	v1 "opendev.org/starlingx/portieris-armada-app/admission/api/v1"
	"opendev.org/starlingx/portieris-armada-app/admission/internal/policy"
)

func main() {
	var pairs [][2]string
	if err := json.NewDecoder(os.Stdin).Decode(&pairs); err != nil {
		panic(err)
	}
	answers := []bool{}
	for _, pair := range pairs {
		image, err := policy.Parse(pair[1])
		if err != nil {
			panic(err)
		}
		p := &v1.ClusterImagePolicy{}
		p.Spec.Repositories = []v1.Repository{{Name: pair[0]}}
		_, err = policy.Choose(policy.Set{
			Cluster: []*v1.ClusterImagePolicy{p}}, image)
		answers = append(answers, err == nil)
	}
	json.NewEncoder(os.Stdout).Encode(answers)
}
