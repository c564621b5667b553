// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"testing"
	"time"

	"shim6/daemon/internal/engine"
)

// A context in UDP asks natively after the hold-down, and returns if that is answered: both hosts do.
func TestReturnsNatively(t *testing.T) {
	drops := true
	n, a, b, ab, ba := carried(t, engine.UDPAuto, engine.UDPAuto, func(p engine.Pair) bool { return !drops || inUDP(p) })
	established(t, a, ab)
	if got := a.current(ab); !inUDP(got) {
		t.Fatalf("A sends by %v", got)
	}
	drops = false
	n.pass(2 * DefaultHoldDown)
	if a.current(ab) != a.pair(0, b, 0) || b.current(ba) != b.pair(0, a, 0) {
		t.Errorf("A sends by %v, B by %v", a.current(ab), b.current(ba))
	}
	// The memory of the networks is mended, too.
	if c, _, _ := a.e.Encapsulations(a.pair(0, b, 0)); c != engine.Native {
		t.Error("the next context begins in UDP")
	}
	// There is no more to ask.
	n.trace = nil
	n.pass(2 * time.Hour)
	if len(n.trace) != 0 {
		t.Errorf("%q", n.probes())
	}
}

// Where native messages are lost for ever, they are tried ever more rarely, and the context stays.
func TestAsksNativelyRarely(t *testing.T) {
	n, a, b, ab, _ := carried(t, engine.UDPAuto, engine.UDPAuto, inUDP)
	established(t, a, ab)
	n.pass(12 * time.Hour)
	if got := n.counts(engine.Native); got < 20 || got > 60 {
		t.Errorf("%d native Probes of both hosts in twelve hours", got)
	}
	if a.current(ab) != a.pair(0, b, 0).By(engine.UDP) {
		t.Errorf("A sends by %v", a.current(ab))
	}
}
