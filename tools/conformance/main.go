// SPDX-License-Identifier: BSD-3-Clause

// Command conformance counts the requirements of the RFCs that have a test. A test shows a
// requirement if it names its id in code that runs, not in a comment (see shown.go). Each id
// must be one of requirements.tsv. For a requirement without a test, reasons.tsv says why there
// is none. The command fails if a requirement has neither a test nor a reason.
//
// Usage: conformance [-v] [ROOT]
package main

import (
	_ "embed"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

//go:embed requirements.tsv
var table string

// requirement is a row of the table.
type requirement struct {
	id, level, part string
}

// source is the RFC from which a requirement is, or another document's name.
func (r requirement) source() string {
	s, _, _ := strings.Cut(r.id, "-")
	if s[0] >= '0' && s[0] <= '9' {
		return "RFC " + s
	}
	return s
}

// requirements reads the table: each line has an id, a level and a part.
func requirements() ([]requirement, error) {
	var rows []requirement
	for i, l := range strings.Split(table, "\n") {
		if l == "" || l[0] == '#' {
			continue
		}
		f := strings.Split(l, "\t")
		if len(f) != 3 {
			return nil, fmt.Errorf("requirements.tsv, line %d: there are %d fields, not 3", i+1, len(f))
		}
		rows = append(rows, requirement{f[0], f[1], f[2]})
	}
	return rows, nil
}

func run(w io.Writer, args []string) error {
	fs := flag.NewFlagSet("conformance", flag.ContinueOnError)
	verbose := fs.Bool("v", false, "list the requirements without a test, with the reason if there is one")
	if err := fs.Parse(args); err != nil {
		return err
	}
	root := "."
	if fs.NArg() > 0 {
		root = fs.Arg(0)
	}
	rows, err := requirements()
	if err != nil {
		return err
	}
	found, err := shown(root)
	if err != nil {
		return err
	}
	why, err := parseReasons(reasons, rows, found)
	if err != nil {
		return err
	}
	return report(w, rows, found, why, *verbose)
}

func main() {
	if err := run(os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}
