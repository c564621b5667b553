// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestTimers(t *testing.T) {
	var h timers
	r := random{rand.NewPCG(1, 8)}
	all := make([]timer, 500)
	for range 3000 {
		x := &all[r.Uint64()%500]
		if r.Uint64()%4 == 0 {
			h.stop(x)
		} else {
			h.start(x, time.Duration(r.Uint64()%100))
		}
	}
	running := 0
	for i := range all {
		if all[i].running() {
			running++
		}
	}
	var last *timer
	for x := h.expired(1000); x != nil; x = h.expired(1000) {
		if last != nil && (x.at < last.at || x.at == last.at && x.seq < last.seq) {
			t.Fatalf("%v after %v", x.at, last.at)
		}
		if x.running() {
			t.Fatal("it still runs")
		}
		last = x
		running--
	}
	if running != 0 || len(h.heap) != 0 {
		t.Errorf("%d have not fired", running)
	}
	h.start(&all[0], 5)
	if h.expired(4) != nil {
		t.Error("too early")
	}
}
