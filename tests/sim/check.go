// SPDX-License-Identifier: BSD-3-Clause

package sim

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"shim6/daemon/engine"
	"shim6/daemon/wire"
)

// rates remembers what a daemon has sent, since it started.
type rates struct {
	// requests are when each request was last sent and before that.
	requests map[requestKey][2]time.Duration
	// answers are when those were sent that anybody can ask for.
	answers map[answerKey][]time.Duration
	// got and given are how many messages of each type have come and were sent.
	got, given map[wire.Type]int
}

type requestKey struct {
	t     wire.Type
	nonce uint32
	tag   wire.ContextTag
}

type answerKey struct {
	t      wire.Type
	prefix netip.Prefix
}

// never is before every world.
const never = -time.Hour

// checkTag sees that no two contexts of a host share a local tag.
func (h *host) checkTag(k *engine.KernelContext) {
	for _, other := range h.kernel {
		if other.TagLocal == k.TagLocal {
			h.w.fail("%s: contexts %v and %v share a local tag", h.name, other.ULIDs, k.ULIDs)
		}
	}
}

// checkKernel has the conditions of the kernel, and sees that payload goes to nobody
// but the peer.
func (h *host) checkKernel(k *engine.KernelContext) {
	if !k.HasTagPeer && (k.State >= engine.Established || k.Locator != engine.Pair{Local: k.Local, Peer: k.Peer}) {
		h.w.fail("%s: %v is in %v by %v, without the peer's tag", h.name, k.ULIDs, k.State, k.Locator)
	}
	if len(k.LocatorsPeer) > engine.MaxLocators || len(k.LocatorsLocal) > engine.MaxLocators {
		h.w.fail("%s: %v has more locators than the kernel takes", h.name, k.ULIDs)
	}
	for _, a := range append(slices.Clone(k.LocatorsPeer), k.Locator.Peer) {
		if h.w.owner[a] != h.w.owner[k.Peer] {
			h.w.fail("%s: %v, which is not the peer's, is a locator of %v", h.name, a, k.ULIDs)
		}
	}
	if k.State != engine.Established {
		return
	}
	for _, other := range h.kernel {
		if other == k || other.State != engine.Established || other.TagPeer != k.TagPeer {
			continue
		}
		for _, a := range append(slices.Clone(k.LocatorsPeer), k.Peer) {
			if a == other.Peer || slices.Contains(other.LocatorsPeer, a) {
				h.w.fail("%s: context confusion of %v and %v", h.name, k.ULIDs, other.ULIDs)
			}
		}
	}
}

// checkPayload sees that payload goes to the peer's ULID, or to where something has
// come back from.
func (h *host) checkPayload(k *engine.KernelContext) {
	if h.w.owner[k.Locator.Peer] != h.w.owner[k.Peer] {
		h.w.fail("%s: payload of %v goes to %v", h.name, k.ULIDs, k.Locator.Peer)
	}
	if h.e == nil || k.Locator.Peer == k.Peer {
		return
	}
	c, ok := h.e.Context(k.ULIDs)
	if !ok {
		h.w.fail("%s: the daemon does not know %v", h.name, k.ULIDs)
	}
	for _, l := range c.PeerLocators {
		if l.Address == k.Locator.Peer && l.Verified && l.Probed {
			return
		}
	}
	h.w.fail("%s: payload of %v goes to %v, which is not probed", h.name, k.ULIDs, k.Locator.Peer)
}

