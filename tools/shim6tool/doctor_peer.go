// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"net/netip"

	"shim6/netlink"
)

func init() {
	register(command{
		object: "doctor", verb: "peer", order: onlyShows, args: "ADDR [from ADDR]",
		help: "check the same, and all locator pairs of this peer in place of the current ones of contexts", form: doctorPeer,
	})
}

func doctorPeer(t *tool) form {
	var pair netlink.ULIDs
	var from *netip.Addr
	return form{address: &pair.Peer, addressOf: "the address of a peer", keys: []key{addr("from", &from)}, run: func([]string) error {
		if from != nil {
			pair.Local = *from
		}
		return t.examine([]netlink.ULIDs{pair})
	}}
}
