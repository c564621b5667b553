// SPDX-License-Identifier: BSD-3-Clause

package sim

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
)

// witness is what a host was really shown about the peer of a context, by the packets that
// the world has delivered to it. The Engine must find out the same; its own view counts for
// nothing here. proved and reached are the two conditions of RFC 5533, section 7.2.
type witness struct {
	// proved are the locators that were told with a proof that they belong to the ULID.
	// reached are those from which something has come back that only a host there can know.
	// The values are when that was last.
	proved, reached map[netip.Addr]time.Duration
	// probes are the pairs by which Probes were sent, by their nonces.
	probes map[uint32]engine.Pair
}

// exchange is what an I1, I2 or I2bis with a nonce was sent for, and by which pair.
type exchange struct {
	ulids engine.ULIDs
	pair  engine.Pair
}

// validated is a Responder Validator, and by which pair it was sent.
type validated struct {
	validator string
	pair      engine.Pair
}

func uint32Of(b []byte) uint32 { return binary.BigEndian.Uint32(b) }

func (h *host) witness(u engine.ULIDs) *witness {
	x := h.witnesses[u]
	if x == nil {
		x = &witness{make(map[netip.Addr]time.Duration), make(map[netip.Addr]time.Duration), make(map[uint32]engine.Pair)}
		h.witnesses[u] = x
	}
	return x
}

// renew begins a new context: only the message that has made it counts, and nothing before.
func (h *host) renew(u engine.ULIDs, tag wire.ContextTag) {
	h.tags[tag] = u
	x := h.witness(u)
	for _, m := range []map[netip.Addr]time.Duration{x.proved, x.reached} {
		for a, t := range m {
			if t != h.w.now {
				delete(m, a)
			}
		}
	}
	clear(x.probes)
	h.rates.news[u] = min(h.rates.news[u], 1)
}

// proved and reached report whether a locator is known to be the peer's, and whether the peer
// is known to be there. The ULID is always both, since the exchange began with it.
func (h *host) proved(u engine.ULIDs, a netip.Addr) bool {
	_, ok := h.witness(u).proved[a]
	return ok || a == u.Peer
}

func (h *host) reached(u engine.ULIDs, a netip.Addr) bool {
	_, ok := h.witness(u).reached[a]
	return ok || a == u.Peer
}

// trusts reports whether an address needs no proof, by the configuration.
func (h *host) trusts(a netip.Addr) bool {
	return slices.ContainsFunc(h.config.TrustedPrefixes, func(p netip.Prefix) bool { return p.Contains(a) })
}

// provable reports whether a locator of a list can be proved to the host. The world has seen
// what each owner of an address has signed.
func (h *host) provable(ulid netip.Addr, l *wire.Locator, signature string) bool {
	w := h.w
	switch {
	case l.Address == ulid:
		return true
	case w.owner[l.Address] == nil || w.owner[l.Address] != w.owner[ulid]:
		return false
	case h.trusts(ulid) && h.trusts(l.Address):
		return true
	case l.Method == wire.MethodHBA:
		return w.hashed[ulid] && w.hashed[l.Address]
	case l.Method == wire.MethodCGA:
		return w.hashed[ulid] && slices.Contains(w.signed[signature], l.Address)
	}
	return false
}

func signatureOf(o wire.Options) string {
	if s := o.CGASignature(); s != nil {
		return string(s.Signature)
	}
	return ""
}

// told notes the locators of a list, if all can be proved. Otherwise none counts (RFC 5533,
// sections 7.2 and 10.4).
func (h *host) told(u engine.ULIDs, o wire.Options) {
	list := o.LocatorList()
	if list == nil {
		return
	}
	signature := signatureOf(o)
	for i := range list.Locators {
		if !h.provable(u.Peer, &list.Locators[i], signature) {
			return
		}
	}
	for i := range list.Locators {
		h.witness(u).proved[list.Locators[i].Address] = h.w.now
	}
}

