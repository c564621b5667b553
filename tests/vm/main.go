// SPDX-License-Identifier: GPL-2.0

// Command vm boots a kernel that has shim6.ko and runs a command in it.
//
// The guest's root file system is the host's own, under an overlay that is
// gone when the guest stops, so that all that is installed on the host is in
// the guest. Nothing that the guest does reaches the host, except the files that
// it writes to the artifacts folder.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Exit statuses of the runner's own. All others are the command's.
const (
	exitLeak   = 119 // the command passed, but kmemleak found memory lost
	exitSplat  = 120 // the command passed, but the kernel log has a warning, bug or report
	exitPanic  = 121 // the guest died before the command ended
	exitHang   = 124 // the command did not end in time
	exitRunner = 125 // the command was not run
)

const usage = `usage: tests/vm/run [OPTIONS] [--] COMMAND [ARG...]

Boots a kernel with shim6.ko ready for modprobe, runs COMMAND in it as root and
exits with COMMAND's status. Kernels are fetched or built at first use and kept.

  -k KERNEL      6.1, 6.12 (Debian's, under QEMU; default 6.12), or as User Mode
                 Linux 6.1-uml (Debian's source), latest (Debian unstable's), debug
                 (6.12 with KASAN, lockdep, kmemleak, UBSAN, fault injection) or smp
                 (Debian unstable's, more than one processor, KASAN)
  -t TIME        virtual (only User Mode kernels but smp, and their default), real, or
                 counted (only 6.1 and 6.12, with one processor: a nanosecond is an
                 instruction, whatever else this machine does; marked parts are in
                 $SHIM6_ARTIFACTS/counts, in instructions and references to memory)
  -T SECONDS     how long COMMAND may take, by the host's clock (default 600)
  -o DIR         the artifacts folder; in the guest $SHIM6_ARTIFACTS is the same
  -e NAME=VALUE  set a variable for COMMAND (may be repeated)
  -m DIR         build this folder's module as well (may be repeated)
  -c COUNT       the guest's processors under QEMU and of smp (default 2)
  -M MIB         the guest's memory (default 1536, under QEMU 2048)
  -forward PORT  under QEMU: this port of the host's loopback is that of 10.0.2.15
                 in the guest, which has a card for it and no other way out (may be
                 repeated)
  -where         with -t counted: also how often each instruction was executed in a
                 marked part, by address, in $SHIM6_ARTIFACTS/where
  -leaks         debug only: after COMMAND, look for memory that it lost
  -v             show the kernel log while it runs
  -prepare       fetch and build the kernel, and install the packages that the
                 tests need; no COMMAND
  -j COUNT       how many compilers at once (default: the host's processors)
  -built         the project's programs are up to date: don't run make
  -path WHAT     print where the kernel's source, build or log folder is
  -update        look for a newer kernel now (otherwise every 14 days)

Exit status: COMMAND's, or
  119  COMMAND passed, but memory was lost    121  the guest died
  120  COMMAND passed, but the kernel log     124  COMMAND did not end in time
       has a warning, bug or report           125  COMMAND was not run

The cache is ${SHIM6_CACHE:-${XDG_CACHE_HOME:-~/.cache}/shim6}.
`

// list is a flag that may be given several times.
type list []string

