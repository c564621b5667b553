// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"errors"
	"net/netip"
	"time"

	"shim6/daemon/wire"
)

// resyncPause is the least time from one Resync to another.
const resyncPause = time.Second

// packet is the packet in which a message came: its addresses, the message from its Next Header
// on, and how it was carried.
type packet struct {
	source, destination netip.Addr
	raw                 []byte
	encapsulation       Encapsulation
}

// pair is the locator pair, with our own address as the local one. An answer by it goes the way
// in which the packet came.
func (p packet) pair() Pair {
	return Pair{Local: p.destination, Peer: p.source, Encapsulation: p.encapsulation}
}

// Stats are counters of what peers do. Anybody can make them count.
type Stats struct {
	// Sent and Received count messages by their type.
	Sent, Received [128]uint64
	// Malformed messages were discarded by the checks of RFC 5533, section
	// 12.3.
	Malformed uint64
	// Unmatched messages were discarded because no context in the right state waits for
	// them.
	Unmatched uint64
	// NotOurs: the Receiver ULID is no address of this host.
	NotOurs uint64
	// InvalidValidator: an I2 or I2bis has a validator that is not ours, is for something
	// else, or is too old. Replayed: an I2, I2bis or Update Request is older than one that
	// was accepted.
	InvalidValidator, Replayed uint64
	// Unverified: the PDS is not the peer's, or a locator is not proved.
	Unverified uint64
	// Full: there was no room for one more context.
	Full uint64
	// Limited answers were not sent because too many were sent before.
	Limited uint64
	// HeldDown: no I1 was sent, because of a hold-down.
	HeldDown uint64
	// Confusions are contexts that were discarded because the peer has used their tag for
	// another context (RFC 5533, section 7.15).
	Confusions uint64
	// Claimed are locators that were not believed: another context has them with the same
	// CT(peer), and nothing but a signature proved them.
	Claimed uint64
	// Unprovable are locator lists of ours, and Unencodable messages, that could not be
	// made. Both show a bug, or a value that is not possible.
	Unprovable, Unencodable uint64
}

// Stats returns the counters.
func (e *Engine) Stats() Stats { return e.stats }

// control deals with a control message (RFC 5533, sections 12.3 and 12.4).
func (e *Engine) control(ev Control) {
	p := packet{ev.Source, ev.Destination, ev.Message, ev.Encapsulation}
	if !onPath(p.source, p.destination) {
		e.stats.Malformed++
		return
	}
	m, err := wire.Decode(ev.Message)
	if err != nil {
		e.stats.Malformed++
		var pe *wire.ProtocolError
		if errors.As(err, &pe) {
			e.sendError(p, pe)
		}
		return
	}
	e.stats.Received[m.Type()]++
	switch m := m.(type) {
	case *wire.I1:
		e.receivedI1(p, m)
	case *wire.R1:
		e.receivedR1(p, m)
	case *wire.I2:
		e.receivedI2(p, m)
	case *wire.R2:
		e.receivedR2(p, m)
	case *wire.R1bis:
		e.receivedR1bis(p, m)
	case *wire.I2bis:
		e.receivedI2bis(p, m)
	case *wire.UpdateRequest:
		e.receivedUpdateRequest(p, m)
	case *wire.UpdateAcknowledgement:
		e.receivedUpdateAcknowledgement(p, m)
	case *wire.Keepalive:
		e.receivedKeepalive(p, m)
	case *wire.Probe:
		e.receivedProbe(p, m)
	case *wire.ErrorMessage:
		e.receivedError(p, m)
	}
}

// onPath reports whether the addresses of a packet allow it to be Shim6's: they pass the
// checks of RFC 5533, section 12.3, and both can be locators. So nothing is ever sent to an
// address that can't be a locator.
func onPath(source, destination netip.Addr) bool {
	return wire.CheckAddresses(source, destination) == nil && isULID(source) && isULID(destination)
}

// receivedTagged finds the context of a message with a Receiver Context Tag (RFC 5533,
// sections 10.4, 10.5 and 12.4). It returns nil if the message must not be processed. If
// there is no context, or one between other locators, the sender has a stale context and gets
// an R1bis. In I1-SENT the message is discarded. In I2-SENT and I2BIS-SENT the message shows
// that the peer has sent its R2, which was probably lost.
func (e *Engine) receivedTagged(p packet, tag wire.ContextTag) *context {
	c := e.byTag[tag]
	if c == nil {
		e.sendR1bis(p, tag)
		return nil
	}
	if c.state == I1Sent || e.hindered(c) {
		e.stats.Unmatched++
		return nil
	}
	if c.announced.trust == trustRefused && c.isPeer(p.source) && e.locals[p.destination] != nil && e.trustShown(c, p.destination) {
		e.refresh(c)
		e.tellPeers()
	}
	if !c.isPeer(p.source) || !c.isLocal(p.destination) {
		if c.isLocal(p.destination) {
			e.strange(c, p)
		}
		e.sendR1bis(p, tag)
		return nil
	}
	e.heard(c)
	e.resend(c)
	return c
}

// noContext deals with a payload extension header with a tag that the kernel does
// not know (RFC 5533, section 12.2).
func (e *Engine) noContext(ev NoContext) {
	if !onPath(ev.Source, ev.Destination) {
		return
	}
	if e.byTag[ev.Tag] != nil {
		// We know the tag, so the kernel has lost the context, or has got it meanwhile.
		e.resync()
		return
	}
	e.sendR1bis(packet{source: ev.Source, destination: ev.Destination, encapsulation: ev.Encapsulation}, ev.Tag)
}

// resync asks for a Dump. Its caller has learnt something from the kernel that does not fit
// the contexts which the kernel should have.
func (e *Engine) resync() {
	if e.now >= e.resyncAt {
		e.resyncAt = e.now + resyncPause
		e.emit(Resync{})
	}
}

// ulidsOf are the names of the context that an I1, I2 or I2bis is about, with our own ULID as
// the local one, and whether they came in a ULID Pair option (RFC 5533, section 7.9).
func ulidsOf(p packet, o wire.Options) (u ULIDs, option bool) {
	u = ULIDs{Local: p.destination, Peer: p.source, FII: o.FII()}
	if pair := o.ULIDPair(); pair != nil {
		u.Local, u.Peer = pair.Receiver, pair.Sender
		return u, true
	}
	return u, false
}

// ours reports whether a peer can make a context with these names with us.
func (e *Engine) ours(u ULIDs) bool {
	if e.locals[u.Local] == nil || checkULIDs(u) != nil {
		e.stats.NotOurs++
		return false
	}
	return true
}
