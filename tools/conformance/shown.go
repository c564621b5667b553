// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// idPattern fits the id of a requirement: document, section and number, as in 5533-12.3-07.
var idPattern = regexp.MustCompile(`\b(?:\d{4}|boeing)-[0-9A-C][0-9.]*-\d\d\b`)

// named returns the ids that a file's tests name in code that runs. Comments do not count.
//
//   - A Go test calls shows.IDs. Its argument is a string, or the field shows of the cases of a
//     table: then the strings of all tables of the file count.
//   - A case of a selftest in shell has the ids in brackets at the end of its name.
//   - A case of a selftest in Python has the ids as arguments of @case, after its name.
func named(path string, text string) ([]string, error) {
	switch {
	case strings.HasSuffix(path, "_test.go"):
		return namedByGo(path, text)
	case strings.HasSuffix(path, ".sh"):
		return namedByShell(text), nil
	case strings.HasSuffix(path, ".py"):
		return namedByPython(text), nil
	}
	return nil, nil
}

// idsOnly returns the ids of a string that holds nothing else, otherwise nil.
func idsOnly(s string) []string {
	ids := strings.Fields(s)
	for _, id := range ids {
		if idPattern.FindString(id) != id {
			return nil
		}
	}
	return ids
}

func namedByGo(path, text string) ([]string, error) {
	f, err := parser.ParseFile(token.NewFileSet(), path, text, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	if id := formerly.FindStringSubmatch(text); id != nil {
		return nil, fmt.Errorf("%s: %s is in a comment, where it shows nothing: the test is to call shows.IDs", path, id[1])
	}
	var ids []string
	tables := false
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Recv != nil || fn.Body == nil || !testName.MatchString(fn.Name.Name) {
			continue
		}
		ast.Inspect(fn.Body, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || !isSelector(call.Fun, "shows", "IDs") {
				return true
			}
			for _, arg := range call.Args[1:] {
				if isSelector(arg, "", "shows") {
					tables = true
				}
				ids = append(ids, idsIn(arg)...)
			}
			return true
		})
	}
	if tables {
		ast.Inspect(f, func(n ast.Node) bool {
			if l, ok := n.(*ast.CompositeLit); ok {
				ids = append(ids, idsIn(l)...)
				return false
			}
			return true
		})
	}
	return ids, nil
}

// idsIn returns the ids of all strings within a node that hold nothing else.
func idsIn(n ast.Node) (ids []string) {
	ast.Inspect(n, func(n ast.Node) bool {
		if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
			if s, err := strconv.Unquote(l.Value); err == nil {
				ids = append(ids, idsOnly(s)...)
			}
		}
		return true
	})
	return ids
}

// formerly fits the comment in which a test named its requirements once.
var formerly = regexp.MustCompile(`(?m)^\s*// Shows: (\S+)`)

// testName fits the names of the functions that go test calls.
var testName = regexp.MustCompile(`^(Test|Fuzz)([^a-z]|$)`)

// isSelector reports whether an expression is x.name, with any x if it is "".
func isSelector(e ast.Expr, x, name string) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != name {
		return false
	}
	of, ok := s.X.(*ast.Ident)
	return ok && (x == "" || of.Name == x)
}

// shellCase fits the call that runs a case of a selftest in shell, up to the ids in its name.
var shellCase = regexp.MustCompile(`(?m)^\s*(?:run_test|session|set_up) "[^"\n]*\[([^]\n"]*)\]"`)

func namedByShell(text string) []string {
	var ids []string
	for _, m := range shellCase.FindAllStringSubmatch(text, -1) {
		ids = append(ids, idPattern.FindAllString(m[1], -1)...)
	}
	return ids
}

var (
	pythonCase = regexp.MustCompile(`(?m)^@case\(`)
	// pythonToken fits a string, a comment or a bracket; the first octet tells which.
	pythonToken = regexp.MustCompile(`"(?:[^"\\\n]|\\.)*"|#.*|[()]`)
)

func namedByPython(text string) []string {
	var ids []string
	for _, at := range pythonCase.FindAllStringIndex(text, -1) {
		depth := 1
		for _, t := range pythonToken.FindAllString(text[at[1]:], -1) {
			switch t[0] {
			case '"':
				ids = append(ids, idsOnly(t[1:len(t)-1])...)
			case '(':
				depth++
			case ')':
				depth--
			}
			if depth == 0 {
				break
			}
		}
	}
	return ids
}

// shown maps each id that a test below root names to the files that name it.
func shown(root string) (map[string][]string, error) {
	found := map[string][]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "build" || strings.HasPrefix(d.Name(), ".") && path != root) {
			return filepath.SkipDir
		}
		in := strings.HasSuffix(path, "_test.go") || strings.Contains(path, "tests/selftests/")
		// The tests of this program name ids that mean nothing.
		if !in || d.IsDir() || strings.Contains(path, "tools/conformance/") {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		ids, err := named(path, string(b))
		if err != nil {
			return err
		}
		for _, id := range ids {
			if !slices.Contains(found[id], path) {
				found[id] = append(found[id], path)
			}
		}
		return nil
	})
	return found, err
}
