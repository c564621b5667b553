// SPDX-License-Identifier: BSD-3-Clause

package main

import "slices"

// objectRow is something that commands are about.
type objectRow struct {
	name, help string
	// about explains the words in upper case of its commands, in help.
	about string
	// keys is the title above the keys of its commands, in help; "" if help explains none.
	keys string
	// with is the object before it in the list with which it shares a part of help and a
	// section of the manual page; "" if it has its own.
	with string
}

// contextIs explains CONTEXT.
const contextIs = "CONTEXT is LOCAL-ULID PEER-ULID [fii N]"

// objects are in the order in which they are shown. A word that is short for several objects is
// the first of them.
var objects = []objectRow{
	{name: "context", help: "ULID-pair contexts, by which sessions are re-homed",
		about: contextIs,
		keys:  "KEY of context, named as in RFC 5533 and 5534; ADDRS is ADDR[,...] or none"},
	{name: "flow", help: "ULID pairs without a context, whose packets are counted until there is one"},
	{name: "policy", help: "rules that say which packets use Shim6",
		about: "the first rule that fits, by ascending preference, decides",
		keys:  "MATCH of policy; a packet has to fit all that a rule names"},
	{name: "config", help: "the configuration of the network namespace",
		keys: "KEY of config"},
	{name: "stats", help: "counters of the network namespace"},
	{name: "cga", help: "addresses that are bound to a public key (RFC 3972)",
		about: "FILE has addresses, and what verifies them",
		keys:  "KEY of cga and hba; files that exist are never overwritten"},
	{name: "hba", help: "sets of addresses that are bound to each other (RFC 5535)", with: "cga"},
	{name: "path", help: "locator pairs: which there are, which are used, and since when",
		about: contextIs + "; all but probe ask shim6d"},
	{name: "locator", help: "addresses of this host that can be locators"},
	{name: "monitor", help: "print what changes, as it changes"},
	{name: "hook", help: "commands that are called when shim6d gives an alarm",
		about: "ALARM is switch, unprotected or restored; FOLDER has the commands on-ALARM"},
	{name: "top", help: "the state of all on one screen, as it changes"},
	{name: "daemon", help: "shim6d"},
	{name: "doctor", help: "look for what is wrong, and say what to do"},
	{name: "completion", help: "complete the words in a shell"},
}

// part is the object whose part of help, and section of the manual page, has this one.
func (o objectRow) part() objectRow {
	if o.with == "" {
		return o
	}
	return objectNamed(o.with)
}

func objectNamed(name string) objectRow {
	return objects[slices.IndexFunc(objects, func(o objectRow) bool { return o.name == name })]
}

// sharers are the objects that share a part, the one that it is named after first.
func (o objectRow) sharers() []string {
	names := []string{o.name}
	for _, x := range objects {
		if x.with == o.name {
			names = append(names, x.name)
		}
	}
	return names
}
