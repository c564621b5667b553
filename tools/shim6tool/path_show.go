// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"

	"shim6/daemon/control"
	"shim6/netlink"
)

func init() {
	register(command{
		object: "path", verb: "show", order: isDefault, args: "[CONTEXT]",
		help: "print the pairs of contexts", form: pathShow,
	})
}

func pathShow(t *tool) form {
	var ulids netlink.ULIDs
	return form{context: &ulids, optional: true, run: func([]string) error {
		list, err := listed(t, ulids, daemon.Paths, func(p control.Path) control.Name { return p.Name })
		if err != nil {
			return err
		}
		if t.json {
			return t.printJSON(listOf(list))
		}
		for i, p := range list {
			if i == 0 || p.Name != list[i-1].Name {
				fmt.Fprintln(t.out, nameText(p.Name))
			}
			t.printPath(p)
		}
		return nil
	}}
}
