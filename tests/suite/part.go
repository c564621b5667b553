// SPDX-License-Identifier: GPL-2.0

package main

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"

	"shim6/tests/lab"
)

// part is run as one process: some cases of a test in a guest, or a command without a guest.
// Both print TAP.
type part struct {
	name    string
	test    string   // the name for ONLY
	kernel  string   // "" if it is about none
	command []string // run in the project's folder, unless there is a guest
	guest   *guest

	// lateCommand returns the command where it is known only once needs have passed.
	lateCommand func(*part) ([]string, error)

	env      []string // NAME=VALUE, for the command
	needs    []string // names of parts that must have passed before
	tries    int      // how often it may be tried, if not once: a download may fail at times
	whole    bool     // it runs alone, since it measures time
	rootless bool     // it does not need root
	prepares bool     // it makes things for other parts, and is no test
	repeats  bool     // another part has the same cases on another kernel

	cost    float64 // in seconds: a guess, or that of the last time
	state   state
	seconds float64 // how long it took this time
	cpu     float64 // seconds of all processors that worked for it
}

// state is the state of a part.
type state int

const (
	waiting state = iota
	running
	passed
	failed
	leftOut // the run had lasted too long for it to begin
)

// guest is a test in a machine of tests/vm.
type guest struct {
	script string   // in tests/selftests
	env    []string // NAME=VALUE, in the guest
	limit  int      // seconds, by the host's clock
	module string   // folder of a module that it needs beside those of selftests/nic, or ""
	leaks  bool
	share  int    // from 0: this share of its cases
	shares int    // how many shares there are
	title  string // if not "": the cases whose title has this
}

// artifacts is the folder for the files that a part leaves behind.
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

// compilers is how many compilers run at once in a part: half of what the machine could run,
// since other parts run at the same time.
func compilers() int { return max(runtime.NumCPU()/2, 1) }

// alone is the command that runs one case of the part.
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

// quote returns s as one word for a shell.
func quote(s string) string {
	if !strings.ContainsAny(s, " '\"$&;()[]*?<>|\\`!") {
		return s
	}
	return lab.Quote(s)
}
