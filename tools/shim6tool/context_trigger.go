// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"net/netip"

	"shim6/daemon/control"
	"shim6/netlink"
)

func init() {
	register(command{
		object: "context", verb: "trigger", order: changes, args: "CONTEXT [locator-local ADDR locator-peer ADDR] [force]",
		help: "ask shim6d to make a context with the peer; force: even while a hold-down lasts",
		form: contextTrigger,
	})
}

func contextTrigger(t *tool) form {
	var ulids netlink.ULIDs
	var local, peer *netip.Addr
	var force bool
	keys := []key{addr("locator-local", &local), addr("locator-peer", &peer), flag("force", &force)}
	return form{context: &ulids, keys: keys, run: func([]string) error { return t.open(ulids, local, peer, force) }}
}

// open asks shim6d to make a context, by a locator pair if one is given.
func (t *tool) open(u netlink.ULIDs, local, peer *netip.Addr, force bool) error {
	if (local == nil) != (peer == nil) {
		return usageError("a locator pair is locator-local and locator-peer, both")
	}
	r := control.OpenRequest{Name: nameOf(u), Force: force}
	if local != nil {
		r.LocatorLocal, r.LocatorPeer = *local, *peer
	}
	return t.ask(func(ctx context.Context, d daemon) error { return d.Open(ctx, r) })
}
