// SPDX-License-Identifier: Apache-2.0

package simple

// Check says what is wrong with a requirement, whatever the image.
func (r Requirement) Check() error {
	_, err := libraryPolicy([]Requirement{r})
	return err
}

// Check says what is wrong with an identity, whatever the image.
func (i Identity) Check() error {
	_, err := i.match()
	return err
}
