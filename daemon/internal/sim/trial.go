// SPDX-License-Identifier: BSD-3-Clause

package sim

import (
	"net/netip"
	"slices"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
)

// This file tries steady streams, and questions that are answered, for a long time on a path that is
// bad, but delivers. Two hosts have two addresses each; the path of the first ones has the
// impairment, and the three others are as good as a path can be, so that each mistake shows. The
// kernels watch the streams by the models in rhythm.go and answer.go.

// trial is a world with streams on a bad path.
type trial struct {
	w    *world
	path *impaired
	// dead: the path delivers nothing any more.
	dead bool
	// answered: the second host answers each packet at once.
	answered bool
	ends     [2]*end
	// flight are the packets of streams that are under way.
	flight flight
	// moves are when a context changed its locator pair.
	moves []time.Duration
}

// end is one host of a trial.
type end struct {
	*host
	t        *trial
	index    int
	u        engine.ULIDs
	k        *engine.KernelContext
	rhythm   rhythm
	answer   answer
	live     *liveness
	interval time.Duration
	// next is when the stream's next packet is sent. asleep is until when nothing runs on the
	// host.
	next, asleep time.Duration
	// sent and heard are when payload last was. longest is the longest time in which none was
	// heard.
	sent, heard, longest time.Duration
	keepalive            time.Duration
}

// delay is how long a packet takes on a good path.
const delay = 10 * time.Millisecond

// streamLength is the length of the streams' packets in octets.
const streamLength = 200

// landing is the arrival of a packet of a stream at an end.
type landing struct {
	at time.Duration
	to *end
}

// flight is a heap by the time of arrival.
type flight []landing

func (f *flight) push(l landing) {
	h := append(*f, l)
	i := len(h) - 1
	for i > 0 {
		p := (i - 1) / 2
		if h[p].at <= h[i].at {
			break
		}
		h[p], h[i] = h[i], h[p]
		i = p
	}
	*f = h
}

func (f *flight) pop() landing {
	h := *f
	top := h[0]
	n := len(h) - 1
	h[0] = h[n]
	h = h[:n]
	for i := 0; ; {
		c := 2*i + 1
		if c >= n {
			break
		}
		if c+1 < n && h[c+1].at < h[c].at {
			c++
		}
		if h[i].at <= h[c].at {
			break
		}
		h[i], h[c] = h[c], h[i]
		i = c
	}
	*f = h
	return top
}

// newTrial makes two hosts with a context. rates are how many packets a second each of them sends.
func newTrial(seed uint64, hz int64, p *impaired, rates [2]int) *trial {
	w := emptyWorld(seed)
	t := &trial{w: w, path: p}
	for range 2 {
		h := w.newHost(plain)
		h.all = h.all[:2]
		h.up, h.broken = h.up[:2], h.broken[:2]
		h.config.SendTimeout = 0
		h.boot(true)
	}
	a, b := w.hosts[0], w.hosts[1]
	u := engine.ULIDs{Local: a.all[0].Address, Peer: b.all[0].Address}
	a.acquire(u.Local, u.Peer)
	w.run(5 * time.Second)
	w.trial = t
	for i, h := range w.hosts {
		e := &end{host: h, t: t, index: i, u: u}
		if i == 1 {
			e.u = reverse(u)
		}
		e.k = h.kernel.Get(e.u)
		e.live = h.live(e.u)
		matters := func() bool {
			return e.k.State == engine.Established && e.k.ReapState == engine.ReapOperational
		}
		tell := func(stopped engine.ReapKind) func(bool) {
			return func(hint bool) {
				kind := engine.ReapResumption
				if hint {
					kind = stopped
				}
				// The daemon hears of it when it runs.
				w.queue.Add(w.now, func() { e.handle(engine.Reap{ULIDs: e.u, Tag: e.k.TagLocal, Kind: kind}) })
			}
		}
		e.rhythm = rhythm{hz: hz, matters: matters, tell: tell(engine.ReapSilence)}
		e.answer = answer{hz: hz, matters: matters, tell: tell(engine.ReapUnanswered), watched: func() bool { return e.rhythm.watched }}
		e.next, e.sent, e.heard = never, w.now, w.now
		if rates[i] > 0 {
			e.interval = time.Second / time.Duration(rates[i])
			e.next = w.now + w.between(0, e.interval)
		}
		t.ends[i] = e
	}
	return t
}

