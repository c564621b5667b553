// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"cmp"
	"net/netip"
	"slices"

	"shim6/netlink"
)

// command is one row: a verb, with what it takes, says and does. Each row stands in the file of
// its command, which registers it. The parser, help, the completion of the shells and the check
// of shim6tool(8) all come from the rows.
type command struct {
	// object is one of objects.
	object, verb string
	order        order
	// args are the words after the verb, as help and the manual page write them: what the user
	// replaces is in upper case.
	args string
	// help says what the command does. Lines are broken by whoever prints it.
	help string
	// form returns what the command takes, bound to new variables.
	form func(t *tool) form
}

// order is the place of a verb in its object: the default first, then verbs that only show, then
// those that change something; by name where that is the same. A word that is short for several
// verbs is the first of them.
type order int

const (
	// isDefault runs if the object stands alone.
	isDefault order = iota
	onlyShows
	changes
)

// form is the words that a command takes, in this order, and what it does with them.
type form struct {
	// context is CONTEXT: LOCAL-ULID PEER-ULID [fii N]. It is nil if the command takes none.
	context *netlink.ULIDs
	// optional: the context may be left out, and only then keys may follow.
	optional bool
	// address is one address, nil if the command takes none; addressOf says whose.
	address   *netip.Addr
	addressOf string
	// word is one word before the keys, each of which takes a value; nil if the command takes
	// none. It may be left out.
	word *string
	keys []key
	// run gets the names of the keys that were given.
	run func(given []string) error
}

// commands are sorted by object and order.
var commands []*command

// register adds a row. It is called while the program starts.
func register(c command) {
	at, _ := slices.BinarySearchFunc(commands, &c, compareCommands)
	commands = slices.Insert(commands, at, &c)
}

func compareCommands(a, b *command) int {
	place := func(c *command) int {
		return slices.IndexFunc(objects, func(o objectRow) bool { return o.name == c.object })
	}
	return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a.order, b.order), cmp.Compare(a.verb, b.verb))
}

// commandsOf returns the rows of an object, the default first.
func commandsOf(object string) []*command {
	var list []*command
	for _, c := range commands {
		if c.object == object {
			list = append(list, c)
		}
	}
	return list
}

func (c *command) name() string { return c.object + " " + c.verb }

// run reads the words after the verb, and does what they say.
func (c *command) run(t *tool, args []string) error {
	f := c.form(t)
	given, err := c.parse(f, args)
	if err != nil {
		return err
	}
	return f.run(given)
}

// parse fills the variables of a form, and returns the names of the keys that were given.
func (c *command) parse(f form, args []string) ([]string, error) {
	keys := f.keys
	if f.address != nil {
		if len(args) == 0 {
			return nil, usageError(c.name() + " needs " + f.addressOf)
		}
		a, err := parseAddr(args[0])
		if err != nil {
			return nil, usageError(f.addressOf + ": " + err.Error())
		}
		*f.address, args = a, args[1:]
	}
	if f.word != nil && len(args)%2 == 1 {
		*f.word, args = args[0], args[1:]
	}
	if f.context != nil && !f.without(args) {
		var err error
		if *f.context, args, err = parseULIDs(c.name(), args); err != nil {
			return nil, err
		}
		if f.optional {
			keys = nil
		}
	}
	if len(keys) == 0 {
		return nil, noWords(c.name(), args)
	}
	return parseKeys("key of "+c.name(), keys, args)
}

// without reports whether words leave out a context that may be left out.
func (f *form) without(args []string) bool {
	if !f.optional || len(args) == 0 {
		return f.optional
	}
	_, err := parseAddr(args[0])
	return err != nil && len(f.keys) > 0
}
