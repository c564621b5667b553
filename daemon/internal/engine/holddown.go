// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"container/list"
	"time"
)

// maxHolds is how many ULID pairs are remembered for which I1 is held down. The
// oldest are forgotten first.
const maxHolds = 4096

// hold keeps a ULID pair in E-FAILED or NO-SUPPORT (RFC 5533, section 7.8). It only holds
// down our own I1. Packets of the peer find no context, as in IDLE.
type hold struct {
	pair  Pair
	state State
	until time.Duration
	timer timer
	order *list.Element
}

// holdDown gives a context up and forbids another one for the time d (RFC 5533, section
// 7.8). A hold-down is for one ULID pair: packets of another pair of the same hosts may
// take another route. If contexts with different FIIs cause two for one pair, the longer
// one counts.
func (e *Engine) holdDown(c *context, s State, d time.Duration, why string) {
	e.discard(c, s, why)
	p := Pair{Local: c.ulids.Local, Peer: c.ulids.Peer}
	if h := e.holds[p]; h != nil {
		if h.until >= e.now+d {
			return
		}
		e.release(h)
	}
	if e.holdOrder.Len() >= maxHolds {
		e.release(e.holdOrder.Front().Value.(*hold))
	}
	h := &hold{pair: p, state: s, until: e.now + d}
	h.timer = timer{h: h, fire: func(e *Engine, t *timer) {
		e.emit(StateChange{ULIDs: ULIDs{Local: t.h.pair.Local, Peer: t.h.pair.Peer}, From: t.h.state, To: Idle, Why: "the hold-down is over"})
		e.release(t.h)
	}}
	h.order = e.holdOrder.PushBack(h)
	e.holds[p] = h
	e.timers.start(&h.timer, h.until)
}

// release ends a hold-down.
func (e *Engine) release(h *hold) {
	e.timers.stop(&h.timer)
	e.holdOrder.Remove(h.order)
	delete(e.holds, h.pair)
}
