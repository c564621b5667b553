// SPDX-License-Identifier: BSD-3-Clause

package main

import "shim6/netlink"

func init() {
	register(command{
		object: "context", verb: "add", order: changes, args: "CONTEXT [tag-local TAG] [KEY VALUE ...]",
		help: "write a context to the kernel; without tag-local, do as trigger",
		form: contextAdd,
	})
}

func contextAdd(t *tool) form {
	var ulids netlink.ULIDs
	var tag *uint64
	var u netlink.ContextUpdate
	keys := append([]key{number("tag-local", 47, &tag).as("TAG")}, contextKeys(&u)...)
	return form{context: &ulids, keys: keys, run: func(given []string) error {
		if tag != nil {
			return t.with(func(c client) error { return c.NewContext(ulids, *tag, u) })
		}
		// shim6d makes a context that has no tag yet.
		for _, name := range given {
			if name != "locator-local" && name != "locator-peer" {
				return usageError("context add needs tag-local to set " + name +
					"; without it, shim6d makes the context, by a locator pair that you may name")
			}
		}
		return t.open(ulids, u.LocatorLocal, u.LocatorPeer, false)
	}}
}
