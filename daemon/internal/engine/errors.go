// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"shim6/daemon/wire"
)

var (
	errNoContext     = errors.New("there is no context between these ULIDs with this FII: `shim6tool context` shows those that there are")
	errNoExplorer    = errors.New("contexts stay with their locator pairs here")
	errNothingToTell = errors.New("the local ULID has no locators that could be proved to the peer: it must be an HBA or a CGA with its key")
)

func stateError(s State) error {
	return fmt.Errorf("the context is in %v: this needs it to be in %v", s, Established)
}

func pairError(a netip.Addr, why string) error {
	return fmt.Errorf("the pair can't be used: %v %s ('shim6tool path show' lists the pairs)", a, why)
}

// sendError sends the Error message that is due for a faulty message, if one is due (RFC 5533,
// section 5.14). It is limited, because anybody can cause it. It never answers another Error
// message.
func (e *Engine) sendError(p packet, cause *wire.ProtocolError) {
	if cause == nil || p.raw == nil {
		return
	}
	m, due := wire.NewErrorMessage(cause, p.source, p.destination, p.raw)
	if !due && e.config.DebugErrors {
		m, due = wire.NewDebugErrorMessage(cause, p.source, p.destination, p.raw)
	}
	if !due {
		return
	}
	if !e.limits.errors.allow(e.now, p.source, e.known(p.source)) {
		e.stats.Limited++
		return
	}
	e.transmit(ULIDs{}, p.pair(), m)
}

// nonceAt is the offset in octets of the Initiator Nonce in I1, I2 and I2bis, and of the
// Request Nonce in an Update Request.
const nonceAt = 12

// quoted is a message of ours that an Error message or ICMPv6 error quotes.
type quoted struct {
	c *context
	t wire.Type
	// current: it is the request for whose answer we are waiting.
	current bool
}

// quotedBy finds the context of a message that we have sent by the pair sent, from its header,
// which may be cut short (RFC 5533, section 12.4). It goes by CT(peer) and the locators. If
// the message has no Receiver Context Tag, it goes by the nonce and tag of the exchange.
func (e *Engine) quotedBy(sent Pair, header []byte) (q quoted, ok bool) {
	if len(header) < nonceAt+4 || wire.IsPayload(header) {
		return q, false
	}
	q.t = wire.Type(header[2])
	nonce := binary.BigEndian.Uint32(header[nonceAt:])
	switch q.t {
	case wire.TypeI1, wire.TypeI2, wire.TypeI2bis:
		q.c = e.byNonce[nonce]
		// The tag at octet 6 must be CT(local), too.
		if q.c == nil || !q.c.exchange.pair.SamePath(sent) || tag48(header[6:]) != uint64(q.c.tagLocal) {
			return q, false
		}
		q.current = q.t == map[State]wire.Type{I1Sent: wire.TypeI1, I2Sent: wire.TypeI2, I2bisSent: wire.TypeI2bis}[q.c.state]
		return q, true
	case wire.TypeR2:
		q.c = e.byTag[wire.ContextTag(tag48(header[6:]))]
		// Only a receiver of the R2 knows the nonce.
		return q, q.c != nil && q.c.announced.offer.at != 0 && q.c.announced.offer.nonce == nonce && q.c.isPeer(sent.Peer) && q.c.isLocal(sent.Local)
	}
	tag, has := wire.ReceiverContextTag(header)
	if !has {
		return q, false
	}
	q.c = e.byPeer[peerKey{tag, sent.Peer.As16()}]
	if q.c == nil || !q.c.isLocal(sent.Local) {
		return q, false
	}
	q.current = q.t == wire.TypeUpdateRequest && q.c.announced.update != nil && q.c.announced.update.nonce == nonce
	return q, true
}

// tag48 is the tag of 47 bits in 6 octets. The first bit is reserved.
func tag48(b []byte) uint64 {
	var x [8]byte
	copy(x[2:], b[:6])
	return binary.BigEndian.Uint64(x[:]) & uint64(wire.MaxContextTag)
}

// receivedError deals with an Error message. An Error message has no tag. It proves only that
// its sender has seen our message. So it ends nothing, and requests are still sent. A peer
// that has lost track of our locators is told all of them once.
func (e *Engine) receivedError(p packet, m *wire.ErrorMessage) {
	in, err := m.Invoking()
	if err != nil || in.Source != p.destination || in.Destination != p.source {
		e.stats.Unmatched++
		return
	}
	q, ok := e.quotedBy(p.pair(), in.Header)
	if ok && m.Code == wire.CodeVerification && e.refusedByError(p, q) {
		return
	}
	if !ok || !q.current {
		e.stats.Unmatched++
		return
	}
	c := q.c
	if !c.errorNoted {
		c.errorNoted = true
		e.note(c, fmt.Sprintf("the peer answers our %v with an Error message: %v, at octet %d", q.t, m.Code, in.Pointer))
	}
	if q.t == wire.TypeUpdateRequest && !c.announced.update.refused && (m.Code == wire.CodeGeneration || m.Code == wire.CodeLocatorCount) {
		c.announced.update.refused = true
		e.sendUpdate(c, c.announced.update.set, true)
	}
}
