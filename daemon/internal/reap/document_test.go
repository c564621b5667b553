// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"os"
	"strings"
	"testing"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
)

// tableOf is a table of the half of docs/states.md that is about REAP: the rows below the header
// that begins with two names, each with its cells.
func tableOf(t *testing.T, first, second string) [][]string {
	t.Helper()
	text, err := os.ReadFile("../../../docs/states.md")
	if err != nil {
		t.Fatal(err)
	}
	_, half, ok := strings.Cut(string(text), "## Reachability (REAP)\n")
	if !ok {
		t.Fatal("docs/states.md has no half about REAP")
	}
	half, _, _ = strings.Cut(half, "\n## ")
	_, table, ok := strings.Cut(half, "\n| "+first+" | "+second+" |")
	if !ok {
		t.Fatalf("no table begins with %s and %s", first, second)
	}
	table, _, _ = strings.Cut(strings.TrimSpace(table), "\n\n")
	var rows [][]string
	for _, line := range strings.Split(table, "\n")[2:] {
		var cells []string
		for _, c := range strings.Split(strings.Trim(line, "|"), "|") {
			cells = append(cells, strings.TrimSpace(c))
		}
		rows = append(rows, cells)
	}
	return rows
}

// doing is the mode and the state of a scene's context, as the document has them.
func (z *scene) doing() string {
	if z.a.kernel[z.ab] == nil {
		return "forgotten"
	}
	x := z.a.r.by[z.ab]
	if x == nil {
		return "idle, Operational"
	}
	return x.mode.String() + ", " + map[engine.ReapState]string{operational: "Operational", exploring: "Exploring", inboundOK: "InboundOK"}[x.state]
}

func (z *scene) session() *engine.Session {
	s, _ := z.a.e.Session(z.ab)
	return s
}

func (z *scene) icmp() {
	z.a.handle(engine.ICMP{Type: 1, Source: z.ab.Local, Destination: z.ab.Peer, ULIDs: z.ab})
}

// stops is a steady stream of payload to A that stops.
func (z *scene) stops() {
	z.a.silence(z.ab)
}

func (z *scene) retransmits(times int) {
	z.a.handle(engine.Reap{ULIDs: z.ab, Tag: z.a.kernel[z.ab].TagLocal, Kind: engine.ReapRetransmission,
		Stall: engine.Stall{Retransmits: times, Length: 1500}})
}

// prefersSecond makes the pair by the second address of A better than the current one.
func (z *scene) prefersSecond() {
	z.a.locals = append([]engine.LocalLocator(nil), z.a.locals...)
	z.a.locals[1].Policy = engine.PolicyPreferred
	z.a.handle(engine.Locators{Local: z.a.locals})
}

// passUntil lets time pass until something is true, for a limited time.
func (z *scene) passUntil(limit time.Duration, is func() bool) {
	z.n.t.Helper()
	for end := z.n.now + limit; !is(); {
		if z.n.now >= end {
			z.n.t.Errorf("%s: it does not come", z.doing())
			return
		}
		z.n.pass(10 * time.Millisecond)
	}
}

// inMode makes a scene in a mode, whose peer is what the test says.
func inMode(t *testing.T, m mode) *scene {
	t.Helper()
	z := in(t, operational)
	switch m {
	case modeExploring:
		z.timeout()
	case modeDoubting:
		z.icmp()
	case modeSuspecting, modeExamining:
		z.retransmits(2)
		if m == modeExamining {
			z.probe(wire.ProbeOperational, z.reported())
			z.passUntil(time.Second, func() bool { return z.a.r.by[z.ab].last().length > 0 })
		}
	case modeReturning:
		z.prefersSecond()
		z.passUntil(2*DefaultHoldDown, func() bool { return z.a.r.by[z.ab].mode == m })
	case modeStandby:
		z.a.r.config.Standby = 5 * time.Second
		z.a.r.consider(z.session(), nil)
		z.passUntil(6*time.Second, func() bool { return z.a.r.by[z.ab].mode == m })
	case modeUsing:
		z.a.use(z.ab, z.a.pair(1, z.b, 1))
	}
	if x := z.a.r.by[z.ab]; m != modeIdle && (x == nil || x.mode != m) {
		t.Fatalf("in %s, wanted %v", z.doing(), m)
	}
	return z
}

