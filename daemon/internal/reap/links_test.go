// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
)

// Probes are counted by the router by which they leave, also those whose answers come after the
// question is settled, and those of which REAP itself makes nothing.
func TestLinks(t *testing.T) {
	n, a, b, _, _ := two(t, 2, Config{Standby: time.Minute})
	for i := range a.locals {
		a.locals[i].Interface, a.locals[i].Router = fmt.Sprintf("up%d", i+1), netip.MustParseAddr("fe80::1")
	}
	a.handle(engine.Locators{Local: a.locals})
	n.pass(5 * time.Minute)
	// The first is of Probes from before the links had names.
	first := a.r.Links(n.now)[1:]
	if len(first) != 2 || first[1].Interface != "up2" || first[1].Answered < 2 || first[1].Lost != 0 || first[1].RTT != 20*time.Millisecond {
		t.Fatalf("%+v", first)
	}
	n.kill(a.pair(1, b, 0), a.pair(1, b, 1))
	n.pass(5 * time.Minute)
	then := a.r.Links(n.now)[1:]
	if len(then) != 2 || then[1].Lost < 2 || then[1].Answered != first[1].Answered || then[0].Lost != 0 {
		t.Errorf("%+v", then)
	}
}

// The memory of Probes has limits, and an answer counts once.
func TestLinksAreLimited(t *testing.T) {
	var l links
	for i := range 2 * maxLinks {
		l.link(fmt.Sprint("up", i), netip.Addr{})
	}
	if len(l.by) != maxLinks || l.by[0].Interface != fmt.Sprint("up", maxLinks) {
		t.Errorf("%d, from %+v on", len(l.by), l.by[0])
	}
	_, a, b, ab, _ := two(t, 2)
	s, ok := a.e.Session(ab)
	if !ok {
		t.Fatal("there is no context")
	}
	report := func(i int) wire.ProbeReport {
		return wire.ProbeReport{Source: a.addr(0), Destination: b.addr(0), Nonce: uint32(i)}
	}
	l = links{}
	for i := range 2 * maxUnderway {
		l.asked(s, report(i))
	}
	at := s.Now()
	l.reported(at+time.Second, []wire.ProbeReport{report(1), report(1), report(2 * maxUnderway)})
	if len(l.order) != maxUnderway || len(l.underway) != maxUnderway-1 || l.by[0].Answered != 1 {
		t.Errorf("%d of %d, %+v", len(l.underway), len(l.order), l.by[0])
	}
	l.expire(at + answerTime)
	if len(l.order) != 0 || len(l.underway) != 0 || l.by[0].Lost != uint64(maxUnderway-1) {
		t.Errorf("%d of %d, %+v", len(l.underway), len(l.order), l.by[0])
	}
	if !slices.IsSortedFunc(a.r.Links(at), func(x, y LinkStats) int { return x.Router.Compare(y.Router) }) {
		t.Error("the list has no order")
	}
}
