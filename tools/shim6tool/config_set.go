// SPDX-License-Identifier: BSD-3-Clause

package main

import "shim6/netlink"

func init() {
	register(command{
		object: "config", verb: "set", order: changes, args: "KEY VALUE [...]",
		help: "change the configuration: all that is named, or nothing", form: configSet,
	})
}

func configSet(t *tool) form {
	var u netlink.ConfigUpdate
	var keys []key
	for _, k := range configKeys(&u, &netlink.Config{}) {
		keys = append(keys, k.key)
	}
	return form{keys: keys, run: func(given []string) error {
		if len(given) == 0 {
			return usageError("config set needs a key and a value")
		}
		return t.with(func(c client) error { return c.SetConfig(u) })
	}}
}
