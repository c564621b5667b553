// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"

	"shim6/daemon/control"
	"shim6/netlink"
)

func init() {
	register(command{
		object: "path", verb: "history", order: onlyShows, args: "[CONTEXT]",
		help: "print why contexts came to other pairs", form: pathHistory,
	})
}

func pathHistory(t *tool) form {
	var ulids netlink.ULIDs
	return form{context: &ulids, optional: true, run: func([]string) error {
		list, err := listed(t, ulids, daemon.Switches, func(s control.Switch) control.Name { return s.Name })
		if err != nil {
			return err
		}
		if t.json {
			return t.printJSON(listOf(list))
		}
		for _, s := range list {
			fmt.Fprintf(t.out, "%s ", clockText(s.Time))
			t.printSwitch(s)
		}
		return nil
	}}
}
