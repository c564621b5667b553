// SPDX-License-Identifier: BSD-3-Clause

// Command shim6tool shows and sets what shim6.ko holds, in the manner of ip.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"shim6/netlink"
)

// Exit statuses, as ip has them.
const (
	exitUsage   = 1 // the words make no sense
	exitRefused = 2 // the kernel, or the system, refused
)

const usage = `usage: shim6tool [OPTIONS] OBJECT [COMMAND [ARGUMENTS]]

OBJECT:
  context     ULID-pair contexts, by which sessions are re-homed
  policy      rules that say which packets are
  config      the configuration of the network namespace
  stats       counters of the network namespace
  cga         addresses that are bound to a public key (RFC 3972)
  hba         sets of addresses that are bound to each other (RFC 5535)

COMMAND of context; CONTEXT is LOCAL-ULID PEER-ULID [fii N]:
  show [CONTEXT]            print one, or all (the default)
  add CONTEXT tag-local TAG [KEY VALUE ...]
  set CONTEXT KEY VALUE [...]
                            change it: all that is named, or nothing
  del CONTEXT               delete one
  flush                     delete all

KEY of context, named as in RFC 5533 and 5534; ADDRS is ADDR[,...] or none:
  tag-peer TAG              context tag of the peer, 47 bits
  state STATE               i1-sent, i2-sent, established, i2bis-sent
  locator-local ADDR        current locator pair: to name another one is to
  locator-peer ADDR         re-home, to name the ULIDs is to go back to them
  locators-local ADDRS      Ls(local)
  locators-peer ADDRS       Ls(peer)
  inbound-locator-local ADDR, inbound-locator-peer ADDR
                            the pair by which the peer sends
  send-timeout TIME         Send Timeout, 10s to 100s
  keepalive-timeout TIME    Keepalive Timeout
  reap-state STATE          operational, exploring, inbound-ok
  reap-timer TIMER          start it anew: send, keepalive, or none of them

COMMAND of policy; the first rule that fits, by preference, decides:
  show                      print all (the default)
  add [preference N] [MATCH ...] action shim|ignore|bypass
      [trigger-packets N] [trigger-time TIME]
                            ignore: no context is asked for; bypass: and none
                            is used. Without preference: before all others
  del preference N          delete one
  flush                     delete all

MATCH:
  local PREFIX, peer PREFIX, protocol NAME|N, port-local N, port-peer N,
  port N (either), mark N[/MASK], mptcp

COMMAND of config:
  show                      print it (the default)
  set KEY VALUE [...]       change it: all that is named, or nothing

COMMAND of stats:
  show                      print them (the default)

KEY of config:
  max-contexts N            how many contexts the namespace may hold
  max-flows N               how many ULID pairs without a context are counted
  trigger-packets N         ask for a context after N packets, 0 for never
  trigger-time TIME         ask for one after so much exchange, 0s for never
  send-timeout TIME         Send Timeout of RFC 5534, 10s to 100s
  idle-timeout TIME         report a context as quiescent after it, 5m to 24h
  icmp-to-ulp 0|1           1: ICMPv6 errors that a daemon acts on reach the
                            ULP as well

COMMAND of cga and hba; FILE has addresses, and what verifies them:
  show pds FILE             print what is in it
  verify ADDRESS pds FILE   say whether it is the address, or one of the set
  cga generate prefix PREFIX pds FILE key FILE|new-key FILE [KEY VALUE ...]
  hba generate prefix PREFIX[,...] pds FILE key FILE|new-key FILE|pure [...]
                            make the address, or the set; print and keep it

KEY of cga and hba; files that are there already are never overwritten:
  prefix PREFIX             64 bits, not link-local; their order is part of
                            the set
  pds FILE                  PEM, or the bare octets of one PDS (not made here)
  key FILE                  RSA private key that the addresses are bound to, of
                            1024 to 3072 bits, PEM without a passphrase
  new-key FILE              make one, with mode 0600
  key-bits N                its length, 1024 to 3072; 2048 without it
  pure                      no key: HBA-only addresses, which cannot sign
  sec N                     0 to 2: some 65536^N hashes to make the addresses,
                            as many times more to forge one; 1 without it

OPTIONS:
  -j, -json                 print JSON; times are in milliseconds
  -p, -pretty               indent the JSON
  -n, -netns NETNS          in the named network namespace (or a path)
  -v, -version              print the version
  -h, -help                 print this

Words may be shortened: 'shim6tool c s' is 'shim6tool context show'; TIME is a
number and a unit (ms, s, m, h); TAG may be hexadecimal, with 0x. Exit status: 0, 1 for words that make no
sense, 2 for what the kernel refuses, or what does not verify.
`

// version is set by the build.
var version = "unknown"

// client is what the tool needs of the kernel.
type client interface {
	Config() (netlink.Config, error)
	SetConfig(netlink.ConfigUpdate) error
	Contexts() ([]netlink.Context, error)
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
	out, err     io.Writer
	dial         func(netns string) (client, error)
	json, pretty bool
	netns        string
}

func main() {
	t := &tool{out: os.Stdout, err: os.Stderr, dial: dial}
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
			&cli.StringFlag{Name: "netns", Aliases: []string{"n"}, Destination: &t.netns},
		},
		Action: func(*cli.Context) error {
			return usageError("which object? There is: context, policy, config, stats, cga, hba")
		},
		Commands: []*cli.Command{
			objectWords("context", help, []command{
				{"show", t.contextShow}, {"add", t.contextAdd}, {"set", t.contextSet},
				{"del", t.contextDel}, {"flush", t.contextFlush},
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
		short := len(out[i])-len(name) == 1 && strings.Trim(name, "jpn") == "" && strings.HasSuffix(name, "n")
		if short || name == "netns" {
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

// dial connects in a namespace made by 'ip netns', or in that of a path.
func dial(netns string) (client, error) {
	var options netlink.Options
	if netns != "" {
		path := netns
		if !strings.Contains(netns, "/") {
			path = filepath.Join("/run/netns", netns)
		}
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("network namespace %q: %w ('ip netns list' shows which there are)", netns, err)
		}
		defer f.Close()
		options.NetNS = int(f.Fd())
	}
	c, err := netlink.Dial(&options)
	if err != nil {
		return nil, err
	}
	return c, nil
}
