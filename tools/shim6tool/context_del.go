// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"errors"
	"io/fs"

	"shim6/netlink"
)

func init() {
	register(command{
		object: "context", verb: "del", order: changes, args: "CONTEXT",
		help: "delete a context, and tell shim6d", form: contextDel,
	})
}

func contextDel(t *tool) form {
	var ulids netlink.ULIDs
	return form{context: &ulids, run: func([]string) error {
		// If only the kernel deleted the context, shim6d would think that it was lost. The
		// kernel deletes it if there is no shim6d, or if shim6d does not know it.
		err := t.ask(func(ctx context.Context, d daemon) error { return d.CloseContext(ctx, nameOf(ulids)) })
		if !absent(err) && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return t.with(func(c client) error { return c.DeleteContext(ulids) })
	}}
}
