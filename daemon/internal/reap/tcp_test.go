// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"time"

	"shim6/daemon/internal/engine"
)

// tcp is a connection that always has a segment to send. It sends the next when that is
// acknowledged.
type tcp struct {
	h      *host
	u      engine.ULIDs
	length int
	// progress: the kernel says that other connections get on.
	progress bool
	// acknowledged is when a segment was acknowledged last, and longest the longest time without.
	acknowledged, longest time.Duration
	// retransmits is how often the timer has expired, rto how long it runs, and run its number.
	// told and told1 are when the daemon was last told of later and of first expiries.
	retransmits int
	rto         time.Duration
	run         int
	told        time.Duration
	told1       time.Duration
}

// connect makes a connection whose segments have so many octets.
func (h *host) connect(u engine.ULIDs, length int) *tcp {
	t := &tcp{h: h, u: u, length: length, acknowledged: h.n.now, rto: 200 * time.Millisecond}
	h.kernel[u].restart = t.restart
	t.send()
	return t
}

// restart is what the kernel module does after a switch.
func (t *tcp) restart() {
	t.retransmits++
	t.rto = time.Second
	t.send()
}

func (t *tcp) send() {
	t.run++
	run, k, n := t.run, t.h.kernel[t.u], t.h.n
	n.after(t.rto, func() { t.expire(run) })
	t.h.sent(k)
	length := t.length
	if k.Locator != (engine.Pair{Local: t.u.Local, Peer: t.u.Peer}) {
		length += 8
	}
	t.hint(k, length)
	if n.lost(k.Locator, true, length) {
		return
	}
	n.transmit(k.Locator.Local, k.Locator.Peer, func(to *host) {
		p := to.byTag[k.TagPeer]
		if p == nil {
			return
		}
		to.received(p)
		to.sent(p)
		if n.lost(p.Locator, true, 60) {
			return
		}
		n.transmit(p.Locator.Local, p.Locator.Peer, func(back *host) {
			back.received(k)
			t.acknowledge(run)
		})
	})
}

func (t *tcp) acknowledge(run int) {
	if t.run != run {
		return
	}
	now := t.h.n.now
	t.longest = max(t.longest, now-t.acknowledged)
	t.acknowledged, t.retransmits, t.rto = now, 0, 200*time.Millisecond
	t.run++
	t.h.n.after(100*time.Millisecond, t.send)
}

func (t *tcp) expire(run int) {
	if t.run == run {
		t.retransmits++
		t.rto = min(2*t.rto, 2*time.Minute)
		t.send()
	}
}

// hint tells the daemon of a packet that is sent, as the kernel does.
func (t *tcp) hint(k *kernel, length int) {
	last := &t.told
	if t.retransmits < 2 {
		last = &t.told1
	}
	if t.retransmits == 0 || k.ReapState != engine.ReapOperational || k.State != engine.Established || *last != 0 && t.h.n.now-*last < time.Second {
		return
	}
	*last = t.h.n.now
	t.h.handle(engine.Reap{ULIDs: t.u, Tag: k.TagLocal, Kind: engine.ReapRetransmission,
		Stall: engine.Stall{RTT: 20 * time.Millisecond, Retransmits: t.retransmits, Length: length, Progress: t.progress}})
}

// silence is the time since the last acknowledgement.
func (t *tcp) silence() time.Duration { return t.h.n.now - t.acknowledged }
