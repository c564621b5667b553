// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
)

// crowd makes two hosts of two addresses each, with many contexts between them. They stand for
// contexts with many peers.
func crowd(t testing.TB, contexts int, c Config) (n *network, a, b *host) {
	n = newNetwork(t)
	a, b = n.host("A", 2, c), n.host("B", 2, c)
	for i := range contexts {
		u := engine.ULIDs{Local: a.addr(0), Peer: b.addr(0), FII: uint32(i)}
		a.handle(engine.Open{ULIDs: u, Force: true})
		if i%100 == 99 {
			n.pass(100 * time.Millisecond)
		}
	}
	n.pass(time.Minute)
	for _, h := range n.hosts {
		for _, k := range h.kernel {
			if k.State != engine.Established {
				t.Fatalf("%v is in %v", k.ULIDs, k.State)
			}
		}
		if len(h.kernel) != contexts {
			t.Fatalf("%d contexts", len(h.kernel))
		}
		h.sets = nil
		clear(h.messages)
	}
	n.trace = nil
	return n, a, b
}

// peaks are how many messages a host sends in its busiest second: of each type, and of all types.
type peaks struct {
	of  map[wire.Type]int
	all int
}

// peaks finds the busiest among all seconds that begin with a message.
func (h *host) peaks() peaks {
	p := peaks{of: map[wire.Type]int{}}
	var all []time.Duration
	for t, sent := range h.messages {
		p.of[t] = worst(sent)
		all = append(all, sent...)
	}
	slices.Sort(all)
	p.all = worst(all)
	return p
}

// worst is how many of these times, which are in order, are within one second at most.
func worst(sent []time.Duration) (most int) {
	i := 0
	for j, at := range sent {
		for sent[i] <= at-time.Second {
			i++
		}
		most = max(most, j-i+1)
	}
	return most
}

// rehomed returns how long it takes until all contexts of a host have left a pair.
func rehomed(t testing.TB, n *network, a *host, from engine.Pair, limit time.Duration) time.Duration {
	began := n.now
	for {
		left := 0
		for c := range a.e.Contexts() {
			if c.Current == from || c.Reap != operational {
				left++
			}
		}
		if left == 0 {
			return n.now - began
		}
		if n.now-began > limit {
			t.Fatalf("%d are left after %v", left, n.now-began)
		}
		n.pass(100 * time.Millisecond)
	}
}

// mostProbes is how many Probes a second the pace allows, and mostUpdates how many Update Requests
// theirs does: 256 in 50 ms.
const (
	mostProbes  = DefaultRate + DefaultBurst
	mostUpdates = 256 * 20
)

// Ten thousand contexts lose their pair at once. All have another one in a few seconds. The
// messages for that are spread: Probes, and Update Requests that tell the peers that a locator is
// broken.
func TestTenThousand(t *testing.T) {
	contexts := 10000
	if testing.Short() || raceEnabled {
		contexts = 2000
	}
	n, a, b := crowd(t, contexts, Config{})
	n.dead = func(s, d netip.Addr) bool { return s == a.addr(0) || d == a.addr(0) }
	a.link(0, false)
	took := rehomed(t, n, a, a.pair(0, b, 0), 30*time.Second)
	// Keepalives and retransmissions that come after count, too.
	n.pass(time.Minute)
	p := a.peaks()
	t.Logf("link down: %d contexts moved in %v; in the worst second %d messages, of each type %v", contexts, took, p.all, p.of)
	// Each context sends two Probes: Exploring, and Operational.
	if most := time.Duration(2*contexts/DefaultRate+2) * time.Second; took > most {
		t.Errorf("took %v, more than %v", took, most)
	}
	if p.of[wire.TypeProbe] > mostProbes {
		t.Errorf("%d Probes in a second, and %d are the most", p.of[wire.TypeProbe], mostProbes)
	}
	if p.of[wire.TypeUpdateRequest] > mostUpdates {
		t.Errorf("%d Update Requests in a second, and %d are the most", p.of[wire.TypeUpdateRequest], mostUpdates)
	}
	if p.all > mostProbes+mostUpdates {
		t.Errorf("%d messages in a second, and %d are the most", p.all, mostProbes+mostUpdates)
	}
}

