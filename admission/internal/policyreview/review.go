// SPDX-License-Identifier: Apache-2.0

package policyreview

import (
	"encoding/json"
	"fmt"

	v1 "opendev.org/starlingx/portieris-armada-app/admission/api/v1"
)

// Finding is one thing to say about a policy.
type Finding struct {
	// Where is the policy and the place in it.
	Where string
	// Error tells that the policy can never do what it says; else it does,
	// but perhaps not what was meant.
	Error    bool
	Sentence string
}

// Severity is error or warning.
func (f Finding) Severity() string {
	if f.Error {
		return "error"
	}
	return "warning"
}

// String is the finding on one line.
func (f Finding) String() string {
	return f.Severity() + ": " + f.Where + ": " + f.Sentence
}

// MarshalJSON names the severity.
func (f Finding) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{
		"severity": f.Severity(), "where": f.Where, "sentence": f.Sentence,
	})
}

// findings gathers what there is to say about one place.
type findings struct {
	where string
	all   *[]Finding
}

func (f findings) at(format string, args ...any) findings {
	return findings{f.where + ", " + fmt.Sprintf(format, args...), f.all}
}

// most is how much is said of one policy.
const most = 1000

func (f findings) add(isError bool, format string, args ...any) {
	if len(*f.all) == most {
		return
	}
	*f.all = append(*f.all, Finding{f.where, isError,
		fmt.Sprintf(format, args...)})
}

func (f findings) wrong(format string, args ...any) {
	f.add(true, format, args...)
}

func (f findings) warn(format string, args ...any) {
	f.add(false, format, args...)
}

// Alone says what is wrong with a policy whatever the cluster.
func Alone(policy Policy) []Finding {
	var all []Finding
	here := findings{policy.Source(), &all}
	for _, dropped := range policy.Dropped {
		here.wrong("%s", where(dropped))
	}
	if policy.APIVersion != v1.GroupVersion.String() {
		here.wrong("its apiVersion is %q and must be %q",
			policy.APIVersion, v1.GroupVersion)
	}
	if policy.Name == "" {
		here.wrong("it has no metadata.name")
	}
	switch {
	case !policy.Listed:
		here.warn("it has no spec.repositories, so it admits no image")
	case len(policy.Entries) == 0:
		here.warn("its spec.repositories is empty, so it admits no image")
	}
	seen := map[string]bool{}
	for i, entry := range policy.Entries {
		place := here.at("spec.repositories[%d]", i)
		if entry.Name != "" && seen[entry.Name] {
			place.warn("its name %q stands above already, so it never counts",
				entry.Name)
		}
		seen[entry.Name] = true
		reviewEntry(place, entry)
	}
	return all
}
