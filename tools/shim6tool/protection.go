// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"

	"shim6/daemon/control"
	"shim6/netlink"
)

// protections asks shim6d what the first contexts of a list would have if their provider failed. If
// shim6d does not answer, nothing is known: contexts are shown all the same.
func (t *tool) protections(list []netlink.Context) map[control.Name]control.Protection {
	var names []control.Name
	for _, c := range list[:min(len(list), control.MaxProtections)] {
		names = append(names, nameOf(c.ULIDs))
	}
	found := map[control.Name]control.Protection{}
	if len(names) == 0 {
		return found
	}
	_ = t.ask(func(ctx context.Context, d daemon) error {
		answers, err := d.Protections(ctx, names)
		for _, p := range answers {
			found[p.Name] = p
		}
		return err
	})
	return found
}

// protectedObject is contextObject with the answer of shim6d, but without the name that both have.
func protectedObject(c netlink.Context, all map[control.Name]control.Protection) object {
	o := contextObject(c)
	p, ok := all[nameOf(c.ULIDs)]
	if !ok {
		return o
	}
	j := object{
		{"protected", p.Protected}, {"pairs", p.Pairs}, {"networks-local", p.NetworksLocal}, {"networks-peer", p.NetworksPeer},
	}
	for _, f := range []field{{"lack-local", p.LackLocal}, {"lack-peer", p.LackPeer}} {
		if f.value != "" {
			j = append(j, f)
		}
	}
	return append(o, field{"protection", append(j, field{"text", p.Text})})
}
