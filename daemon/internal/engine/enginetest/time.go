// SPDX-License-Identifier: BSD-3-Clause

package enginetest

import (
	"container/heap"
	"time"
)

// Queue is what will happen at which time. Events of the same time happen in the
// order in which it was added. The zero value is an empty one.
type Queue struct {
	list happenings
	seq  uint64
}

type happening struct {
	at  time.Duration
	seq uint64
	do  func()
}

type happenings []happening

func (h happenings) Len() int { return len(h) }
func (h happenings) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].seq < h[j].seq
}
func (h happenings) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *happenings) Push(x any)   { *h = append(*h, x.(happening)) }
func (h *happenings) Pop() any {
	old := *h
	x := old[len(old)-1]
	old[len(old)-1] = happening{}
	*h = old[:len(old)-1]
	return x
}

// Add has something done at a time.
func (q *Queue) Add(at time.Duration, do func()) {
	q.seq++
	heap.Push(&q.list, happening{at, q.seq, do})
}

// Host is a host whose Engine has timers.
type Host interface {
	// Next is when the Engine wants a Tick; false if there is nothing to wait for, or no
	// Engine.
	Next() (time.Duration, bool)
	// Tick hands the Engine a Tick.
	Tick()
}

// Pass lets the time d pass: now goes on, and all that is due in between happens. Events of
// the queue come before the timers of the same instant.
func Pass[H Host](now *time.Duration, d time.Duration, q *Queue, hosts []H) {
	for end := *now + d; ; {
		at, queued := end, false
		if len(q.list) > 0 && q.list[0].at <= end {
			at, queued = q.list[0].at, true
		}
		next := -1
		for i, h := range hosts {
			if t, ok := h.Next(); ok && (t < at || t == at && !queued && next < 0) {
				at, next = t, i
			}
		}
		*now = max(*now, at)
		switch {
		case next >= 0:
			hosts[next].Tick()
		case queued:
			heap.Pop(&q.list).(happening).do()
		default:
			return
		}
	}
}

// Next is when the first of what will happen does; false if nothing will.
func (q *Queue) Next() (time.Duration, bool) {
	if len(q.list) == 0 {
		return 0, false
	}
	return q.list[0].at, true
}

// Do does the first of what will happen.
func (q *Queue) Do() { heap.Pop(&q.list).(happening).do() }