// checkSend sees that a message goes to whom it may, that what it tells is known to
// the kernel, and that there are not too many.
func (h *host) checkSend(s engine.Send) {
	m, err := wire.Decode(s.Message)
	if err != nil || len(s.Message) > wire.MaxMessageLen {
		h.w.fail("%s: sends a %v of %d octets: %v", h.name, s.Type, len(s.Message), err)
	}
	switch m := m.(type) {
	case *wire.R1:
		h.checkReply(s, wire.TypeI1)
		return
	case *wire.R1bis:
		h.checkAnswer(s, 50)
		return
	case *wire.ErrorMessage:
		h.checkAnswer(s, 10)
		return
	case *wire.I1:
		h.checkRequest(requestKey{s.Type, m.InitiatorNonce, m.InitiatorContextTag}, 1)
	case *wire.I2:
		h.checkRequest(requestKey{s.Type, m.InitiatorNonce, m.InitiatorContextTag}, 2)
		h.checkKnown(m.InitiatorContextTag, engine.I2Sent)
	case *wire.I2bis:
		h.checkRequest(requestKey{s.Type, m.InitiatorNonce, m.InitiatorContextTag}, 2)
		h.checkKnown(m.InitiatorContextTag, engine.I2bisSent)
	case *wire.R2:
		h.checkReply(s, wire.TypeI1, wire.TypeI2, wire.TypeI2bis)
		h.checkKnown(m.ResponderContextTag, engine.I1Sent)
	case *wire.UpdateRequest:
		h.checkRequest(requestKey{s.Type, m.RequestNonce, m.ReceiverContextTag}, 1)
	case *wire.UpdateAcknowledgement:
		// A request that is older than the last is answered with that one's, too.
		h.checkReply(s, wire.TypeUpdateRequest, wire.TypeUpdateRequest)
	}
	peer := h.w.owner[s.Context.Peer]
	if peer == nil || h.w.owner[s.Destination] != peer {
		h.w.fail("%s: a %v of %v goes to %v", h.name, s.Type, s.Context, s.Destination)
	}
}

func (h *host) checkKnown(tag wire.ContextTag, least engine.State) {
	for _, k := range h.kernel {
		if k.TagLocal == tag && k.State >= least {
			return
		}
	}
	if !h.forgotten {
		h.w.fail("%s: a tag is told that the kernel does not know", h.name)
	}
}

// checkRequest sees that a request is not repeated sooner than half of the least
// timeout. I2 and I2bis may be sent once more in that time, because of payload.
func (h *host) checkRequest(k requestKey, atOnce int) {
	last, ok := h.rates.requests[k]
	if !ok {
		last = [2]time.Duration{never, never}
	}
	if h.w.now-last[atOnce-1] < engine.I1Timeout/2 {
		h.w.fail("%s: a %v was sent %v ago, and is sent again", h.name, k.t, h.w.now-last[atOnce-1])
	}
	if h.rates.requests == nil {
		h.rates.requests = make(map[requestKey][2]time.Duration)
	}
	h.rates.requests[k] = [2]time.Duration{h.w.now, last[0]}
}

// hasGot counts what has come.
func (h *host) hasGot(message []byte) {
	if h.rates.got == nil {
		h.rates.got, h.rates.given = make(map[wire.Type]int), make(map[wire.Type]int)
	}
	h.rates.got[wire.Type(message[2])]++
}

// checkReply sees that there are no more messages than those that they reply to.
func (h *host) checkReply(s engine.Send, to ...wire.Type) {
	asked := 0
	for _, t := range to {
		asked += h.rates.got[t]
	}
	if h.rates.given[s.Type]++; h.rates.given[s.Type] > asked {
		h.w.fail("%s: %d messages %v, and %d that ask for one", h.name, h.rates.given[s.Type], s.Type, asked)
	}
}

// checkAnswer sees that within a second there are no more than what was saved up, and
// what that second gives.
func (h *host) checkAnswer(s engine.Send, limit int) {
	p, _ := s.Destination.Prefix(64)
	k := answerKey{s.Type, p}
	sent := slices.DeleteFunc(h.rates.answers[k], func(t time.Duration) bool { return t <= h.w.now-time.Second })
	sent = append(sent, h.w.now)
	if len(sent) > 2*limit*max(1, h.boots) {
		h.w.fail("%s: %d messages %v to %v within a second", h.name, len(sent), s.Type, p)
	}
	if h.rates.answers == nil {
		h.rates.answers = make(map[answerKey][]time.Duration)
	}
	h.rates.answers[k] = sent
}

// disagreement says where the hosts don't have the same of each other; "" if they do.
func (w *world) disagreement() (string, engine.ULIDs) {
	for _, h := range w.hosts {
		if len(h.order) != len(h.kernel) {
			w.fail("%s: lost count", h.name)
		}
		for c := range h.e.Contexts() {
			k := h.kernel[c.ULIDs]
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

// locatorsDiffer says what one host does not know of the other's locators. Without its
// Records it knows the addresses alone, from the kernel.
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
