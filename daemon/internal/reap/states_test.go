// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
	"shim6/tools/conformance/shows"
)

const (
	operational = engine.ReapOperational
	exploring   = engine.ReapExploring
	inboundOK   = engine.ReapInboundOK
)

// scene is a host with a context in a state. The test plays its peer.
type scene struct {
	n      *network
	a, b   *host
	ab     engine.ULIDs
	nonces uint32
}

// in makes a scene. No packet arrives except by the test.
func in(t *testing.T, state engine.ReapState) *scene {
	n, a, b, ab, _ := two(t, 2)
	n.dead = func(_, _ netip.Addr) bool { return true }
	z := &scene{n: n, a: a, b: b, ab: ab}
	if state != operational {
		z.timeout()
	}
	if state == inboundOK {
		z.heard()
	}
	if got := a.state(ab); got != state {
		t.Fatalf("in %v, not %v", got, state)
	}
	// The trace begins here.
	n.now += 100 * time.Millisecond
	n.trace, a.sets = nil, nil
	return z
}

func (z *scene) timeout() {
	k := z.a.kernel[z.ab]
	k.ReapState, k.clock = exploring, engine.ReapTimerNone
	z.a.handle(engine.Reap{ULIDs: z.ab, Tag: k.TagLocal, Kind: engine.ReapSendTimeout})
}

func (z *scene) heard() {
	k := z.a.kernel[z.ab]
	k.ReapState = inboundOK
	z.a.handle(engine.Reap{ULIDs: z.ab, Tag: k.TagLocal, Kind: engine.ReapInbound})
}

// probe delivers a Probe of the peer by the pair of the ULIDs, and returns it.
func (z *scene) probe(state wire.ProbeState, received ...wire.ProbeReport) *wire.Probe {
	return z.probeBy(engine.Pair{Local: z.ab.Local, Peer: z.ab.Peer}, state, received...)
}

func (z *scene) probeBy(p engine.Pair, state wire.ProbeState, received ...wire.ProbeReport) *wire.Probe {
	z.nonces++
	m := &wire.Probe{ReceiverContextTag: z.a.kernel[z.ab].TagLocal, State: state,
		Sent:     []wire.ProbeReport{{Source: p.Peer, Destination: p.Local, Nonce: z.nonces, Data: 0xdada}},
		Received: received}
	z.deliver(p, m)
	return m
}

func (z *scene) deliver(p engine.Pair, m *wire.Probe) {
	b, err := wire.Append(nil, m)
	if err != nil {
		z.n.t.Fatal(err)
	}
	z.a.handle(engine.Control{Source: p.Peer, Destination: p.Local, Message: b})
}

// last is the last Probe that was sent.
func (z *scene) last() *wire.Probe {
	if len(z.n.trace) == 0 {
		return nil
	}
	return z.n.trace[len(z.n.trace)-1].m
}

// reported is the report of a peer that has got the last Probe.
func (z *scene) reported() wire.ProbeReport { return z.a.r.by[z.ab].reports()[0] }

// reports are the reports of all Probes that were sent, the last first.
func (x *exploration) reports() (l []wire.ProbeReport) {
	for i := len(x.sent) - 1; i >= 0; i-- {
		l = append(l, wire.ProbeReport{Source: x.sent[i].pair.Local, Destination: x.sent[i].pair.Peer, Nonce: x.sent[i].nonce})
	}
	return l
}

