// SPDX-License-Identifier: BSD-3-Clause

package sim

import (
	"net/netip"
	"time"

	"shim6/daemon/engine"
	"shim6/daemon/wire"
)

// explorer is as little of REAP as is needed to have contexts leave their ULIDs: it
// sends a Probe when it is told to, and takes the pair over when that is answered.
type explorer struct {
	h     *host
	asked map[uint32]engine.Pair
	// hints are how often the Engine had doubts.
	hints int
}

func newExplorer(h *host) *explorer {
	return &explorer{h: h, asked: make(map[uint32]engine.Pair)}
}

// try sends a Probe by a pair.
func (x *explorer) try(u engine.ULIDs, pair engine.Pair) {
	s, ok := x.h.e.Session(u)
	if !ok {
		return
	}
	nonce := x.h.w.rand.Uint32()
	x.asked[nonce] = pair
	s.SendProbe(pair, &wire.Probe{Sent: []wire.ProbeReport{{Source: pair.Local, Destination: pair.Peer, Nonce: nonce}}})
}

func (x *explorer) Probe(s *engine.Session, source, destination netip.Addr, m *wire.Probe) {
	if len(m.Received) == 0 {
		back := engine.Pair{Local: destination, Peer: source}
		s.SetInbound(back)
		s.SendProbe(back, &wire.Probe{
			Sent:     []wire.ProbeReport{{Source: destination, Destination: source, Nonce: x.h.w.rand.Uint32()}},
			Received: m.Sent[:1],
		})
		return
	}
	for _, r := range m.Received {
		pair, ok := x.asked[r.Nonce]
		if !ok || pair.Local != r.Source || pair.Peer != r.Destination {
			continue
		}
		delete(x.asked, r.Nonce)
		s.Answered(pair.Peer)
		s.SetPair(pair)
	}
}

func (x *explorer) Established(*engine.Session)           {}
func (x *explorer) Reap(*engine.Session, engine.ReapKind) {}
func (x *explorer) Hint(*engine.Session, string)          { x.hints++ }
func (x *explorer) Gone(*engine.Session)                  {}
func (x *explorer) Tick(*engine.Engine)                   {}
func (x *explorer) Next() (time.Duration, bool)           { return 0, false }
