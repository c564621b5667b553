// SPDX-License-Identifier: BSD-3-Clause

package engine

import "time"

// timer fires once each time it is started. It is a field of its owner, so that start and
// stop allocate nothing.
type timer struct {
	at   time.Duration
	seq  uint64
	fire func(*Engine, *timer)
	c    *context
	h    *hold
	// place is its index in the heap plus 1; 0 while it doesn't run.
	place int
}

func (t *timer) running() bool { return t.place > 0 }

// timers are the timers that run: a heap, ordered by when they fire. Timers for the same time
// fire in the order in which they were started.
type timers struct {
	heap []*timer
	seq  uint64
}

func (h *timers) next() (time.Duration, bool) {
	if len(h.heap) == 0 {
		return 0, false
	}
	return h.heap[0].at, true
}

// start starts t, again if it runs.
func (h *timers) start(t *timer, at time.Duration) {
	h.stop(t)
	h.seq++
	t.at, t.seq = at, h.seq
	h.heap = append(h.heap, t)
	t.place = len(h.heap)
	h.up(t.place - 1)
}

func (h *timers) stop(t *timer) {
	if !t.running() {
		return
	}
	i, last := t.place-1, len(h.heap)-1
	if i != last {
		h.swap(i, last)
	}
	h.heap[last] = nil
	h.heap = h.heap[:last]
	t.place = 0
	if i != last {
		h.down(i)
		h.up(i)
	}
}

// expired stops and returns the timer that has been due for longest, nil if none is due.
func (h *timers) expired(now time.Duration) *timer {
	if len(h.heap) == 0 || h.heap[0].at > now {
		return nil
	}
	t := h.heap[0]
	h.stop(t)
	return t
}

func (h *timers) less(i, j int) bool {
	a, b := h.heap[i], h.heap[j]
	return a.at < b.at || a.at == b.at && a.seq < b.seq
}

func (h *timers) swap(i, j int) {
	h.heap[i], h.heap[j] = h.heap[j], h.heap[i]
	h.heap[i].place, h.heap[j].place = i+1, j+1
}

func (h *timers) up(i int) {
	for i > 0 && h.less(i, (i-1)/2) {
		h.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
}

func (h *timers) down(i int) {
	for {
		least := i
		for j := 2*i + 1; j <= 2*i+2 && j < len(h.heap); j++ {
			if h.less(j, least) {
				least = j
			}
		}
		if least == i {
			return
		}
		h.swap(i, least)
		i = least
	}
}

// backoff is how long to wait for an answer after n retransmissions: timeout, doubled n times,
// limit at most, and then by chance between half and one and a half of that (RFC 5533,
// section 14).
func (e *Engine) backoff(timeout time.Duration, n uint8, limit time.Duration) time.Duration {
	d := limit
	if n < 32 && timeout<<n < limit {
		d = timeout << n
	}
	return d/2 + time.Duration(e.random.fraction()*float64(d))
}

// noLimit is longer than any of our timeouts becomes by doubling.
const noLimit = time.Hour