// Every transition of RFC 5534, section 6, except those that the kernel makes by itself.
func TestTransitions(t *testing.T) {
	shows.IDs(t, "5534-6-01 5534-6-02 5534-6-03 5534-6-04 5534-6-05 5534-6.1-02 5534-6.1-04 5534-6.4-01",
		"5534-6.4-02 5534-6.5-01 5534-6.5-02 5534-6.6-02 5534-6.7-01 5534-6.7-02 5534-6.7-03 5534-6.8-01",
		"5534-6.8-02 5534-6.8-03 5534-6.9-01 5534-6.9-02 5534-6.9-03 5534-6.9-05")
	const none = wire.ProbeState(9)
	timeout := func(z *scene) {
		// An event that comes at once would be about the timer of before.
		z.n.now += 2 * time.Second
		z.timeout()
	}
	heard := func(z *scene) { z.heard() }
	wait := func(z *scene) { z.n.pass(500 * time.Millisecond) }
	gets := func(s wire.ProbeState) func(*scene) {
		return func(z *scene) {
			if x := z.a.r.by[z.ab]; x != nil && len(x.sent) > 0 {
				z.probe(s, z.reported())
			} else {
				z.probe(s)
			}
		}
	}
	for _, x := range []struct {
		id    string
		from  engine.ReapState
		event func(*scene)
		sends wire.ProbeState
		to    engine.ReapState
		// timer is what the kernel is told to start; 0 for nothing.
		timer engine.ReapTimer
	}{
		// The kernel has started the Send Timer by itself.
		{"6.1-02 and 6.6-02", exploring, heard, wire.ProbeInboundOk, inboundOK, 0},
		{"6.4-01", operational, timeout, wire.ProbeExploring, exploring, engine.ReapTimerNone},
		{"6.4-02", inboundOK, timeout, wire.ProbeExploring, exploring, engine.ReapTimerNone},
		{"6.5, Operational", operational, wait, none, operational, 0},
		{"6.5-01", exploring, wait, wire.ProbeExploring, exploring, 0},
		{"6.5-02", inboundOK, wait, wire.ProbeInboundOk, inboundOK, 0},
		{"6.7-01", operational, gets(wire.ProbeExploring), wire.ProbeInboundOk, inboundOK, engine.ReapTimerSend},
		{"6.7-02", exploring, gets(wire.ProbeExploring), wire.ProbeInboundOk, inboundOK, engine.ReapTimerSend},
		{"6.7-03", inboundOK, gets(wire.ProbeExploring), wire.ProbeInboundOk, inboundOK, engine.ReapTimerSend},
		{"6.8-01", operational, gets(wire.ProbeInboundOk), wire.ProbeOperational, operational, engine.ReapTimerSend},
		{"6.8-02", exploring, gets(wire.ProbeInboundOk), wire.ProbeOperational, operational, engine.ReapTimerSend},
		{"6.8-03", inboundOK, gets(wire.ProbeInboundOk), wire.ProbeOperational, operational, engine.ReapTimerSend},
		{"6.9-01", operational, gets(wire.ProbeOperational), none, operational, engine.ReapTimerKeepalive},
		{"6.9-02", exploring, gets(wire.ProbeOperational), none, operational, engine.ReapTimerKeepalive},
		{"6.9-03", inboundOK, gets(wire.ProbeOperational), none, operational, engine.ReapTimerKeepalive},
	} {
		z := in(t, x.from)
		x.event(z)
		sent := none
		if len(z.n.trace) > 1 {
			t.Errorf("%s: sent %q", x.id, z.n.probes())
		} else if m := z.last(); m != nil {
			sent = m.State
		}
		var timer engine.ReapTimer
		for _, s := range z.a.sets {
			if s.Fields&engine.FieldReapTimer != 0 {
				timer = s.Context.ReapTimer
			}
		}
		if sent != x.sends || z.a.state(z.ab) != x.to || z.a.kernel[z.ab].ReapState != x.to || timer != x.timer {
			t.Errorf("%s: sent %v, to %v, in the kernel %v, timer %v; want %v, %v, %v",
				x.id, sent, z.a.state(z.ab), z.a.kernel[z.ab].ReapState, timer, x.sends, x.to, x.timer)
		}
	}
}

// In InboundOK the Send Timer is started on a retransmission if it can't be running.
func TestSendTimerInInboundOK(t *testing.T) {
	shows.IDs(t, "5534-6.5-02")
	z := in(t, inboundOK)
	k := z.a.kernel[z.ab]
	// Payload has stopped it.
	k.clock = engine.ReapTimerNone
	z.n.pass(14 * time.Second)
	if k.clock != engine.ReapTimerNone {
		t.Error("started, though it might run")
	}
	z.n.pass(6 * time.Second)
	if k.clock != engine.ReapTimerSend {
		t.Error("not started")
	}
	z.n.pass(20 * time.Second)
	if z.a.state(z.ab) != exploring {
		t.Errorf("in %v", z.a.state(z.ab))
	}
}

