// SPDX-License-Identifier: BSD-3-Clause

package engine

// This file is about what programs ask of the context of their sockets (RFC 6316).

// wish does what the sockets of a context ask for. They share the context with all others, which have
// asked for nothing and expect what the configuration says: so a Send Timeout can get shorter than
// that, and never longer. The peer is told the new one (RFC 6316, section 6.12), because its
// Keepalives depend on it. A peer that can be told nothing keeps the old one.
func (e *Engine) wish(ev Wish) {
	c := e.byULIDs[ev.ULIDs]
	if c == nil {
		return
	}
	if c.standby != ev.Standby {
		c.standby = ev.Standby
		e.doubt(c, HintReserve, "a program asks for a pair in reserve, or no more")
	}
	c.wish = ev.SendTimeout
	t := e.config.SendTimeout
	if ev.SendTimeout != 0 {
		t = min(t, ev.SendTimeout)
	}
	if ev.SendTimeout == 0 && !c.wished {
		return
	}
	if t == c.sendTimeout {
		// The wish may be from before this daemon was started.
		c.wished = c.wished || t != e.config.SendTimeout
		return
	}
	s := e.setFor(c)
	if c.state == Established && s.list == nil {
		return
	}
	c.wished, c.sendTimeout = true, t
	if c.state == Established {
		e.sendUpdate(c, s, c.announced.uncertain)
	} else {
		// A message on its way has the old one, and R2 is followed by an Update Request then.
		c.announced.uncertain = true
	}
	c.kernel.changed |= FieldSendTimeout
	e.touch(c)
}

// Wishes are what programs ask of contexts, in the order of Contexts. Another Engine of the same
// contexts has to be told of them: the kernel tells what is asked only when that changes.
func (e *Engine) Wishes() []Wish {
	var l []Wish
	for c := e.first; c != nil; c = c.next {
		if c.standby || c.wish != 0 {
			l = append(l, Wish{ULIDs: c.ulids, Standby: c.standby, SendTimeout: c.wish})
		}
	}
	return l
}