func (t *trial) end(a netip.Addr) *end {
	if t.w.owner[a] == t.ends[0].host {
		return t.ends[0]
	}
	return t.ends[1]
}

// bad reports whether packets between two addresses go by the bad path.
func (t *trial) bad(a, b netip.Addr) bool {
	first := func(x netip.Addr) bool { return x == t.ends[0].all[0].Address || x == t.ends[1].all[0].Address }
	return first(a) && first(b)
}

// arrives says when a packet that is sent now arrives; false if it never does.
func (t *trial) arrives(source, destination netip.Addr, length int) (time.Duration, bool) {
	now := t.w.now
	if !t.bad(source, destination) {
		return now + delay, true
	}
	if t.dead {
		return 0, false
	}
	at, ok := t.path.carry(t.end(source).index, now, length)
	return max(at, t.path.pause(t.end(destination).index, at)), ok
}

// transmit carries a message.
func (t *trial) transmit(p packet) {
	at, ok := t.arrives(p.source, p.destination, 40+len(p.message))
	if !ok {
		return
	}
	to := t.end(p.destination)
	var deliver func()
	deliver = func() {
		if to.asleep > t.w.now {
			t.w.queue.Add(to.asleep, deliver)
			return
		}
		to.receive(p)
	}
	t.w.queue.Add(at, deliver)
}

// set is called when a daemon has set its context.
func (t *trial) set(h *host, f engine.Fields) {
	e := t.ends[0]
	if h != e.host {
		e = t.ends[1]
	}
	if f&engine.FieldLocator != 0 {
		t.moves = append(t.moves, t.w.now)
	}
	if f&(engine.FieldLocator|engine.FieldInbound) != 0 {
		e.rhythm.forgive()
		e.answer.forgive()
	}
}

// send sends a packet of a stream, or an answer.
func (e *end) send() {
	w := e.t.w
	e.next = never
	if e.interval > 0 {
		e.next = w.now + e.interval
	}
	e.answer.sent(e.rhythm.jiffies(w.now))
	e.sent = w.now
	l := e.live
	switch {
	case e.k.ReapState == engine.ReapExploring:
	case !l.waits:
		l.since, l.waits = w.now, true
	case w.now-l.since > e.k.SendTimeout:
		e.pays(e.k)
	}
	p := e.k.Locator
	if at, ok := e.t.arrives(p.Local, p.Peer, streamLength); ok {
		to := e.t.ends[1-e.index]
		e.t.flight.push(landing{at, to})
	}
}

// land takes a packet of the peer's stream.
func (e *end) land() {
	w := e.t.w
	e.longest = max(e.longest, w.now-e.heard)
	e.heard = w.now
	e.rhythm.heard(e.rhythm.jiffies(w.now))
	e.answer.heard(e.rhythm.jiffies(w.now))
	e.live.waits, e.live.heard = false, w.now
	if e.k.ReapState == engine.ReapExploring {
		e.hears(e.k)
	}
	if e.t.answered && e.index == 1 {
		e.send()
		return
	}
	if e.interval == 0 && w.now-e.keepalive >= 6*time.Second {
		e.keepalive = w.now
		b, err := wire.Append(nil, &wire.Keepalive{ReceiverContextTag: e.k.TagPeer})
		if err != nil {
			panic(err)
		}
		w.transmit(packet{source: e.k.Locator.Local, destination: e.k.Locator.Peer, message: b})
	}
}

