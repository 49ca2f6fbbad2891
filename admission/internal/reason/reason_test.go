// SPDX-License-Identifier: Apache-2.0

package reason

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"
)

// constants reads the codes that the package declares from its source.
func constants(t *testing.T) []Code {
	t.Helper()
	source, err := os.ReadFile("table.go")
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), "table.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	var codes []Code
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || spec.Type == nil || fmt.Sprint(spec.Type) != "Code" {
			return true
		}
		for _, value := range spec.Values {
			text, err := strconv.Unquote(value.(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			codes = append(codes, Code(text))
		}
		return true
	})
	return codes
}

func TestEveryCodeHasAMeaningAndACure(t *testing.T) {
	codes := constants(t)
	if len(codes) == 0 || len(codes) != len(Table()) {
		t.Errorf("%d codes and %d entries", len(codes), len(Table()))
	}
	for _, code := range codes {
		entry, found := Lookup(code)
		if !found || !strings.HasSuffix(entry.Meaning, ".") ||
			!strings.HasSuffix(entry.Cure, ".") {
			t.Errorf("%s has no full entry: %+v", code, entry)
		}
	}
}

func TestCodesAreDifferent(t *testing.T) {
	seen := map[Code]bool{}
	for _, entry := range Table() {
		if seen[entry.Code] {
			t.Errorf("%s stands twice in the table", entry.Code)
		}
		seen[entry.Code] = true
	}
}

func TestFromFindsTheDenialInAChain(t *testing.T) {
	denial := New(NotSigned, "no")
	if From(fmt.Errorf("tried: %w", denial)) != denial {
		t.Error("the denial in the chain is not found")
	}
	cause := errors.New("disk full")
	if got := From(cause); got.Code != Internal || !errors.Is(got, cause) {
		t.Errorf("an error without a denial becomes %+v", got)
	}
}
