// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"testing"

	"shim6/daemon/wire"
)

func TestEstablish(t *testing.T) {
	n, a, b, ab, ba := pairOf(t)
	a.handle(Acquire{ab.Local, ab.Peer})
	n.run()
	a.inState(ab, Established)
	b.inState(ba, Established)
	a.sends(wire.TypeI1, wire.TypeI2)
	b.sends(wire.TypeR1, wire.TypeR2)
	ia, ib := a.context(ab), b.context(ba)
	if ia.TagLocal != ib.TagPeer || ia.TagPeer != ib.TagLocal {
		t.Errorf("tags differ: %+v and %+v", ia, ib)
	}
	if len(ia.PeerLocators) != 2 || len(ib.PeerLocators) != 2 || ia.PeerLocators[1].Address != b.addr(1) || !ia.PeerLocators[1].Verified || ia.PeerLocators[1].Probed {
		t.Errorf("peers: %+v and %+v", ia.PeerLocators, ib.PeerLocators)
	}
	n.pass(1000 * I1Timeout)
	a.sends(wire.TypeI1, wire.TypeI2)
	b.sends(wire.TypeR1, wire.TypeR2)
}
