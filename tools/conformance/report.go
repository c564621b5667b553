// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// counted are the levels whose requirements must have a test, or a reason why not.
var counted = []string{"MUST", "SHOULD", "FORMAT", "STATE", "CONST"}

// group are the requirements of one source and part.
type group struct {
	source, part string
	levels       map[string]count
	// reasoned and unmet are the ids without a test: with a reason, and without.
	reasoned, unmet []string
}

// count is of the requirements of one level.
type count struct{ tested, all int }

// grouped counts the requirements of each source and part, in the order of the rows.
func grouped(rows []requirement, found map[string][]string, reasons map[string]string) []*group {
	var groups []*group
	for _, r := range rows {
		if !slices.Contains(counted, r.level) {
			continue
		}
		i := slices.IndexFunc(groups, func(g *group) bool { return g.source == r.source() && g.part == r.part })
		if i < 0 {
			i = len(groups)
			groups = append(groups, &group{source: r.source(), part: r.part, levels: map[string]count{}})
		}
		g := groups[i]
		n := g.levels[r.level]
		n.all++
		switch {
		case len(found[r.id]) > 0:
			n.tested++
		case reasons[r.id] != "":
			g.reasoned = append(g.reasoned, r.id)
		default:
			g.unmet = append(g.unmet, r.id)
		}
		g.levels[r.level] = n
	}
	return groups
}

// report writes the counts by source and part. With verbose it lists the requirements that have
// no test, with the reasons. It is an error if a test names an id that no row has, or if a row
// has neither a test nor a reason.
func report(w io.Writer, rows []requirement, found map[string][]string, reasons map[string]string, verbose bool) error {
	groups := grouped(rows, found, reasons)
	if err := writeCounts(w, groups); err != nil {
		return err
	}
	if verbose {
		writeUntested(w, groups, reasons)
	}
	var unmet []string
	for _, g := range groups {
		unmet = append(unmet, g.unmet...)
	}
	var errs []error
	if unknown := unknownIDs(rows, found); len(unknown) > 0 {
		errs = append(errs, fmt.Errorf("tests name ids that no requirement has:\n  %s", strings.Join(unknown, "\n  ")))
	}
	if len(unmet) > 0 {
		errs = append(errs, fmt.Errorf("these have neither a test nor a reason in reasons.tsv:\n  %s", strings.Join(unmet, " ")))
	}
	return errors.Join(errs...)
}

// writeCounts writes a table with a line for each group.
func writeCounts(w io.Writer, groups []*group) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "source\tpart\t"+strings.Join(counted, "\t")+"\ta reason\tneither")
	for _, g := range groups {
		fmt.Fprintf(t, "%s\t%s", g.source, g.part)
		for _, l := range counted {
			if n := g.levels[l]; n.all == 0 {
				fmt.Fprint(t, "\t-")
			} else {
				fmt.Fprintf(t, "\t%d/%d", n.tested, n.all)
			}
		}
		fmt.Fprintf(t, "\t%d\t%d\n", len(g.reasoned), len(g.unmet))
	}
	return t.Flush()
}

// writeUntested lists the requirements without a test: first those with a reason.
func writeUntested(w io.Writer, groups []*group, reasons map[string]string) {
	for _, g := range groups {
		if len(g.reasoned) == 0 {
			continue
		}
		fmt.Fprintf(w, "\n%s, %s, without a test, with a reason:\n", g.source, g.part)
		for _, id := range g.reasoned {
			fmt.Fprintf(w, "  %s: %s\n", id, reasons[id])
		}
	}
	for _, g := range groups {
		if len(g.unmet) > 0 {
			fmt.Fprintf(w, "\n%s, %s, without a test or a reason:\n  %s\n", g.source, g.part, strings.Join(g.unmet, " "))
		}
	}
}

// unknownIDs returns the ids that tests name and no row has, each with the tests' files.
func unknownIDs(rows []requirement, found map[string][]string) []string {
	known := map[string]bool{}
	for _, r := range rows {
		known[r.id] = true
	}
	var unknown []string
	for id, files := range found {
		if !known[id] {
			unknown = append(unknown, id+" in "+strings.Join(files, ", "))
		}
	}
	slices.Sort(unknown)
	return unknown
}
