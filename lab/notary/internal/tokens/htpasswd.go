// SPDX-License-Identifier: Apache-2.0

package tokens

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// Users holds bcrypt hashes by user name.
type Users map[string]string

// ReadUsers reads an htpasswd file whose hashes are bcrypt.
func ReadUsers(path string) (Users, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the user file: %w", err)
	}
	defer file.Close()
	users := Users{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, hash, found := strings.Cut(line, ":")
		if _, err := bcrypt.Cost([]byte(hash)); !found || err != nil {
			return nil, fmt.Errorf("%s: the entry of user %q is no bcrypt hash; make it with htpasswd -B", path, name)
		}
		users[name] = hash
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the user file: %w", err)
	}
	return users, nil
}

// Accept says whether the password is the user's.
func (u Users) Accept(user, password string) bool {
	hash, known := u[user]
	return known && bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil
}