// The contents of Probes.
func TestProbeContents(t *testing.T) {
	shows.IDs(t, "5534-5.2-09 5534-5.2-10 5534-5.2-11 5534-5.2-12 5534-5.2-13 5534-5.2-17 5534-5.2-18 5534-5.2-20",
		"5534-5.2-23 5534-6.1-05 5533-6.1-06 boeing-1.3-02")
	z := in(t, operational)
	p := z.probe(wire.ProbeExploring)
	m := z.last()
	if m.State != wire.ProbeInboundOk || len(m.Received) != 1 || m.Received[0] != p.Sent[0] {
		t.Fatalf("%+v does not report %+v", m, p)
	}
	sent := z.n.trace[0]
	if m.Sent[0].Source != sent.source || m.Sent[0].Destination != sent.destination || m.Sent[0].Nonce == 0 {
		t.Errorf("the first report is %+v, the packet %v to %v", m.Sent[0], sent.source, sent.destination)
	}
	z.n.pass(answerPause)
	if l := z.last(); len(l.Sent) != 2 || l.Sent[1] != m.Sent[0] || l.Sent[0].Nonce == m.Sent[0].Nonce {
		t.Errorf("reports %+v after %+v", l.Sent, m.Sent)
	}
	// A Probe that the peer has reported is not listed again. Probes received before are
	// forgotten in Exploring.
	z.probe(wire.ProbeExploring, m.Sent[0])
	if l := z.last(); len(l.Sent) != 2 || len(l.Received) != 2 {
		t.Errorf("reports %+v", l)
	}
	z.n.pass(time.Second)
	z.timeout()
	if l := z.last(); l.State != wire.ProbeExploring || len(l.Received) != 0 {
		t.Errorf("reports %+v in Exploring", l)
	}
	// There are at most 15 reports of a kind, and all fit into a message.
	for range 40 {
		z.probe(wire.ProbeExploring)
		z.n.pass(300 * time.Millisecond)
	}
	l := z.last()
	if len(l.Received) != wire.MaxProbeReports || len(l.Sent) > wire.MaxProbeReports || len(l.Sent) < 10 {
		t.Errorf("%d and %d reports", len(l.Sent), len(l.Received))
	}
}

// A Probe names the addresses by which it was sent, also where that is not the current pair.
func TestProbeAddresses(t *testing.T) {
	shows.IDs(t, "5534-5.2-17")
	z := in(t, operational)
	z.n.dead = func(netip.Addr, netip.Addr) bool { return true }
	z.timeout()
	z.n.pass(10 * time.Second)
	others := 0
	for _, p := range z.n.trace {
		pair := engine.Pair{Local: p.source, Peer: p.destination}
		if p.m == nil || p.source != z.a.addr(0) && p.source != z.a.addr(1) {
			continue
		}
		if r := p.m.Sent[0]; r.Source != p.source || r.Destination != p.destination {
			t.Errorf("the first report is %+v, the packet %v", r, pair)
		}
		if now := z.a.current(z.ab); now.Local != pair.Local || now.Peer != pair.Peer {
			others++
		}
	}
	if others < 3 {
		t.Errorf("%d Probes by other pairs: %q", others, z.n.probes())
	}
}

// If only payload was heard, a Probe InboundOk has nothing to report.
func TestNothingToReport(t *testing.T) {
	shows.IDs(t, "5534-5.2-22")
	z := in(t, exploring)
	z.heard()
	if m := z.last(); m.State != wire.ProbeInboundOk || len(m.Received) != 0 {
		t.Errorf("sent %+v", m)
	}
	// The peer reads that as: payload arrives by your current pair.
	z = in(t, exploring)
	before := z.a.current(z.ab)
	z.probe(wire.ProbeInboundOk)
	if z.a.current(z.ab) != before || z.a.state(z.ab) != operational {
		t.Errorf("%v by %v", z.a.state(z.ab), z.a.current(z.ab))
	}
}

