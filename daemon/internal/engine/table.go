// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"net/netip"

	"shim6/daemon/wire"
)

// prefix is the upper half of an address. One host is assumed to have no more than that to
// itself; often several share it.
type prefix [8]byte

func prefixOf(a netip.Addr) prefix {
	b := a.As16()
	return prefix(b[:8])
}

// newTag draws a tag that no context has and that isn't exclude. It may draw the tag of a
// context that is gone: among 2^47 tags that is rare.
func (e *Engine) newTag(exclude wire.ContextTag) wire.ContextTag {
	for {
		t := e.random.tag()
		if _, taken := e.byTag[t]; !taken && t != exclude {
			return t
		}
	}
}

// noTag stands for no tag, where one may be excluded.
const noTag = wire.MaxContextTag + 1

// insert enters c in the tables.
func (e *Engine) insert(c *context) {
	c.exchange.retransmit = timer{fire: fireRetransmit, c: c}
	c.exchange.other = timer{fire: fireOther, c: c}
	e.byULIDs[c.ulids] = c
	e.byTag[c.tagLocal] = c
	e.perPeer[c.ulids.Peer]++
	e.perPrefix[prefixOf(c.ulids.Peer)]++
	c.prev = e.last
	if c.prev != nil {
		c.prev.next = c
	} else {
		e.first = c
	}
	e.last = c
	e.touch(c)
}

// discard ends a context (RFC 5533, section 9). The state to, which is IDLE or one of those
// in which I1 is held down, is only reported: no table of this file has it.
func (e *Engine) discard(c *context, to State, why string) {
	if c.gone {
		return
	}
	c.gone = true
	e.unindex(c)
	e.dropNonce(c)
	e.timers.stop(&c.exchange.retransmit)
	e.timers.stop(&c.exchange.other)
	e.dropUpdate(c)
	delete(e.byULIDs, c.ulids)
	delete(e.byTag, c.tagLocal)
	countDown(e.perPeer, c.ulids.Peer)
	countDown(e.perPrefix, prefixOf(c.ulids.Peer))
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		e.first = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	} else {
		e.last = c.prev
	}
	c.prev, c.next = nil, nil
	if c.kernel.present {
		e.emit(ContextDel{c.ulids, c.tagLocal})
	}
	e.emit(Persist{ULIDs: c.ulids})
	e.emit(StateChange{ULIDs: c.ulids, From: c.state, To: to, Why: why})
	e.explorer.Gone(&Session{e, c})
}

// countDown subtracts one from m[k], and forgets a count of 0.
func countDown[K comparable](m map[K]int, k K) {
	if m[k]--; m[k] <= 0 {
		delete(m, k)
	}
}
