// SPDX-License-Identifier: BSD-3-Clause

package sim

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/internal/engine/enginetest"
	"shim6/daemon/wire"
)

// world is hosts, a network, and what goes wrong.
type world struct {
	seed  uint64
	rand  *rand.Rand
	now   time.Duration
	queue enginetest.Queue
	hosts []*host
	// owner is the host of each address: the truth that Engines must find out.
	owner map[netip.Addr]*host
	// hashed are addresses that are in their owner's HBA set. signed are the addresses for
	// which each signature was sent.
	hashed map[netip.Addr]bool
	signed map[string][]netip.Addr
	// faults: packets may be lost, doubled and late.
	faults           bool
	loss, dup, delay float64
	attackers        []attacker
	flows            []flow
	// holes are black holes: packets by these pairs, as the sender sees them, are lost
	// however they are carried.
	holes map[engine.Pair]bool
	// drops are pairs that carry nothing by their encapsulation, as the sender sees them. Each
	// has the other encapsulation. udp: hosts use UDP.
	drops map[engine.Pair]bool
	udp   bool
	// dull pairs lose long packets, and deaf ones lose payload. Both carry Probes. streams
	// are the sessions that meet these pairs.
	dull, deaf map[engine.Pair]bool
	streams    []*stream
	// log gets a line for everything that happens, unless it is nil.
	log io.Writer
	// trial takes the network's place, unless it is nil.
	trial *trial
	// few: every host draws its tags from fewTags.
	few bool
}

// flow is traffic between two ULIDs.
type flow struct {
	a, b        *host
	local, peer netip.Addr
}

// packet is in flight.
type packet struct {
	source, destination netip.Addr
	message             []byte
	// tag is that of a payload extension header, if message is nil.
	tag uint64
	// length is the length of the packet in octets, if it was made longer than the message.
	length int
	// by is how it is carried.
	by engine.Encapsulation
}

// pair is the pair of a packet as its sender sees it.
func (p packet) pair() engine.Pair {
	return engine.Pair{Local: p.source, Peer: p.destination, Encapsulation: p.by}
}

// violation is a broken invariant. It ends the world by a panic.
type violation struct{ text string }

func (w *world) fail(format string, args ...any) {
	panic(violation{fmt.Sprintf(format, args...)})
}

func (w *world) logf(format string, args ...any) {
	if w.log != nil {
		fmt.Fprintf(w.log, "%10.3f  %s\n", w.now.Seconds(), fmt.Sprintf(format, args...))
	}
}

// fewTags is a source from which an Engine draws no more than 32 different context tags, as
// other implementations do for tests (RFC 5533, appendix C). Everything else is still random,
// but a nonce has only 17 random bits of its 32.
type fewTags struct{ rand.Source }

// Uint64 is a number in which only five bits of a tag can be set.
func (f fewTags) Uint64() uint64 { return f.Source.Uint64() &^ (uint64(wire.MaxContextTag) &^ 0x1f) }

func (w *world) after(d time.Duration, do func()) { w.queue.Add(w.now+d, do) }

// run lets time pass.
func (w *world) run(d time.Duration) { enginetest.Pass(&w.now, d, &w.queue, w.hosts) }

// Next is when the daemon wants a Tick; false if there is nothing to wait for, or no daemon.
func (h *host) Next() (time.Duration, bool) {
	if h.e == nil {
		return 0, false
	}
	return h.e.Next()
}

// Tick hands the daemon a Tick.
func (h *host) Tick() { h.handle(engine.Tick{}) }

// chance is true with probability p.
func (w *world) chance(p float64) bool { return w.rand.Float64() < p }

func (w *world) between(a, b time.Duration) time.Duration {
	return a + time.Duration(w.rand.Int64N(int64(b-a)))
}

func pick[T any](w *world, s []T) T { return s[w.rand.IntN(len(s))] }

// transmit carries a packet, or loses it. Attackers on the path see it.
func (w *world) transmit(p packet) {
	if w.trial != nil {
		w.trial.transmit(p)
		return
	}
	for i := range w.attackers {
		w.attackers[i].sees(w, p)
	}
	if w.holes[p.pair().By(engine.Native)] || w.drops[p.pair()] || w.hides(p.pair(), p.message == nil, p.length) {
		return
	}
	n := 1
	if w.faults {
		if w.chance(w.loss) {
			return
		}
		if w.chance(w.dup) {
			n = 2
		}
	}
	for range n {
		d := 10 * time.Millisecond
		if w.faults && w.chance(w.delay) {
			d = w.between(time.Millisecond, 10*time.Second)
		}
		w.after(d, func() { w.deliver(p) })
	}
}

func (w *world) deliver(p packet) {
	if h := w.owner[p.destination]; h != nil {
		if w.log != nil && p.message != nil {
			w.logf("%s: gets %s from %v for %v", h.name, describe(p.message), p.source, p.destination)
		}
		h.receive(p)
	}
}

// describe is a message for people.
func describe(b []byte) string {
	m, err := wire.Decode(b)
	if err != nil {
		return err.Error()
	}
	var o wire.Options
	switch m := m.(type) {
	case *wire.I2:
		o = m.Options
	case *wire.I2bis:
		o = m.Options
	case *wire.R2:
		o = m.Options
	case *wire.UpdateRequest:
		o = m.Options
	}
	text := fmt.Sprintf("%v %x", m.Type(), b[6:16])
	if l := o.LocatorList(); l != nil {
		text += fmt.Sprintf(" list %x of %d", l.Generation, len(l.Locators))
	}
	if l := o.LocatorPreferences(); l != nil {
		text += fmt.Sprintf(" preferences %x", l.Generation)
		for _, x := range l.Elements {
			text += fmt.Sprintf(" %d/%d", x.Flags, x.Priority)
		}
	}
	return text
}
