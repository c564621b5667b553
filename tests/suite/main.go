// SPDX-License-Identifier: GPL-2.0

// Command suite runs the project's tests, in guests and without, as many at once as the
// machine has room for. table.go lists them.
//
// It exits with 0 if all passed, 1 if a test failed, 125 if a test could not be run, and 130
// if it was stopped.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Exit statuses.
const (
	exitFailed  = 1
	exitCannot  = 125
	exitStopped = 130
)

const usage = `usage: make test [ONLY=NAME] [K=KERNEL] [REPEAT=COUNT] [MINUTES=LIMIT]
       go run ./tests/suite [-list]

Runs all tests, or one. Logs and artifacts are in build/test.

  ONLY=NAME     a test of tests/selftests without its "test_" (failover), one of its
                cases by a part of its title ("failover: flapping"), another part
                (-list names all), or several names with commas (hostile,fair)
  K=KERNEL      only on this kernel, or with K=all on each of the test's kernels. With
                ONLY and without K it runs on one of its kernels: on latest, if it can
  REPEAT=COUNT  run it so often, to find failures that happen at times
  MINUTES=LIMIT after so many minutes (60), a test that has run on one kernel is not begun
                on another one, and is named; 0 is no limit. With ONLY or K there is none
  -list         print what would run, and run nothing
`

// options are those of the command line, and the variables of make's command line.
type options struct {
	only   string
	kernel string
	repeat int
	limit  time.Duration
	list   bool
}

// defaultLimit leaves a third of 90 minutes to what has begun by then, and to a slow machine.
const defaultLimit = time.Hour

func parseOptions(args []string, getenv func(string) string) (options, error) {
	o := options{only: getenv("ONLY"), kernel: getenv("K"), repeat: 1}
	fs := flag.NewFlagSet("suite", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.BoolVar(&o.list, "list", false, "")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("%q is no option; a test is named by ONLY=%s", fs.Arg(0), fs.Arg(0))
	}
	if s := getenv("REPEAT"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return o, fmt.Errorf("REPEAT=%s: it is a positive number", s)
		}
		o.repeat = n
	}
	o.limit = defaultLimit
	if s := getenv("MINUTES"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 {
			return o, fmt.Errorf("MINUTES=%s: it is a number of minutes, or 0", s)
		}
		o.limit = time.Duration(n) * time.Minute
	}
	if o.only != "" || o.kernel != "" {
		o.limit = 0
	}
	return o, nil
}

func main() {
	os.Exit(realMain(os.Args[1:]))
}

func realMain(args []string) int {
	o, err := parseOptions(args, os.Getenv)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Print(usage)
		return 0
	case err != nil:
		fmt.Fprintf(os.Stderr, "suite: %v\n%s", err, usage)
		return exitCannot
	}
	tests, err := selftests("tests/selftests")
	if err != nil {
		return cannot(fmt.Errorf("it runs in the project's folder: %w", err))
	}
	parts, err := choose(table(tests), o)
	if err != nil {
		return cannot(err)
	}
	if o.list {
		for _, p := range parts {
			fmt.Println(p.name)
		}
		return 0
	}
	if os.Geteuid() != 0 && !rootless(parts) {
		return cannot(errors.New("tests boot machines from the host's own files: run it as root, or with sudo; `make lint` and `make unit` need no rights"))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()

	out := filepath.Join("build", "test")
	unlock, err := lock(out + ".lock")
	if err != nil {
		return cannot(err)
	}
	defer unlock()
	if err := os.RemoveAll(out); err != nil {
		return cannot(err)
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return cannot(err)
	}
	costs := loadCosts()
	costs.apply(parts)
	r := newReport(os.Stdout, parts, o.only != "" && len(parts) < 8)
	run := &runner{out: out, slots: slots(), limit: o.limit, report: r}
	err = run.all(ctx, parts)
	costs.store(parts)
	if store := r.store(filepath.Join(out, "results.json")); err == nil {
		err = store
	}
	return r.end(err)
}

// lock reserves the folder for one run, until unlock.
func lock(file string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		f.Close()
		return nil, errors.New("another run of the tests is going on in this folder: its logs are in build/test")
	}
	return func() { f.Close() }, nil
}

// cannot prints why nothing was run, and returns the exit status for it.
func cannot(err error) int {
	fmt.Fprintf(os.Stderr, "suite: %v\n", err)
	return exitCannot
}

// selftests returns the names of the tests for guests: the part between test_ and .sh.
func selftests(dir string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "test_*.sh"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("there is no test in %s", dir)
	}
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(strings.TrimPrefix(filepath.Base(f), "test_"), ".sh"))
	}
	return names, nil
}

// rootless reports whether none of the parts needs root.
func rootless(parts []*part) bool {
	for _, p := range parts {
		if !p.rootless {
			return false
		}
	}
	return true
}
