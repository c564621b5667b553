// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"container/heap"
	"time"
)

// queue are the contexts that have something to do: a heap by when it is due, and in the order
// in which they came if that is the same.
type queue struct {
	heap []*exploration
	seq  uint64
}

// slot is the place of a context in a queue.
type slot struct {
	// due is when step is to be called; it means something if place is not 0.
	due time.Duration
	// seq orders what is due at the same time.
	seq uint64
	// in is the queue, and place the index in its heap plus one, 0 if the context is in none.
	in    *queue
	place int
}

// at has step called at a time, in place of any other.
func (r *Explorer) at(x *exploration, due time.Duration) { r.put(x, &r.queue, due) }

// put puts a context into a queue, and takes it out of the one where it is.
func (r *Explorer) put(x *exploration, q *queue, due time.Duration) {
	r.stop(x)
	q.seq++
	x.due, x.seq, x.in = due, q.seq, q
	heap.Push(q, x)
}

// stop takes a context out of its queue, if it is in one.
func (r *Explorer) stop(x *exploration) {
	if x.place > 0 {
		heap.Remove(x.in, x.place-1)
	}
}

func (q *queue) Len() int { return len(q.heap) }
func (q *queue) Less(i, j int) bool {
	a, b := q.heap[i], q.heap[j]
	return a.due < b.due || a.due == b.due && a.seq < b.seq
}
func (q *queue) Swap(i, j int) {
	q.heap[i], q.heap[j] = q.heap[j], q.heap[i]
	q.heap[i].place, q.heap[j].place = i+1, j+1
}
func (q *queue) Push(v any) {
	x := v.(*exploration)
	q.heap = append(q.heap, x)
	x.place = len(q.heap)
}
func (q *queue) Pop() any {
	last := len(q.heap) - 1
	x := q.heap[last]
	q.heap[last] = nil
	q.heap = q.heap[:last]
	x.place = 0
	return x
}

// first is the context that is due first, nil if there is none.
func (q *queue) first() *exploration {
	if len(q.heap) == 0 {
		return nil
	}
	return q.heap[0]
}

// waits reports whether a context is due.
func (q *queue) waits(now time.Duration) bool { return len(q.heap) > 0 && q.heap[0].due <= now }
