// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"bytes"
	"maps"
	"slices"
	"sync"
)

// hub gives all readers the newest of each kind of event. A reader that is slow misses what was
// replaced in the meantime, and costs no memory.
type hub struct {
	mu     sync.Mutex
	newest map[string]published
	number uint64
	// came is closed, and made again, when something is published.
	came  chan struct{}
	count int
	// users counts the readers of each user.
	users map[string]int
}

// published is an event that was published under a number.
type published struct {
	number uint64
	// frame is the event as it goes to readers.
	frame []byte
}

func newHub() *hub {
	return &hub{newest: map[string]published{}, users: map[string]int{}, came: make(chan struct{})}
}

// publish replaces the event of a kind. Data that is the same as before is not told again.
func (h *hub) publish(kind string, data []byte) {
	// All readers are sent the same octets: each with a copy of its own would take much memory.
	frame := slices.Concat([]byte("event: "+kind+"\ndata: "), data, []byte("\n\n"))
	h.mu.Lock()
	defer h.mu.Unlock()
	if bytes.Equal(h.newest[kind].frame, frame) {
		return
	}
	h.number++
	h.newest[kind] = published{h.number, frame}
	close(h.came)
	h.came = make(chan struct{})
}

// behind are the events that are newer than a number, the number to ask for next, and a channel that
// is closed when there are others.
func (h *hub) behind(number uint64) (map[string][]byte, uint64, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := map[string][]byte{}
	for kind, p := range maps.All(h.newest) {
		if p.number > number {
			list[kind] = p.frame
		}
	}
	return list, h.number, h.came
}

// enter counts a reader of a user, if there are not too many, and reports whether it may read.
func (h *hub) enter(who string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.count >= maxReaders || h.users[who] >= maxUserReaders {
		return false
	}
	h.count++
	h.users[who]++
	return true
}

func (h *hub) leave(who string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.count--
	if h.users[who]--; h.users[who] == 0 {
		delete(h.users, who)
	}
}

func (h *hub) readers() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.count
}
