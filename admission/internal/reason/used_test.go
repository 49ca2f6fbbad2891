// SPDX-License-Identifier: Apache-2.0

package reason

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// sources calls visit with every node of the module's source outside this
// package and outside tests.
func sources(t *testing.T, visit func(at token.Position, node ast.Node)) {
	t.Helper()
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry,
		err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") ||
			strings.HasSuffix(path, "_test.go") ||
			strings.Contains(path, "/reason/") {
			return err
		}
		fileSet := token.NewFileSet()
		file, err := parser.ParseFile(fileSet, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(node ast.Node) bool {
			if node != nil {
				visit(fileSet.Position(node.Pos()), node)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// member is the name after "reason." if the node is such a selector.
func member(node ast.Node) string {
	selector, ok := node.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	of, ok := selector.X.(*ast.Ident)
	if !ok || of.Name != "reason" {
		return ""
	}
	return selector.Sel.Name
}

// A code that nothing uses would be a page of the documentation about
// something that never happens.
func TestEveryCodeIsUsed(t *testing.T) {
	used := map[string]bool{"Internal": true} // by From, of this package
	sources(t, func(_ token.Position, node ast.Node) {
		used[member(node)] = true
	})
	for _, name := range declared(t) {
		if !used[name] {
			t.Errorf("reason.%s is used nowhere", name)
		}
	}
}

// A code outside the table would have no page.
func TestNoCodeIsMadeBesideTheTable(t *testing.T) {
	sources(t, func(at token.Position, node ast.Node) {
		call, ok := node.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 || member(call.Fun) == "" {
			return
		}
		if _, literal := call.Args[0].(*ast.BasicLit); literal {
			t.Errorf("%s: a code is made of a text", at)
		}
	})
}

// declared are the names of the constants.
func declared(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "table.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, declaration := range file.Decls {
		block, ok := declaration.(*ast.GenDecl)
		if !ok || block.Tok != token.CONST {
			continue
		}
		for _, spec := range block.Specs {
			for _, name := range spec.(*ast.ValueSpec).Names {
				names = append(names, name.Name)
			}
		}
	}
	return names
}
