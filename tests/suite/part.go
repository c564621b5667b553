// SPDX-License-Identifier: GPL-2.0

package main

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"

	"shim6/tests/lab"
)

// part is what runs as one process: some cases of a test in a guest, or something beside
// guests, which prints TAP as well.
type part struct {
	name    string
	test    string   // what ONLY names
	kernel  string   // "" if it is about none
	command []string // run in the project's folder, unless there is a guest
	guest   *guest

	// lateCommand is command when it can only be known once needs have passed.
	lateCommand func(*part) ([]string, error)

	env      []string // NAME=VALUE, for the command
	needs    []string // names of parts that must have passed before
	tries    int      // how often it may be tried, if not once: what fetches can meet a bad moment
	whole    bool     // nothing else runs beside it, since it looks at the clock
	rootless bool     // it needs no rights
	prepares bool     // it makes what others need, and is no test

	cost    float64 // seconds: a guess, or what it took the last time
	state   state
	seconds float64 // what it took this time
	cpu     float64 // of these, on processors: more than one may have worked for it
}

// state is how far a part is.
type state int

const (
	waiting state = iota
	running
	passed
	failed
)

// guest is a test in a machine of tests/vm.
type guest struct {
	script string   // in tests/selftests
	env    []string // NAME=VALUE, in the guest
	limit  int      // seconds, by the host's clock
	module string   // folder of a module that it needs beside those of selftests/nic, or ""
	leaks  bool
	share  int // its cases are those of one of so many shares
	shares int
	title  string // or those whose title has this
}

// artifacts is the folder of what a part leaves behind.
func artifacts(name string) string { return filepath.Join("build", "test", name) }

// argv is the command line of a part.
func (p *part) argv() ([]string, error) {
	g := p.guest
	switch {
	case p.lateCommand != nil:
		return p.lateCommand(p)
	case g == nil:
		return p.command, nil
	}
	argv := []string{"tests/vm/run", "-built", "-k", p.kernel, "-T", fmt.Sprint(g.limit), "-j", fmt.Sprint(compilers()),
		"-m", "tests/selftests/nic", "-o", artifacts(p.name), "-e", "SHIM6_NO_SKIP=1"}
	if g.module != "" {
		argv = append(argv, "-m", g.module)
	}
	if g.leaks {
		argv = append(argv, "-leaks")
	}
	env := g.env
	if g.shares > 1 {
		env = append(env, fmt.Sprintf("SHIM6_SHARE=%d/%d", g.share, g.shares))
	}
	if g.title != "" {
		env = append(env, "SHIM6_CASE="+g.title)
	}
	for _, e := range env {
		argv = append(argv, "-e", e)
	}
	return append(argv, "--", "tests/selftests/run.sh", g.script), nil
}

// compilers is how many of them run at once in a part: as parts run beside each other,
// half of what the machine could.
func compilers() int { return max(runtime.NumCPU()/2, 1) }

// alone is the command that runs a case of the part by itself.
func (p *part) alone(title string) string {
	if p.guest == nil || p.test == "deb" {
		return "make test ONLY=" + p.name
	}
	only := p.test
	if title != "" {
		only += ": " + title
	}
	return fmt.Sprintf("make test ONLY=%s K=%s", quote(only), p.kernel)
}

// quote makes one word of s for a shell, if it is not one.
func quote(s string) string {
	if !strings.ContainsAny(s, " '\"$&;()[]*?<>|\\`!") {
		return s
	}
	return lab.Quote(s)
}
