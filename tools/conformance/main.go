// SPDX-License-Identifier: BSD-3-Clause

// Command conformance counts the requirements of the RFCs that have a test. A
// test shows a requirement if it names its id, by what runs and not in a comment (see
// shown.go). Each id must be one of requirements.tsv. Why one has none reasons.tsv says;
// it fails if a requirement has neither.
//
// Usage: conformance [-v] [ROOT]
package main

import (
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

//go:embed requirements.tsv
var table string

// requirement is a row of the table.
type requirement struct {
	id, level, part string
}

// source is the RFC that an id is of.
func (r requirement) source() string {
	s, _, _ := strings.Cut(r.id, "-")
	if s[0] >= '0' && s[0] <= '9' {
		return "RFC " + s
	}
	return s
}

// counted are the levels that are to have a test, or a reason why not.
var counted = []string{"MUST", "SHOULD", "FORMAT", "STATE", "CONST"}

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

// report writes the count per source and part, and with verbose which
// requirements have no test, and why. Ids that no row has are an error, and so are
// rows that have neither a test nor a reason.
func report(w io.Writer, rows []requirement, found map[string][]string, reasons map[string]string, verbose bool) error {
	type group struct{ source, part string }
	// count is of one level; the ids are of all.
	type count struct{ tested, all int }
	var groups []group
	counts := map[group]map[string]*count{}
	explained, bare := map[group][]string{}, map[group][]string{}
	known := map[string]bool{}
	var unmet []string
	for _, r := range rows {
		known[r.id] = true
		if !slices.Contains(counted, r.level) {
			continue
		}
		g := group{r.source(), r.part}
		if counts[g] == nil {
			groups = append(groups, g)
			counts[g] = map[string]*count{}
			for _, l := range counted {
				counts[g][l] = &count{}
			}
		}
		n := counts[g][r.level]
		n.all++
		switch {
		case len(found[r.id]) > 0:
			n.tested++
		case reasons[r.id] != "":
			explained[g] = append(explained[g], r.id)
		default:
			bare[g] = append(bare[g], r.id)
			unmet = append(unmet, r.id)
		}
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "source\tpart\t"+strings.Join(counted, "\t")+"\ta reason\tneither")
	for _, g := range groups {
		fmt.Fprintf(t, "%s\t%s", g.source, g.part)
		for _, l := range counted {
			if n := counts[g][l]; n.all == 0 {
				fmt.Fprint(t, "\t-")
			} else {
				fmt.Fprintf(t, "\t%d/%d", n.tested, n.all)
			}
		}
		fmt.Fprintf(t, "\t%d\t%d\n", len(explained[g]), len(bare[g]))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if verbose {
		for _, g := range groups {
			if len(explained[g]) == 0 {
				continue
			}
			fmt.Fprintf(w, "\n%s, %s, without a test, with a reason:\n", g.source, g.part)
			for _, id := range explained[g] {
				fmt.Fprintf(w, "  %s: %s\n", id, reasons[id])
			}
		}
		for _, g := range groups {
			if len(bare[g]) > 0 {
				fmt.Fprintf(w, "\n%s, %s, without a test or a reason:\n  %s\n", g.source, g.part, strings.Join(bare[g], " "))
			}
		}
	}
	var unknown []string
	for id, files := range found {
		if !known[id] {
			unknown = append(unknown, id+" in "+strings.Join(files, ", "))
		}
	}
	var errs []error
	if len(unknown) > 0 {
		slices.Sort(unknown)
		errs = append(errs, fmt.Errorf("tests name ids that no requirement has:\n  %s", strings.Join(unknown, "\n  ")))
	}
	if len(unmet) > 0 {
		errs = append(errs, fmt.Errorf("these have neither a test nor a reason in reasons.tsv:\n  %s", strings.Join(unmet, " ")))
	}
	return errors.Join(errs...)
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
