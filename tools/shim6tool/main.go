// SPDX-License-Identifier: BSD-3-Clause

// Command shim6tool shows and sets what shim6.ko holds, in the manner of ip.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"shim6/netlink"
)

// Exit statuses, as ip has them.
const (
	exitUsage   = 1 // the words make no sense
	exitRefused = 2 // the kernel, or the system, refused
)

// version is set by the build.
var version = "unknown"

// client is what the tool needs of the kernel.
type client interface {
	Config() (netlink.Config, error)
	SetConfig(netlink.ConfigUpdate) error
	Contexts() ([]netlink.Context, error)
	ContextsWith(netlink.ContextFilter) ([]netlink.Context, error)
	Context(netlink.ULIDs) (netlink.Context, error)
	NewContext(netlink.ULIDs, uint64, netlink.ContextUpdate) error
	SetContext(netlink.ULIDs, netlink.ContextUpdate) error
	DeleteContext(netlink.ULIDs) error
	FlushContexts() error
	Policies() ([]netlink.Policy, error)
	NewPolicy(netlink.Policy) error
	DeletePolicy(uint32) error
	FlushPolicies() error
	Stats() ([]netlink.Stat, error)
	Close() error
}

// tool is one call of the program.
type tool struct {
	out, err io.Writer
	system

	json, pretty, statistics bool
	// short and long have monitor tell the time.
	short, long   bool
	netns, socket string
}

// system is what the tool needs of the world; tests have their own.
type system struct {
	dial func(netns string) (client, error)
	// loaded says whether the module is there, and does not load it.
	loaded func(netns string) (bool, error)
	daemon func(socket string) daemon
	watch  func(netns string, groups []string) (watcher, error)
	// network opens sockets for a probe, in a namespace.
	network func(netns string, local, peer netip.Addr) (network, error)
	// inspect tells what doctor wants to know of the host.
	inspect func(netns string) (host, error)
	now     func() time.Time
	// root is where files of the system are.
	root string
}

func main() {
	t := &tool{out: os.Stdout, err: os.Stderr, system: system{
		dial: dial, loaded: loaded, daemon: dialDaemon, watch: watch,
		network: openNetwork, inspect: inspect, now: time.Now, root: "/",
	}}
	os.Exit(t.run(os.Args[1:]))
}

// usageError is a mistake in the words.
type usageError string

func (e usageError) Error() string { return string(e) }

func (t *tool) run(args []string) int {
	app := t.app()
	args, err := expand(app, args)
	if err == nil {
		err = app.Run(append([]string{app.Name}, args...))
	}
	if err == nil {
		return 0
	}
	fmt.Fprintf(t.err, "shim6tool: %v\n", err)
	var mistake usageError
	if errors.As(err, &mistake) {
		fmt.Fprintln(t.err, "shim6tool: 'shim6tool help' lists the words")
		return exitUsage
	}
	return exitRefused
}

