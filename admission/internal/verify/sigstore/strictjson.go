// SPDX-License-Identifier: Apache-2.0

package sigstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

const maxDepth = 32

// strictJSON decodes one JSON value into maps, slices and scalars. Unlike
// encoding/json it refuses a member that occurs twice, never folds case and
// demands UTF-8: two readers of a signed text must not see two texts.
func strictJSON(text []byte) (any, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("JSON is not UTF-8")
	}
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.UseNumber()
	value, err := strictValue(decoder, 0)
	if err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("data after the JSON value")
	}
	return value, nil
}

func strictValue(decoder *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errors.New("JSON is nested too deeply")
	}
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		return strictObject(decoder, depth)
	case json.Delim('['):
		var list []any
		for decoder.More() {
			value, err := strictValue(decoder, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		_, err = decoder.Token()
		return list, err
	}
	return token, nil
}

func strictObject(decoder *json.Decoder, depth int) (any, error) {
	object := map[string]any{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		name, ok := token.(string)
		if !ok {
			return nil, errors.New("JSON member without a name")
		}
		if _, twice := object[name]; twice {
			return nil, fmt.Errorf("JSON member %q occurs twice", name)
		}
		if object[name], err = strictValue(decoder, depth+1); err != nil {
			return nil, err
		}
	}
	_, err := decoder.Token()
	return object, err
}

// only reports whether value is an object without other members than these.
func only(value any, members ...string) bool {
	object, ok := value.(map[string]any)
	for name := range object {
		ok = ok && slices.Contains(members, name)
	}
	return ok
}

// at walks down objects; what is not there is nil.
func at(value any, path ...string) any {
	for _, name := range path {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	return value
}

// text is at for a string; what is not there or not a string is "".
func text(value any, path ...string) string {
	s, _ := at(value, path...).(string)
	return s
}
