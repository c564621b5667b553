// SPDX-License-Identifier: GPL-2.0

// Command words checks what a program can check of the rules for English in CONTRIBUTING.md:
// words and sentences in all text files of the repository, and the subjects of commits.
//
// usage: words [-count REF] [PATH...]
//
// It prints file:line, the rule and the text of each finding, and then how many there are of
// each rule. With PATHs it reads only the files below these, and no commits. With -count it
// prints only the numbers, for the files of another commit or tree.
//
// It exits with 0 if there is nothing to report, 1 if there is, and 2 if it can't read the
// repository.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

func main() {
	count := flag.String("count", "", "only count, in the files of this commit or tree")
	flag.Parse()
	clean, err := run(os.Stdout, *count, flag.Args())
	switch {
	case err != nil:
		fmt.Fprintf(os.Stderr, "words: %v\n", err)
		os.Exit(2)
	case !clean:
		os.Exit(1)
	}
}

// run reports whether there was nothing to report.
func run(w io.Writer, ref string, paths []string) (clean bool, err error) {
	files := tracked
	if ref != "" {
		files = func(each func(name string, text []byte)) error { return archived(ref, each) }
	}
	var all []finding
	err = files(func(name string, text []byte) {
		if isBelow(name, paths) {
			all = append(all, check(name, string(text))...)
		}
	})
	if err != nil {
		return false, err
	}
	// The commits of another tree are not this branch's.
	if ref == "" && len(paths) == 0 {
		found, err := checkCommits(w)
		if err != nil {
			return false, err
		}
		all = append(all, found...)
	}
	if ref == "" {
		for _, f := range all {
			fmt.Fprintln(w, f)
		}
	}
	summary(w, all)
	return len(all) == 0, nil
}

// isBelow tells whether a file is one of the paths or in one of these folders.
func isBelow(name string, paths []string) bool {
	return len(paths) == 0 || slices.ContainsFunc(paths, func(p string) bool {
		p = strings.TrimSuffix(strings.TrimPrefix(p, "./"), "/")
		return name == p || strings.HasPrefix(name, p+"/")
	})
}

// finding is one place that breaks a rule.
type finding struct {
	where string // file:line, or a commit
	rule  *rule
	text  string
}

func (f finding) String() string {
	return fmt.Sprintf("%s: %s (%s): %s", f.where, f.rule.name, f.rule.advice, f.text)
}

// summary prints how many findings each rule has.
func summary(w io.Writer, all []finding) {
	n := map[*rule]int{}
	for _, f := range all {
		n[f.rule]++
	}
	for _, r := range rules() {
		fmt.Fprintf(w, "%5d %s\n", n[r], r.name)
	}
	fmt.Fprintf(w, "%5d in all\n", len(all))
}
