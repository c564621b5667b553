// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"

	"shim6/netlink"
)

func init() {
	register(command{object: "stats", verb: "show", order: isDefault, help: "print the counters", form: statsShow})
}

func statsShow(t *tool) form {
	return form{run: func([]string) error {
		var stats []netlink.Stat
		if err := t.with(func(c client) (err error) {
			stats, err = c.Stats()
			return err
		}); err != nil {
			return err
		}
		if t.json {
			var o object
			for _, s := range stats {
				o = append(o, field{s.Name, s.Value})
			}
			return t.printJSON([]object{o})
		}
		for _, s := range stats {
			fmt.Fprintf(t.out, "%-20s%d\n", s.Name, s.Value)
		}
		return nil
	}}
}
