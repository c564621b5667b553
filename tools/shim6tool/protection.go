// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"

	"shim6/daemon/control"
	"shim6/netlink"
)

// protections asks shim6d what the first contexts of a list would have if their provider failed.
func (t *tool) protections(list []netlink.Context) map[control.Name]control.Protection {
	var names []control.Name
	for _, c := range list[:min(len(list), control.MaxProtections)] {
		names = append(names, nameOf(c.ULIDs))
	}
	return t.protectionsOf(names)
}

// protectionsOf asks shim6d about ULID pairs. If it does not answer, nothing is known: what is shown
// is shown all the same.
func (t *tool) protectionsOf(names []control.Name) map[control.Name]control.Protection {
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
	return append(o, field{"protection", protectionObject(p)})
}

func protectionObject(p control.Protection) object {
	j := object{
		{"protected", p.Protected}, {"pairs", p.Pairs}, {"networks-local", p.NetworksLocal}, {"networks-peer", p.NetworksPeer},
	}
	for _, f := range []field{{"lack-local", p.LackLocal}, {"lack-peer", p.LackPeer}, {"why", p.Why}} {
		if f.value != "" {
			j = append(j, f)
		}
	}
	return append(j, field{"text", p.Text})
}