// A pair that works for one context is tried first by others. Only one of three pairs that are
// left works.
func TestShared(t *testing.T) {
	const contexts = 1000
	n, a, b := crowd(t, contexts, Config{Rate: 500, Burst: 10})
	good := a.pair(1, b, 0)
	n.dead = func(s, d netip.Addr) bool {
		p := engine.Pair{Local: s, Peer: d}
		return p != good && p != b.pair(0, a, 1)
	}
	for _, u := range a.order {
		k := a.kernel[u]
		k.ReapState, k.clock = exploring, engine.ReapTimerNone
		a.handle(engine.Reap{ULIDs: u, Tag: k.TagLocal, Kind: engine.ReapSendTimeout})
	}
	took := rehomed(t, n, a, a.pair(0, b, 0), time.Minute)
	probes := map[engine.Pair]int{}
	for _, p := range n.trace {
		if p.from == "A" && p.m.State == wire.ProbeExploring {
			probes[engine.Pair{Local: p.source, Peer: p.destination}]++
		}
	}
	t.Logf("%d contexts moved in %v, at most %d Probes a second; %v", contexts, took, a.peaks().of[wire.TypeProbe], probes)
	if probes[good] != contexts {
		t.Errorf("each context must have probed for itself: %d", probes[good])
	}
	for p, k := range probes {
		if p != good && k > contexts/2 {
			t.Errorf("%v was probed %d times", p, k)
		}
	}
}

// No context sends more Probes than the RFC allows, whatever happens: see checkRates.
func TestRandomWalk(t *testing.T) {
	steps := 30000
	if testing.Short() || raceEnabled {
		steps = 5000
	}
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 5534))
		n, a, b, ab, ba := two(t, 1+int(seed%4), Config{HoldDown: 5 * time.Second}, Config{Standby: time.Duration(seed%2) * 20 * time.Second})
		hosts := []*host{a, b}
		names := map[*host]engine.ULIDs{a: ab, b: ba}
		flows := [2]bool{}
		for range steps / 8 {
			i := r.IntN(2)
			h, u := hosts[i], names[hosts[i]]
			k := h.kernel[u]
			if k == nil {
				t.Fatalf("seed %d: the context is gone", seed)
			}
			switch r.IntN(12) {
			case 0:
				dead := map[engine.Pair]bool{}
				for range r.IntN(12) {
					dead[engine.Pair{Local: pick(r, a.locals).Address, Peer: pick(r, b.locals).Address}] = true
					dead[engine.Pair{Local: pick(r, b.locals).Address, Peer: pick(r, a.locals).Address}] = true
				}
				n.dead = func(s, d netip.Addr) bool { return dead[engine.Pair{Local: s, Peer: d}] }
			case 1:
				h.link(r.IntN(len(h.locals)), r.IntN(3) > 0)
			case 2:
				h.handle(engine.ICMP{Type: 1, Source: u.Local, Destination: u.Peer, ULIDs: u})
			case 3:
				h.handle(engine.Reap{ULIDs: u, Tag: k.TagLocal, Kind: engine.ReapKind(1 + r.IntN(5))})
			case 4:
				// An attacker who has seen our tag, and perhaps our Probes.
				m := &wire.Probe{ReceiverContextTag: k.TagLocal, State: wire.ProbeState(r.IntN(3))}
				p := pick(r, hosts[1-i].locals).Address
				l := pick(r, h.locals).Address
				m.Sent = []wire.ProbeReport{{Source: p, Destination: l, Nonce: r.Uint32N(3)}}
				if len(n.trace) > 0 {
					if q := n.trace[len(n.trace)-1-r.IntN(min(len(n.trace), 20))].m; q != nil {
						m.Received = q.Sent[:r.IntN(len(q.Sent)+1)]
					}
				}
				raw, err := wire.Append(nil, m)
				if err != nil {
					t.Fatal(err)
				}
				h.handle(engine.Control{Source: p, Destination: l, Message: raw})
			case 5:
				h.use(u, engine.Pair{Local: pick(r, h.locals).Address, Peer: pick(r, hosts[1-i].locals).Address})
			case 6:
				if r.IntN(20) == 0 {
					h.boot()
				}
			case 7:
				if !flows[i] {
					flows[i] = true
					h.flow(u, time.Second)
				}
			}
			n.pass(time.Duration(r.IntN(3000)) * time.Millisecond)
			for _, h := range hosts {
				for _, x := range h.r.by {
					if len(x.sent) > wire.MaxProbeReports || len(x.received) > wire.MaxProbeReports || len(x.schedule.tried) > 20 || x.state != operational && x.place == 0 {
						t.Fatalf("seed %d: %+v", seed, x)
					}
					if !x.consistent() {
						t.Fatalf("seed %d: %v in %v: %+v", seed, x.mode, x.state, x)
					}
					if got := h.state(x.ulids); got != x.state {
						t.Fatalf("seed %d: in %v, the engine has %v", seed, x.state, got)
					}
				}
			}
		}
		// Finally all pairs work, and payload must pass.
		n.dead = func(_, _ netip.Addr) bool { return false }
		for i, h := range hosts {
			for j := range h.locals {
				h.link(j, true)
			}
			if !flows[i] {
				h.flow(names[h], time.Second)
			}
		}
		n.pass(2 * time.Minute)
		for _, h := range hosts {
			k := h.kernel[names[h]]
			if n.now-k.heardAt > 2*time.Second || k.ReapState != operational || h.state(names[h]) != operational {
				t.Errorf("seed %d: %s heard last %v ago, in %v: %q", seed, h.name, n.now-k.heardAt, k.ReapState, n.probes()[max(0, len(n.trace)-20):])
			}
		}
		n.checkRates(t, seed)
	}
}