// learns notes what a message that has arrived shows about the peer of a context. The report
// in a Probe shows that our Probe has reached the peer at its destination, by whichever pair
// the report comes. RFC 5533, section 7.2, leaves that proof to Probes. But a peer that
// returns the nonce of an I1 or I2, or the validator of an R1, has received that one, too.
func (h *host) learns(p packet, m wire.Message, u engine.ULIDs) {
	x := h.witness(u)
	pair := engine.Pair{Local: p.destination, Peer: p.source}
	reached := func() {
		x.reached[p.source] = h.w.now
		// It has Shim6 after all.
		delete(h.rates.held, pairOf(u))
	}
	began := func(o wire.Options) {
		h.told(u, o)
		if h.w.owner[p.source] == h.w.owner[u.Peer] && h.trusts(u.Peer) && h.trusts(p.source) {
			x.proved[p.source] = h.w.now
		}
		if v := o.ResponderValidator(); v != nil && h.validators[validated{string(v.Validator), pair}] {
			h.arrival.validated = true
			reached()
		}
	}
	switch m := m.(type) {
	case *wire.I2:
		began(m.Options)
	case *wire.I2bis:
		began(m.Options)
	case *wire.R2:
		// It is about this context, since it has the nonce and came by the pair.
		h.told(u, m.Options)
		reached()
	case *wire.UpdateRequest:
		h.told(u, m.Options)
	case *wire.Probe:
		for i := range m.Received {
			r := &m.Received[i]
			if sent, ok := x.probes[r.Nonce]; ok && sent == (engine.Pair{Local: r.Source, Peer: r.Destination}) {
				x.reached[sent.Peer] = h.w.now
			}
		}
	}
}

// sends notes which answers a message that is sent can cause.
func (h *host) sends(s engine.Send, m wire.Message) {
	pair := engine.Pair{Local: s.Source, Peer: s.Destination}
	var o wire.Options
	switch m := m.(type) {
	case *wire.I1:
		h.exchanges[m.InitiatorNonce] = exchange{s.Context, pair}
	case *wire.I2:
		h.exchanges[m.InitiatorNonce] = exchange{s.Context, pair}
		o = m.Options
	case *wire.I2bis:
		h.exchanges[m.InitiatorNonce] = exchange{s.Context, pair}
		o = m.Options
	case *wire.R1:
		h.validators[validated{string(m.Options.ResponderValidator().Validator), pair}] = true
	case *wire.R1bis:
		h.validators[validated{string(m.Options.ResponderValidator().Validator), pair}] = true
	case *wire.R2:
		o = m.Options
	case *wire.UpdateRequest:
		o = m.Options
	case *wire.Probe:
		h.witness(s.Context).probes[m.Sent[0].Nonce] = pair
	}
	if signature := signatureOf(o); signature != "" {
		for _, l := range o.LocatorList().Locators {
			if l.Method == wire.MethodCGA && !slices.Contains(h.w.signed[signature], l.Address) {
				h.w.signed[signature] = append(h.w.signed[signature], l.Address)
			}
		}
	}
}

// checkProved checks that a message goes to the ULID or to a locator that is proved.
func (h *host) checkProved(s engine.Send) {
	if !h.proved(s.Context, s.Destination) {
		h.w.fail("%s: a %v of %v goes to %v, which is not proved", h.name, s.Type, s.Context, s.Destination)
	}
}

// checkReached checks that messages other than Probes go only to where something has come
// back from.
func (h *host) checkReached(u engine.ULIDs, a netip.Addr, what string) {
	switch {
	case !h.proved(u, a):
		h.w.fail("%s: %s of %v goes to %v, which is not proved", h.name, what, u, a)
	case !h.reached(u, a):
		h.w.fail("%s: %s of %v goes to %v, from where nothing has come back", h.name, what, u, a)
	}
}