// run lets time pass. Timers come before all else of the same time: a host that was asleep
// learns only then what has come.
func (t *trial) run(d time.Duration) {
	w := t.w
	for end := w.now + d; ; {
		at, do := end, -1
		first := func(x time.Duration, what int) {
			if x < at {
				at, do = x, what
			}
		}
		for i, e := range t.ends {
			if e.asleep <= w.now {
				e.asleep = t.path.asleep(i, w.now)
			}
			if n, ok := e.Next(); ok {
				first(max(n, e.asleep), i)
			}
			if e.rhythm.watched {
				first(max(e.rhythm.next(), e.asleep), 2+i)
			}
			if n, ok := e.answer.next(); ok {
				first(max(n, e.asleep), 8+i)
			}
		}
		if n, ok := w.queue.Next(); ok {
			first(n, 4)
		}
		if len(t.flight) > 0 {
			first(t.flight[0].at, 5)
		}
		for i, e := range t.ends {
			if e.interval > 0 {
				first(max(e.next, e.asleep), 6+i)
			}
		}
		w.now = max(w.now, at)
		switch do {
		case 0, 1:
			t.ends[do].Tick()
		case 2, 3:
			r := &t.ends[do-2].rhythm
			r.timer(max(r.jiffies(w.now), r.due))
		case 4:
			w.queue.Do()
		case 5:
			l := t.flight.pop()
			if l.to.asleep > w.now {
				t.flight.push(landing{l.to.asleep, l.to})
			} else {
				l.to.land()
			}
		case 6, 7:
			t.ends[do-6].send()
		case 8, 9:
			a := &t.ends[do-8].answer
			a.timer(max(t.ends[do-8].rhythm.jiffies(w.now), a.due))
		default:
			return
		}
	}
}

// impaired is a path that delays and loses packets, and pauses.
type impaired struct {
	w *world
	// loss is the chance that a packet is lost, and jitter the most that it is late, however
	// late others are. stray is the chance that a packet is late by up to strayBy.
	loss, stray float64
	jitter      time.Duration
	// queue is how long a packet waits behind others, by the time. It keeps the order.
	queue func(from int, now time.Duration) time.Duration
	// rate is how many bits a second the path carries, by the time, and room how many octets
	// wait for that.
	rate func(now time.Duration) float64
	room float64
	// pauses are those of an end's receiver, and stalls those of a whole end.
	pauses, stalls [2]*pauses
	last           [2]time.Duration
}

const strayBy = 50 * time.Millisecond

// plain reports whether the path has no impairment.
func (p *impaired) plain() bool {
	return p.loss == 0 && p.jitter == 0 && p.stray == 0 && p.queue == nil && p.rate == nil && p.pauses == [2]*pauses{} && p.stalls == [2]*pauses{}
}

// carry says when a packet of a length in octets arrives, which an end sends at a time; false if it
// is lost.
func (p *impaired) carry(from int, now time.Duration, length int) (time.Duration, bool) {
	if p.loss > 0 && p.w.chance(p.loss) {
		return 0, false
	}
	at := now + delay
	if p.queue != nil {
		at = max(at+p.queue(from, now), p.last[from])
		p.last[from] = at
	}
	if p.rate != nil {
		rate := p.rate(now) / 8
		busy := max(p.last[from], now)
		if (busy-now).Seconds()*rate > p.room {
			return 0, false
		}
		p.last[from] = busy + time.Duration(float64(length)/rate*float64(time.Second))
		at = p.last[from] + delay
	}
	if p.jitter > 0 {
		at += p.w.between(0, p.jitter)
	}
	if p.stray > 0 && p.w.chance(p.stray) {
		at += p.w.between(0, strayBy)
	}
	return at, true
}

// pause is until when an end hears nothing by the path, and asleep until when it stands still.
func (p *impaired) pause(at int, now time.Duration) time.Duration  { return p.pauses[at].until(now) }
func (p *impaired) asleep(at int, now time.Duration) time.Duration { return p.stalls[at].until(now) }

// pauses are pauses of a length between two limits, with times between them that have others.
type pauses struct {
	w                 *world
	shortest, longest time.Duration
	least, most       time.Duration
	began             []time.Duration
	ended             []time.Duration
}

// until is when a pause ends that there is at a time; the time itself if there is none. The time
// may be a little before one that was asked for earlier.
func (p *pauses) until(now time.Duration) time.Duration {
	if p == nil {
		return now
	}
	for len(p.began) == 0 || p.began[len(p.began)-1] <= now {
		from := now
		if n := len(p.ended); n > 0 {
			from = p.ended[n-1]
		}
		from += p.w.between(p.least, p.most)
		p.began = append(p.began, from)
		p.ended = append(p.ended, from+p.w.between(p.shortest, p.longest))
		if len(p.began) > 64 {
			p.began, p.ended = slices.Delete(p.began, 0, 32), slices.Delete(p.ended, 0, 32)
		}
	}
	for i := len(p.began) - 1; i >= 0; i-- {
		if p.ended[i] <= now {
			break
		}
		if p.began[i] <= now {
			return p.ended[i]
		}
	}
	return now
}
