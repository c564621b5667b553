// SPDX-License-Identifier: BSD-3-Clause

package sim

import (
	"fmt"
	"slices"

	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
)

// checkKernel checks that the kernel has only locators that are proved, and sends payload only
// to the peer.
func (h *host) checkKernel(k *engine.KernelContext) {
	for _, a := range append(slices.Clone(k.LocatorsPeer), k.Locator.Peer) {
		if !h.proved(k.ULIDs, a) {
			h.w.fail("%s: %v, which is not proved to be the peer's, is a locator of %v", h.name, a, k.ULIDs)
		}
	}
	h.checkReached(k.ULIDs, k.Locator.Peer, "the kernel's payload")
}

// checkPayload checks that payload goes to the peer's ULID, or to where something has come
// back from.
func (h *host) checkPayload(k *engine.KernelContext) {
	h.checkReached(k.ULIDs, k.Locator.Peer, "payload")
	if h.e == nil || h.forgotten {
		return
	}
	if _, ok := h.e.Context(k.ULIDs); !ok {
		h.w.fail("%s: the daemon does not know %v", h.name, k.ULIDs)
	}
}

// checkSend checks that a message may go to its destination, that the kernel knows the tag
// that it tells, and that there are not too many messages.
func (h *host) checkSend(s engine.Send) {
	m, err := wire.Decode(s.Message)
	if err != nil || len(s.Message) > wire.MaxMessageLen {
		h.w.fail("%s: sends a %v of %d octets: %v", h.name, s.Type, len(s.Message), err)
	}
	if h.w.owner[s.Source] != h {
		h.w.fail("%s: sends a %v from %v", h.name, s.Type, s.Source)
	}
	switch m := m.(type) {
	case *wire.R1:
		h.checkReply(s, 1, wire.TypeI1)
		h.checkAnswer(s, 200)
	case *wire.R1bis:
		if a := h.arrival; a != nil && a.message != nil {
			h.checkReply(s, 1, wire.TypeUpdateRequest, wire.TypeUpdateAcknowledgement, wire.TypeKeepalive, wire.TypeProbe)
		} else {
			h.checkBack(s, 1)
		}
		h.checkAnswer(s, 50)
	case *wire.ErrorMessage:
		if h.arrival.is(wire.TypeError) {
			h.w.fail("%s: an Error message answers another", h.name)
		}
		h.checkBack(s, 1)
		h.checkAnswer(s, 10)
	case *wire.I1:
		h.checkProved(s)
		h.checkI1(s)
	case *wire.I2:
		h.checkProved(s)
		h.checkI2(s, requestKey{s.Type, m.InitiatorNonce, m.InitiatorContextTag}, wire.TypeR1, engine.I1Sent)
		h.checkKnown(m.InitiatorContextTag, engine.I2Sent)
	case *wire.I2bis:
		h.checkProved(s)
		h.checkI2(s, requestKey{s.Type, m.InitiatorNonce, m.InitiatorContextTag}, wire.TypeR1bis, engine.Established)
		h.checkKnown(m.InitiatorContextTag, engine.I2bisSent)
	case *wire.R2:
		h.checkReply(s, 1, wire.TypeI1, wire.TypeI2, wire.TypeI2bis)
		if !h.arrival.is(wire.TypeI1) && !h.arrival.validated {
			h.w.fail("%s: an R2 answers a message without a validator of this host", h.name)
		}
		h.checkProved(s)
		h.checkKnown(m.ResponderContextTag, engine.I1Sent)
		// We don't know whether the peer accepts the list in it.
		h.rates.news[s.Context]++
	case *wire.UpdateRequest:
		h.checkReached(s.Context, s.Destination, "an Update Request")
		h.checkUpdate(s)
	case *wire.UpdateAcknowledgement:
		// A request that is older than the newest one is answered for both.
		h.checkReply(s, 2, wire.TypeUpdateRequest)
		h.checkProved(s)
	case *wire.Probe:
		h.checkProved(s)
		h.checkProbe(s)
	default:
		h.w.fail("%s: the daemon sends a %v", h.name, s.Type)
	}
	h.sends(s, m)
}

func (h *host) checkKnown(tag wire.ContextTag, least engine.State) {
	if k := h.kernel.ByTag(tag); (k == nil || k.State < least) && !h.forgotten {
		h.w.fail("%s: a tag is told that the kernel does not know", h.name)
	}
}

// disagreement says what the hosts don't agree on; "" if they agree.
func (w *world) disagreement() (string, engine.ULIDs) {
	for _, h := range w.hosts {
		for c := range h.e.Contexts() {
			k := h.kernel.Get(c.ULIDs)
			switch {
			case k == nil || k.State != c.State || k.TagLocal != c.TagLocal || k.Locator != c.Current:
				return h.name + ": the kernel has it otherwise", c.ULIDs
			case c.State != engine.Established:
				return h.name + ": is in " + c.State.String(), c.ULIDs
			case c.Updating:
				return h.name + ": has not got its update acknowledged", c.ULIDs
			}
			peer := w.owner[c.Peer]
			pc, ok := peer.e.Context(reverse(c.ULIDs))
			switch {
			case !ok || pc.State != engine.Established:
				return h.name + ": the peer has no context", c.ULIDs
			case pc.TagPeer != c.TagLocal || pc.TagLocal != c.TagPeer:
				return h.name + ": the tags differ", c.ULIDs
			}
			if text := locatorsDiffer(&c, &pc); text != "" {
				return h.name + ": " + text, c.ULIDs
			}
		}
	}
	return "", engine.ULIDs{}
}

func reverse(u engine.ULIDs) engine.ULIDs {
	return engine.ULIDs{Local: u.Peer, Peer: u.Local, FII: u.FII}
}

// locatorsDiffer says what one host does not know about the other's locators. Without its
// Records it only knows the addresses, from the kernel.
func locatorsDiffer(c, peer *engine.Info) string {
	for _, a := range peer.LocalLocators {
		if !slices.ContainsFunc(c.PeerLocators, func(l engine.PeerLocator) bool { return l.Address == a && !l.Dropped }) {
			return fmt.Sprintf("it does not know %v, a locator of the peer: it has %v of generation %x, the peer %v of %x",
				a, c.PeerLocators, c.PeerGeneration, peer.LocalLocators, peer.LocalGeneration)
		}
	}
	for _, l := range c.PeerLocators {
		switch {
		case l.Index >= 0 && !slices.Contains(peer.LocalLocators, l.Address):
			return fmt.Sprintf("it takes %v for a locator of the peer, which is not told any more", l.Address)
		case l.Index >= 0 && l.Flags&wire.FlagBroken != 0:
			return fmt.Sprintf("the peer's locator %v is still said to be broken", l.Address)
		}
	}
	return ""
}
