// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"errors"
	"fmt"

	"shim6/netlink"
)

func init() {
	register(command{
		object: "context", verb: "show", order: isDefault, args: "[CONTEXT|KEY VALUE ...]",
		help: "print all, or one, or those that have all that is named of ulid-local, ulid-peer, state, reap-state and active-within",
		form: contextShow,
	})
}

func contextShow(t *tool) form {
	var ulids netlink.ULIDs
	var f netlink.ContextFilter
	keys := []key{addr("ulid-local", &f.Local), addr("ulid-peer", &f.Peer), enum("state", &f.State), enum("reap-state", &f.ReapState),
		duration("active-within", &f.ActiveWithin)}
	return form{context: &ulids, optional: true, keys: keys, run: func([]string) error {
		var list []netlink.Context
		err := t.with(func(c client) (err error) {
			if !ulids.Local.IsValid() {
				list, err = c.ContextsWith(f)
				return err
			}
			list = make([]netlink.Context, 1)
			list[0], err = c.Context(ulids)
			return err
		})
		if err != nil && !errors.Is(err, netlink.ErrInterrupted) {
			return err
		}
		protections := t.protections(list)
		if t.json {
			var objects []object
			for _, c := range list {
				objects = append(objects, protectedObject(c, protections))
			}
			return errors.Join(t.printJSON(objects), err)
		}
		for _, c := range list {
			t.printContext(c)
			if p, ok := protections[nameOf(c.ULIDs)]; ok {
				fmt.Fprintf(t.out, "    %s\n", p.Text)
			}
		}
		return err
	}}
}
