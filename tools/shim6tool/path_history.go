// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"fmt"
	"slices"

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
		var list []control.Switch
		if err := t.ask(func(ctx context.Context, d daemon) (err error) {
			list, err = d.Switches(ctx)
			return err
		}); err != nil {
			return err
		}
		list = slices.DeleteFunc(list, func(s control.Switch) bool { return !wanted(ulids, s.Name) })
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