func pick[T any](r *rand.Rand, s []T) T { return s[r.IntN(len(s))] }

// checkRates checks that no more Probes are sent unasked than the RFC allows, and that each of the
// others answers something. An exploration begins at once, even if the last one has just ended: so
// there may be one Probe more in a second than the two of the schedule.
func (n *network) checkRates(t *testing.T, seed uint64) {
	for _, h := range n.hosts {
		var unasked []time.Duration
		asked, silences := h.asked, h.silences
		for _, at := range h.messages[wire.TypeProbe] {
			for len(asked) > 0 && asked[0] < at {
				asked = asked[1:]
			}
			if len(asked) > 0 && asked[0] == at {
				asked = asked[1:]
				continue
			}
			// A stream that stops, or TCP that waits, has other pairs asked as well.
			for len(silences) > 0 && silences[0] < at-time.Second {
				silences = silences[1:]
			}
			if len(silences) > 0 && silences[0] <= at {
				silences = silences[1:]
				continue
			}
			unasked = append(unasked, at)
		}
		if most := worst(unasked); most > 3 {
			t.Errorf("seed %d: %s sends %d Probes within a second for which nobody has asked", seed, h.name, most)
		}
	}
}

// BenchmarkTenThousand measures how long ten thousand contexts take, also in virtual time.
func BenchmarkTenThousand(b *testing.B) {
	for b.Loop() {
		n, x, y := crowd(b, 10000, Config{})
		n.dead = func(s, d netip.Addr) bool { return s == x.addr(0) || d == x.addr(0) }
		x.link(0, false)
		took, p := rehomed(b, n, x, x.pair(0, y, 0), time.Minute), x.peaks()
		b.ReportMetric(took.Seconds(), "virtual-s")
		b.ReportMetric(float64(p.of[wire.TypeProbe]), "peak-probes/s")
		b.ReportMetric(float64(p.all), "peak-messages/s")
	}
}
