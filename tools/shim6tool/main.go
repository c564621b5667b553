// SPDX-License-Identifier: BSD-3-Clause

// Command shim6tool shows and sets what shim6.ko and shim6d hold, in the manner of ip.
//
// Each command is a row in a file of its own, as in context_add.go: see command and register.
package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"time"

	"github.com/gdamore/tcell/v2"
	"github.com/urfave/cli/v2"

	"shim6/netlink"
)

// Exit statuses, as ip has them.
const (
	exitUsage   = 1 // a mistake in the words
	exitRefused = 2 // refused by the kernel, shim6d or the system
)

// version is set by the build.
var version = "unknown"

// client is what the tool needs of the kernel.
type client interface {
	Config() (netlink.Config, error)
	SetConfig(netlink.ConfigUpdate) error
	Contexts() ([]netlink.Context, error)
	ContextsWith(netlink.ContextFilter) ([]netlink.Context, error)
	EachContext(netlink.ContextFilter, func(*netlink.Context) error) error
	Context(netlink.ULIDs) (netlink.Context, error)
	NewContext(netlink.ULIDs, uint64, netlink.ContextUpdate) error
	SetContext(netlink.ULIDs, netlink.ContextUpdate) error
	DeleteContext(netlink.ULIDs) error
	FlushContexts() error
	Flows() ([]netlink.Flow, error)
	Policies() ([]netlink.Policy, error)
	NewPolicy(netlink.Policy) error
	DeletePolicy(uint32) error
	FlushPolicies() error
	Stats() ([]netlink.Stat, error)
	Close() error
}

// tool is one call of the program.
type tool struct {
	in       io.Reader
	out, err io.Writer
	system

	json, pretty, statistics bool
	// short and long have monitor print the time.
	short, long   bool
	netns, socket string
}

// system is what the tool needs of the host; tests have their own.
type system struct {
	dial func(netns string) (client, error)
	// loaded reports whether the module is loaded, without loading it.
	loaded func(netns string) (bool, error)
	daemon func(socket string) daemon
	watch  func(netns string, groups []string) (watcher, error)
	// network opens sockets for a probe, in a namespace.
	network func(netns string, local, peer netip.Addr) (network, error)
	// inspect opens what doctor looks at, in a namespace.
	inspect func(netns string) (host, error)
	now     func() time.Time
	sleep   func(time.Duration)
	// screen opens the terminal for top, and counters has the counters of interfaces.
	screen   func() (tcell.Screen, error)
	counters func(netns string) (map[string]octets, error)
	// hostname is the name that the host has for itself.
	hostname func() (string, error)
	// root is the folder below which the files of the host are.
	root string
}

// newTool returns the tool of this host.
func newTool(out, err io.Writer) *tool {
	return &tool{in: os.Stdin, out: out, err: err, system: system{
		dial: dial, loaded: loaded, daemon: dialDaemon, watch: watch,
		network: openNetwork, inspect: inspect, now: time.Now, sleep: time.Sleep, hostname: os.Hostname, root: "/",
		screen: openScreen, counters: countOctets,
	}}
}

// usageError is a mistake in the words.
type usageError string

func (e usageError) Error() string { return string(e) }

// isMistake reports whether an error is about the words: one of ours, or one that only cli makes, for
// words behind -h. A program that was run has an exit code too, and is not meant.
func isMistake(err error) bool {
	var mistake usageError
	var words cli.ExitCoder
	var program *exec.ExitError
	return errors.As(err, &mistake) || errors.As(err, &words) && !errors.As(err, &program)
}

// run does what the words say, and returns the exit status. Only run prints errors.
func (t *tool) run(args []string) int {
	err := t.app().Run(append([]string{"shim6tool"}, args...))
	if err == nil {
		return 0
	}
	fmt.Fprintf(t.err, "shim6tool: %v\n", err)
	if isMistake(err) {
		fmt.Fprintln(t.err, "shim6tool: 'shim6tool help' lists the words")
		return exitUsage
	}
	return exitRefused
}

// with does something with a connection to the kernel.
func (t *tool) with(do func(client) error) error {
	c, err := t.dial(t.netns)
	if err != nil {
		return err
	}
	defer c.Close()
	return do(c)
}

// dial connects in a network namespace.
func dial(netns string) (client, error) {
	o, done, err := options(netns)
	if err != nil {
		return nil, err
	}
	defer done()
	c, err := netlink.Dial(o)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func loaded(netns string) (bool, error) {
	o, done, err := options(netns)
	if err != nil {
		return false, err
	}
	defer done()
	return netlink.Loaded(o)
}
