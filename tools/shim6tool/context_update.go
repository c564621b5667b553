// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"

	"shim6/netlink"
)

func init() {
	register(command{
		object: "context", verb: "update", order: changes, args: "CONTEXT",
		help: "ask shim6d to tell the peer all our locators again", form: contextUpdate,
	})
}

func contextUpdate(t *tool) form {
	var ulids netlink.ULIDs
	return form{context: &ulids, run: func([]string) error {
		return t.ask(func(ctx context.Context, d daemon) error { return d.Refresh(ctx, nameOf(ulids)) })
	}}
}
