// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"errors"
	"fmt"

	"shim6/netlink"
)

func init() {
	register(command{object: "policy", verb: "show", order: isDefault, help: "print all rules", form: policyShow})
}

func policyShow(t *tool) form {
	return form{run: func([]string) error {
		var list []netlink.Policy
		err := t.with(func(c client) (err error) {
			list, err = c.Policies()
			return err
		})
		if err != nil && !errors.Is(err, netlink.ErrInterrupted) {
			return err
		}
		if t.json {
			var objects []object
			for _, p := range list {
				objects = append(objects, policyObject(p))
			}
			return errors.Join(t.printJSON(objects), err)
		}
		for _, p := range list {
			fmt.Fprintln(t.out, policyText(p))
		}
		return err
	}}
}