// A report counts only if a Probe with that nonce was sent by that pair.
func TestSpoofedReports(t *testing.T) {
	shows.IDs(t, "5534-5.2-26 5534-8-03 5534-6.8-04")
	for i, forge := range []func(r *wire.ProbeReport, z *scene){
		func(r *wire.ProbeReport, _ *scene) { r.Nonce++ },
		func(r *wire.ProbeReport, z *scene) { r.Source = z.a.addr(0) },
		func(r *wire.ProbeReport, z *scene) { r.Destination = z.b.addr(0) },
		func(r *wire.ProbeReport, z *scene) { r.Destination = address(9, 9) },
	} {
		for _, s := range []wire.ProbeState{wire.ProbeInboundOk, wire.ProbeOperational} {
			z := in(t, exploring)
			z.n.pass(500 * time.Millisecond)
			q := z.reported()
			if q.Source != z.a.addr(1) || q.Destination != z.b.addr(1) {
				t.Fatalf("probed %+v", q)
			}
			honest := q
			forge(&q, z)
			z.probe(s, q)
			if z.a.current(z.ab) != z.a.pair(0, z.b, 0) || z.a.state(z.ab) == operational {
				t.Errorf("%d: %v by %v after a forged report", i, z.a.state(z.ab), z.a.current(z.ab))
			}
			z.probe(s, honest)
			if z.a.current(z.ab) != z.a.pair(1, z.b, 1) || z.a.state(z.ab) != operational {
				t.Errorf("%d: %v by %v after a true report", i, z.a.state(z.ab), z.a.current(z.ab))
			}
			if z.a.r.Stats().Unbelieved != 1 {
				t.Errorf("stats %+v", z.a.r.Stats())
			}
		}
	}
}

// A replayed Probe changes nothing, and a flood of Probes does not cause a flood of answers.
func TestReplay(t *testing.T) {
	z := in(t, exploring)
	z.n.pass(500 * time.Millisecond)
	good := z.probe(wire.ProbeInboundOk, z.reported())
	to := z.a.current(z.ab)
	if to != z.a.pair(1, z.b, 1) {
		t.Fatalf("by %v", to)
	}
	sent := len(z.n.trace)
	z.deliver(engine.Pair{Local: z.ab.Local, Peer: z.ab.Peer}, good)
	if len(z.n.trace) != sent || z.a.r.Stats().Duplicates != 1 {
		t.Errorf("a Probe that came twice was answered: %q", z.n.probes())
	}
	// The next exploration has other nonces.
	z.n.pass(time.Minute)
	z.n.trace = nil
	z.timeout()
	z.deliver(engine.Pair{Local: z.ab.Local, Peer: z.ab.Peer}, good)
	if z.a.state(z.ab) == operational {
		t.Error("a report of before ends an exploration")
	}
	z.n.trace = nil
	for range 1000 {
		z.probe(wire.ProbeExploring)
		z.probe(wire.ProbeInboundOk)
	}
	if len(z.n.trace) > answerBurst+1 {
		t.Errorf("2000 Probes at once have %d answers", len(z.n.trace))
	}
	if len(z.a.r.by[z.ab].sent) > wire.MaxProbeReports || len(z.a.r.by[z.ab].received) > wire.MaxProbeReports {
		t.Error("too much is remembered")
	}
}

// An answer that was lost is sent again, by another pair.
func TestAnswerAgain(t *testing.T) {
	z := in(t, operational)
	for range 3 {
		z.probeBy(z.a.pair(1, z.b, 1), wire.ProbeInboundOk)
		z.n.pass(500 * time.Millisecond)
	}
	if got := fmt.Sprint(z.n.probes()); got != "[A1>B1 Operational 1 A2>B2 Operational 2 A1>B1 Operational 3]" {
		t.Error(got)
	}
}