func (l *list) String() string     { return strings.Join(*l, " ") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

// options is the command line.
type options struct {
	repo    string
	kernel  string
	time    string
	timeout time.Duration
	out     string
	env     list
	modules list
	forward list
	memory  int
	cpus    int
	jobs    int
	built   bool
	leaks   bool
	where   bool
	verbose bool
	prepare bool
	path    string
	update  bool
	command []string
}

func parseOptions(args []string) (*options, error) {
	o := &options{}
	var seconds int
	fs := flag.NewFlagSet("run", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&o.repo, "repo", ".", "")
	fs.StringVar(&o.kernel, "k", "6.12", "")
	fs.StringVar(&o.time, "t", "", "")
	fs.IntVar(&seconds, "T", 600, "")
	fs.StringVar(&o.out, "o", "", "")
	fs.Var(&o.env, "e", "")
	fs.Var(&o.modules, "m", "")
	fs.Var(&o.forward, "forward", "")
	fs.IntVar(&o.memory, "M", 0, "")
	fs.IntVar(&o.cpus, "c", 2, "")
	fs.IntVar(&o.jobs, "j", runtime.NumCPU(), "")
	fs.BoolVar(&o.built, "built", false, "")
	fs.BoolVar(&o.leaks, "leaks", false, "")
	fs.BoolVar(&o.where, "where", false, "")
	fs.BoolVar(&o.verbose, "v", false, "")
	fs.BoolVar(&o.prepare, "prepare", false, "")
	fs.StringVar(&o.path, "path", "", "")
	fs.BoolVar(&o.update, "update", false, "")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
		return nil, fmt.Errorf("%w; see tests/vm/run -help", err)
	}
	o.command = fs.Args()
	o.timeout = time.Duration(seconds) * time.Second

	k, ok := kernels[o.kernel]
	switch {
	case !ok:
		return nil, fmt.Errorf("there is no kernel %q: take one of %s",
			o.kernel, strings.Join(kernelNames(), ", "))
	case o.time == "" && k.uml && !k.smp:
		o.time = "virtual"
	case o.time == "":
		o.time = "real"
	case o.time != "virtual" && o.time != "real" && o.time != "counted":
		return nil, fmt.Errorf("-t %s: time is virtual, real or counted", o.time)
	}
	if o.time == "counted" && k.uml {
		return nil, fmt.Errorf("kernel %s is no emulated machine, where instructions are counted: take 6.1 or 6.12", o.kernel)
	}
	if o.time == "virtual" && (!k.uml || k.smp) {
		return nil, fmt.Errorf("kernel %s has real time only: take one of %s for virtual time", o.kernel, strings.Join(virtualNames(), ", "))
	}
	if o.where && o.time != "counted" {
		return nil, fmt.Errorf("-where needs -t counted")
	}
	if o.leaks && o.kernel != "debug" {
		return nil, fmt.Errorf("-leaks needs kmemleak, which only -k debug has")
	}
	if seconds <= 0 {
		return nil, fmt.Errorf("-T %d: the limit is a positive number of seconds", seconds)
	}
	if o.memory < 0 || o.memory > 0 && o.memory < 256 {
		return nil, fmt.Errorf("-M %d: a guest has 256 MiB at least", o.memory)
	}
	if o.jobs < 1 {
		return nil, fmt.Errorf("-j %d: a compiler is needed at least", o.jobs)
	}
	if o.cpus < 1 || o.cpus > 8 {
		return nil, fmt.Errorf("-c %d: a guest has 1 to 8 processors", o.cpus)
	}
	for _, p := range o.forward {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			return nil, fmt.Errorf("-forward %s: it is no port", p)
		}
		if k.uml {
			return nil, fmt.Errorf("-forward %s: kernel %s has no card: take 6.1 or 6.12", p, o.kernel)
		}
	}
	if o.path != "" && !slices.Contains([]string{"source", "build", "log"}, o.path) {
		return nil, fmt.Errorf("-path %s: it is source, build or log", o.path)
	}
	if len(o.command) == 0 && !o.prepare && o.path == "" {
		return nil, fmt.Errorf("no COMMAND to run; see tests/vm/run -help")
	}
	for _, e := range o.env {
		if name, _, ok := strings.Cut(e, "="); !ok || !validName(name) {
			return nil, fmt.Errorf("-e %s: it has the form NAME=VALUE", e)
		}
	}
	for _, m := range o.modules {
		if _, err := os.Stat(filepath.Join(m, "Kbuild")); err != nil {
			return nil, fmt.Errorf("-m %s: there is no Kbuild in it", m)
		}
	}
	return o, nil
}

// validName tells whether a shell would take s as a variable's name.
func validName(s string) bool {
	for i, r := range s {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}

func main() {
	os.Exit(realMain(os.Args[1:]))
}

func realMain(args []string) int {
	o, err := parseOptions(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Print(usage)
		return 0
	}
	if err == nil && os.Geteuid() != 0 {
		err = errors.New("it installs packages and boots machines from the host's own files: run it as root, or with sudo")
	}
	if err != nil {
		return complain(err)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	status, err := execute(o, stop)
	if err != nil {
		return complain(err)
	}
	return status
}

// execute does what the options ask for, and returns the exit status.
func execute(o *options, stop <-chan os.Signal) (int, error) {
	p := newProgress(os.Stderr, o.kernel)
	c, err := openCache()
	if err != nil {
		return 0, err
	}
	k, err := c.prepare(o, p)
	if err != nil {
		return 0, err
	}
	if o.path != "" {
		fmt.Println(c.pathOf(o, k))
		return 0, nil
	}
	if o.prepare {
		return 0, nil
	}
	mods, err := c.modules(o, k, p)
	if err != nil {
		return 0, err
	}
	if !o.built {
		if err := buildTools(o.repo); err != nil {
			return 0, err
		}
	}
	r, err := newRun(c, o, k, mods)
	if err != nil {
		return 0, err
	}
	if o.time == "counted" {
		if r.counter, err = c.counter(o.repo, p); err != nil {
			return 0, err
		}
	}
	v, err := r.boot(stop)
	if err != nil {
		return 0, err
	}
	v.report(os.Stderr, o.kernel, r.dir)
	return v.Exit, nil
}

// pathOf returns the folder that -path asks for.
func (c *cache) pathOf(o *options, k *kernel) string {
	switch o.path {
	case "source":
		return k.Source
	case "build":
		return k.Build
	}
	return c.lastRun(o.kernel)
}

// complain prints why nothing was run, and returns the exit status for it.
func complain(err error) int {
	fmt.Fprintf(os.Stderr, "vm: %v\n", err)
	return exitRunner
}
