// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"errors"

	"shim6/netlink"
)

func init() {
	register(command{
		object: "flow", verb: "show", order: isDefault,
		help: "print the pairs, how much was counted of how much that asks for a context, and why there is none",
		form: flowShow,
	})
}

func flowShow(t *tool) form {
	return form{run: func([]string) error {
		var list []netlink.Flow
		err := t.with(func(c client) (err error) {
			list, err = c.Flows()
			return err
		})
		if err != nil && !errors.Is(err, netlink.ErrInterrupted) {
			return err
		}
		sortFlows(list)
		protections := t.flowProtections(list)
		if t.json {
			var objects []object
			for _, f := range list {
				objects = append(objects, flowObject(f, protections))
			}
			return errors.Join(t.printJSON(objects), err)
		}
		for _, f := range list {
			t.printFlow(f, protections)
		}
		return err
	}}
}