// app describes the words. Errors are printed by run alone.
func (t *tool) app() *cli.App {
	help := func(*cli.Context) error {
		_, err := io.WriteString(t.out, usage)
		return err
	}
	return &cli.App{
		Name:                   "shim6tool",
		Version:                version,
		Writer:                 t.out,
		ErrWriter:              io.Discard,
		CustomAppHelpTemplate:  usage,
		HideHelpCommand:        true,
		UseShortOptionHandling: true,
		ExitErrHandler:         func(*cli.Context, error) {},
		OnUsageError: func(c *cli.Context, err error, _ bool) error {
			if errors.Is(err, flag.ErrHelp) {
				return help(c)
			}
			return usageError(err.Error())
		},
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "json", Aliases: []string{"j"}, Destination: &t.json},
			&cli.BoolFlag{Name: "pretty", Aliases: []string{"p"}, Destination: &t.pretty},
			&cli.BoolFlag{Name: "statistics", Aliases: []string{"s"}, Destination: &t.statistics},
			&cli.BoolFlag{Name: "timestamp", Aliases: []string{"t"}, Destination: &t.long},
			&cli.BoolFlag{Name: "tshort", Aliases: []string{"ts"}, Destination: &t.short},
			&cli.StringFlag{Name: "netns", Aliases: []string{"n"}, Destination: &t.netns},
			&cli.StringFlag{Name: "socket", Destination: &t.socket},
		},
		Action: func(*cli.Context) error { return t.status() },
		Commands: []*cli.Command{
			objectWords("context", help, []command{
				{"show", t.contextShow}, {"add", t.contextAdd}, {"set", t.contextSet},
				{"del", t.contextDel}, {"flush", t.contextFlush},
				{"trigger", t.contextTrigger}, {"update", t.contextUpdate},
			}),
			objectWords("policy", help, []command{
				{"show", t.policyShow}, {"add", t.policyAdd}, {"del", t.policyDel}, {"flush", t.policyFlush},
			}),
			objectWords("config", help, []command{{"show", t.configShow}, {"set", t.configSet}}),
			objectWords("stats", help, []command{{"show", t.statsShow}}),
			objectWords("cga", help, t.addressCommands(kindCGA)),
			// Before hba, whose first letter it has had for longer.
			{Name: "help", HideHelp: true, Action: help},
			objectWords("hba", help, t.addressCommands(kindHBA)),
			objectWords("path", help, []command{
				{"show", t.pathShow}, {"history", t.pathHistory}, {"probe", t.pathProbe}, {"use", t.pathUse},
			}),
			objectWords("locator", help, []command{{"show", t.locatorShow}}),
			objectWords("monitor", help, []command{
				{"all", t.monitorAll}, {"config", t.monitorConfig}, {"context", t.monitorContext},
				{"path", t.monitorPath}, {"policy", t.monitorPolicy},
			}),
			objectWords("daemon", help, []command{{"status", t.daemonStatus}, {"reload", t.daemonReload}}),
			objectWords("doctor", help, []command{{"check", t.doctorCheck}, {"peer", t.doctorPeer}}),
			objectWords("completion", help, []command{
				{"bash", t.completionBash}, {"zsh", t.completionZsh}, {"fish", t.completionFish},
			}),
		},
	}
}

// command is what can be done with an object.
type command struct {
	name string
	run  func(args []string) error
}

// objectWords describes an object, whose first command is the default.
func objectWords(name string, help cli.ActionFunc, commands []command) *cli.Command {
	o := &cli.Command{
		Name: name, HideHelp: true,
		Action: func(*cli.Context) error { return commands[0].run(nil) },
	}
	for _, c := range commands {
		o.Subcommands = append(o.Subcommands, &cli.Command{
			Name: c.name, HideHelp: true, SkipFlagParsing: true,
			Action: func(ctx *cli.Context) error { return c.run(ctx.Args().Slice()) },
		})
	}
	o.Subcommands = append(o.Subcommands, &cli.Command{Name: "help", HideHelp: true, Action: help})
	return o
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

// expand writes out shortened words: first the object, then the command.
// Options stand before the object, as with ip.
func expand(app *cli.App, args []string) ([]string, error) {
	out := slices.Clone(args)
	i := 0
	for ; i < len(out) && strings.HasPrefix(out[i], "-"); i++ {
		name := strings.TrimLeft(out[i], "-")
		short := len(out[i])-len(name) == 1 && strings.Trim(name, "jpstn") == "" && strings.HasSuffix(name, "n")
		if short || name == "netns" || name == "socket" {
			i++
		}
	}
	commands, kind := app.Commands, "object"
	for ; i < len(out) && len(commands) > 0; i++ {
		var names []string
		for _, c := range commands {
			names = append(names, c.Name)
		}
		found, err := words(kind, out[i], names)
		if err != nil {
			return nil, err
		}
		// As with ip, the first that fits: commands are listed so
		// that what only shows comes first.
		name := found[0]
		out[i] = name
		at := slices.Index(names, name)
		kind, commands = "command of "+name, commands[at].Subcommands
	}
	return out, nil
}

// words returns those of the choices that s is, or is short for.
func words(kind, s string, choices []string) ([]string, error) {
	if slices.Contains(choices, s) {
		return []string{s}, nil
	}
	var found []string
	for _, c := range choices {
		if s != "" && strings.HasPrefix(c, s) {
			found = append(found, c)
		}
	}
	if len(found) == 0 {
		return nil, usageError(fmt.Sprintf("there is no %s %q: take one of %s", kind, s, strings.Join(choices, ", ")))
	}
	return found, nil
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
