// SPDX-License-Identifier: BSD-3-Clause

package reap

import "time"

// queue are the contexts that have something to do, a heap by when, and in the order
// of their coming if that is the same.
type queue struct {
	heap []*exploration
	seq  uint64
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

// first is the one that is due first, nil if there is none.
func (q *queue) first() *exploration {
	if len(q.heap) == 0 {
		return nil
	}
	return q.heap[0]
}

// waits reports whether somebody has been due.
func (q *queue) waits(now time.Duration) bool { return len(q.heap) > 0 && q.heap[0].due <= now }
