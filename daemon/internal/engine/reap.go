// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"slices"
	"time"

	"shim6/daemon/wire"
)

// eventAge is how old a Reap event can be when it arrives. The least Send Timeout is ten
// times that.
const eventAge = time.Second

// receivedKeepalive deals with a Keepalive that the kernel has not consumed: it has options,
// or the kernel does not know its context like that. If it belongs to a context, the kernel
// has counted it as heard.
func (e *Engine) receivedKeepalive(p packet, m *wire.Keepalive) {
	c := e.receivedTagged(p, m.ReceiverContextTag)
	if c != nil && c.state == Established && len(m.Options) == 0 {
		e.resync()
	}
}

func (e *Engine) receivedProbe(p packet, m *wire.Probe) {
	if c := e.receivedTagged(p, m.ReceiverContextTag); c != nil && c.state.Sends() {
		e.explorer.Probe(&Session{e, c}, p.pair(), m)
	}
}

// use hands the command to the Explorer, unless the pair is not one of the context's.
func (e *Engine) use(ev Use) {
	c := e.byULIDs[ev.ULIDs]
	var err error
	switch {
	case c == nil:
		err = errNoContext
	case !c.state.Sends():
		err = stateError(c.state)
	case !slices.Contains(c.announced.set.addresses, ev.Pair.Local):
		err = pairError(ev.Pair.Local, "is no locator of this host that the peer of this context knows")
	case !c.usable(ev.Pair):
		err = pairError(ev.Pair.Peer, "is no locator that the peer has and has proved")
	default:
		e.explorer.Use(&Session{e, c}, ev.ID, ev.Pair)
		return
	}
	e.done(ev.ID, ev.ULIDs, err)
}

// command hands a command to a method of the Explorer, if the context can send.
func (e *Engine) command(id uint64, u ULIDs, do func(*Session, uint64)) {
	switch c := e.byULIDs[u]; {
	case c == nil:
		e.done(id, u, errNoContext)
	case !c.state.Sends():
		e.done(id, u, stateError(c.state))
	default:
		do(&Session{e, c}, id)
	}
}

// sameReap tells the kernel again which state c is in. The kernel has just told another one,
// and would otherwise stay in that.
func (e *Engine) sameReap(c *context) {
	c.kernel.changed |= FieldReapState
	e.touch(c)
}

// reapEvent deals with what the kernel says about liveness.
func (e *Engine) reapEvent(ev Reap) {
	c := e.byULIDs[ev.ULIDs]
	if c == nil || c.tagLocal != ev.Tag {
		return
	}
	switch ev.Kind {
	case ReapPayload:
		// The peer is ESTABLISHED: its R2 was probably lost.
		e.resend(c)
	case ReapSendTimeout:
		// The timer was set again so lately that it can't have expired since. So the
		// event is from before that, and superseded.
		if c.liveness.set && e.now-c.liveness.setAt < eventAge {
			e.sameReap(c)
			return
		}
		c.liveness.state = ReapExploring
		e.explorer.Reap(&Session{e, c}, ev.Kind)
	case ReapInbound:
		if c.liveness.state != ReapExploring {
			e.sameReap(c)
			return
		}
		c.liveness.state = ReapInboundOK
		e.explorer.Reap(&Session{e, c}, ev.Kind)
	case ReapRetransmission:
		c.liveness.stall = ev.Stall
		e.explorer.Reap(&Session{e, c}, ev.Kind)
	case ReapSilence, ReapUnanswered, ReapResumption, ReapFeedback:
		e.explorer.Reap(&Session{e, c}, ev.Kind)
	}
}
