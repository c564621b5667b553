// SPDX-License-Identifier: BSD-3-Clause

package main

import "shim6/netlink"

func init() {
	register(command{
		object: "context", verb: "set", order: changes, args: "CONTEXT KEY VALUE [...]",
		help: "change a context in the kernel: all that is named, or nothing", form: contextSet,
	})
}

func contextSet(t *tool) form {
	var ulids netlink.ULIDs
	var u netlink.ContextUpdate
	return form{context: &ulids, keys: contextKeys(&u), run: func(given []string) error {
		if len(given) == 0 {
			return usageError("context set needs a key and a value")
		}
		return t.with(func(c client) error { return c.SetContext(ulids, u) })
	}}
}