// consistent reports whether the mode and the state of x go together.
func (x *exploration) consistent() bool {
	if !x.mode.asks() && len(x.question.pairs) > 0 {
		return false
	}
	if x.state == operational {
		return x.mode == modeIdle || x.mode == modeStandby || x.mode == modeExamining || x.reply.due
	}
	return x.mode == modeExploring || x.mode.asks() && x.state == inboundOK
}

// Each event does in each mode what docs/states.md says.
func TestStatesDocument(t *testing.T) {
	late := func(z *scene) wire.ProbeReport {
		return wire.ProbeReport{Source: z.ab.Local, Destination: z.ab.Peer, Nonce: 7}
	}
	hint := func(kind engine.HintKind) func(*scene) {
		return func(z *scene) { z.a.r.Hint(z.session(), kind, "the test says so") }
	}
	becomes := func(m mode) func(*scene) {
		return func(z *scene) { *z = *inMode(t, m) }
	}
	events := map[string]func(*scene){
		"Send Timeout":                      func(z *scene) { z.a.r.Reap(z.session(), engine.ReapSendTimeout) },
		"payload or Keepalive in Exploring": func(z *scene) { z.heard() },
		"Probe Exploring":                   func(z *scene) { z.probe(wire.ProbeExploring) },
		"Probe InboundOk or Operational": func(z *scene) {
			if z.a.r.by[z.ab] == nil {
				z.probe(wire.ProbeInboundOk)
			} else {
				z.probe(wire.ProbeInboundOk, z.reported())
			}
		},
		"Probe InboundOk, late":             func(z *scene) { z.probe(wire.ProbeInboundOk, late(z)) },
		"Probe Operational, late":           func(z *scene) { z.probe(wire.ProbeOperational, late(z)) },
		"our locator gone or broken":        hint(engine.HintLocal),
		"the peer's locator gone or broken": hint(engine.HintPeer),
		"ICMPv6 error":                      func(z *scene) { z.icmp() },
		"TCP retransmits":                   func(z *scene) { z.retransmits(1) },
		"a stream stops":                    func(z *scene) { z.stops() },
		"a stream goes on":                  func(z *scene) { z.a.resumption(z.ab) },
		"TCP is stuck":                      func(z *scene) { z.retransmits(2) },
		"locators or preferences change":    hint(engine.HintChanged),
		"command of an operator":            func(z *scene) { z.a.use(z.ab, z.a.pair(1, z.b, 0)) },
		"time to look at better pairs":      becomes(modeReturning),
		"time for standby":                  becomes(modeStandby),
		"time passes, without an answer":    func(z *scene) { z.n.pass(12 * time.Second) },
		"context discarded":                 func(z *scene) { z.a.handle(engine.Close{ULIDs: z.ab}) },
	}
	cells := 0
	for _, row := range tableOf(t, "Event", "idle") {
		event := events[row[0]]
		if event == nil {
			t.Errorf("no such event: %s", row[0])
			continue
		}
		delete(events, row[0])
		for m := range mode(len(modeNames)) {
			want := row[min(1+int(m), 3)]
			if want == "-" || strings.HasPrefix(want, "by mode") {
				continue
			}
			z := inMode(t, m)
			if want == "same" {
				want = z.doing()
			}
			event(z)
			cells++
			if got := z.doing(); got != want {
				t.Errorf("%v, %s: %s, wanted %s", m, row[0], got, want)
			}
		}
	}
	for name := range events {
		t.Errorf("not in the table: %s", name)
	}
	for _, row := range tableOf(t, "Mode", "Pairs asked, in order") {
		for i, want := range row[2:] {
			if want == "-" {
				continue
			}
			var z *scene
			for m := range mode(len(modeNames)) {
				if m.String() == row[0] {
					z = inMode(t, m)
				}
			}
			if z == nil {
				t.Fatalf("no such mode: %s", row[0])
			}
			current := z.a.current(z.ab)
			if i == 2 {
				// No pair answers.
				before := z.doing()
				z.passUntil(20*time.Second, func() bool { return z.doing() != before })
			} else {
				z.passUntil(20*time.Second, func() bool { return (z.a.r.by[z.ab].last().pair == current) == (i == 0) })
				z.probe(wire.ProbeOperational, z.reported())
			}
			got := z.doing()
			if z.a.current(z.ab) != current {
				got += ", moved"
			}
			cells++
			if got != want {
				t.Errorf("%s, case %d: %s, wanted %s", row[0], i, got, want)
			}
		}
	}
	if cells < 100 {
		t.Errorf("only %d cells were walked", cells)
	}
}
