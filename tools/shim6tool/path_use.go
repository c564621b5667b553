// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"errors"
	"net/netip"

	"shim6/daemon/control"
	"shim6/netlink"
)

func init() {
	register(command{
		object: "path", verb: "use", order: changes, args: "CONTEXT local ADDR peer ADDR|ulids",
		help: "send by this pair, or by the ULIDs again, if the peer answers a Probe by it, and until it fails",
		form: pathUse,
	})
}

// used is what JSON says of path use. How the pair is carried, path show says.
type used struct {
	control.Name
	LocatorLocal netip.Addr `json:"locator-local"`
	LocatorPeer  netip.Addr `json:"locator-peer"`
	Result       string     `json:"result"`
	// Text is why the pair is not used.
	Text string `json:"text,omitempty"`
}

// pathUse asks shim6d to send payload by a pair. The first shim6d called that shim, or deshim if the
// pair is that of the ULIDs. shim6d answers when the peer has answered by the pair.
func pathUse(t *tool) form {
	var u netlink.ULIDs
	var local, peer *netip.Addr
	var ulids bool
	keys := []key{addr("local", &local), addr("peer", &peer), flag("ulids", &ulids)}
	return form{context: &u, keys: keys, run: func([]string) error {
		if ulids == (local != nil || peer != nil) || !ulids && (local == nil || peer == nil) {
			return usageError("path use needs 'local ADDR peer ADDR', or 'ulids' to go back to them")
		}
		if ulids {
			local, peer = &u.Local, &u.Peer
		}
		result := used{Name: nameOf(u), LocatorLocal: *local, LocatorPeer: *peer, Result: resultOK.String()}
		done := t.waiting("waiting for an answer by " + pairText(control.Pair{LocatorLocal: *local, LocatorPeer: *peer}))
		err := t.ask(func(ctx context.Context, d daemon) error {
			return d.Use(ctx, control.UseRequest{Name: result.Name, LocatorLocal: *local, LocatorPeer: *peer})
		})
		done()
		if !t.json {
			return err
		}
		if err != nil {
			result.Result, result.Text = resultFail.String(), err.Error()
		}
		return errors.Join(t.printJSON([]used{result}), err)
	}}
}
