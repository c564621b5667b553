// SPDX-License-Identifier: BSD-3-Clause

package sim

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
)

// bench is a world without faults. A has a context with B and was told all of B's locators. It
// has sent nothing for long.
type bench struct {
	w    *world
	a, b *host
	u    engine.ULIDs
	// ulids is the pair of the ULIDs, and other a pair that was never used.
	ulids, other engine.Pair
	nonce        uint32
}

func newBench(t *testing.T) *bench {
	t.Helper()
	x := &bench{w: emptyWorld(5)}
	x.a, x.b = x.w.newHost(hba), x.w.newHost(cgaHBA)
	for _, h := range x.w.hosts {
		h.boot(true)
	}
	x.u = engine.ULIDs{Local: x.a.all[0].Address, Peer: x.b.all[0].Address}
	x.ulids = pairOf(x.u)
	x.other = engine.Pair{Local: x.u.Local, Peer: x.b.all[1].Address}
	x.a.acquire(x.u.Local, x.u.Peer)
	x.w.run(time.Minute)
	if k := x.a.kernel.Get(x.u); k == nil || k.State != engine.Established {
		t.Fatal("no context")
	}
	x.a.happens(engine.Tick{})
	return x
}

// objection is why a check ends a world, "" if it does not.
func objection(do func()) (text string) {
	defer func() {
		if v, ok := recover().(violation); ok {
			text = v.text
		}
	}()
	do()
	return ""
}

// send makes A send a message of the context.
func (x *bench) send(pair engine.Pair, m wire.Message) {
	b, err := wire.Append(nil, m)
	if err != nil {
		panic(err)
	}
	x.a.checkSend(engine.Send{Source: pair.Local, Destination: pair.Peer, Type: m.Type(), Message: b, Context: x.u})
}

func (x *bench) probe(pair engine.Pair) {
	x.nonce++
	x.send(pair, &wire.Probe{Sent: []wire.ProbeReport{{Source: pair.Local, Destination: pair.Peer, Nonce: x.nonce}}})
}

// i1 is an I1 with another nonce each time, as in a loop.
func (x *bench) i1() {
	x.nonce++
	x.send(x.ulids, &wire.I1{InitiatorContextTag: x.a.kernel.Get(x.u).TagLocal, InitiatorNonce: x.nonce})
}

func (x *bench) update() {
	x.nonce++
	x.send(x.ulids, &wire.UpdateRequest{RequestNonce: x.nonce})
}

// arrive hands A a message of B's.
func (x *bench) arrive(pair engine.Pair, m wire.Message) {
	b, err := wire.Append(nil, m)
	if err != nil {
		panic(err)
	}
	ev := engine.Control{Source: pair.Peer, Destination: pair.Local, Message: b}
	x.a.arrives(packet{source: ev.Source, destination: ev.Destination, message: b})
	x.a.happens(ev)
}

// every does something several times, with a pause in between.
func (x *bench) every(n int, pause time.Duration, do func()) {
	for range n {
		x.w.now += pause
		do()
	}
}

// TestChecks shows that each check objects to what is forbidden, and not to what is allowed.
func TestChecks(t *testing.T) {
	for _, c := range []struct {
		name string
		// fine does what is allowed, and bad then what is forbidden.
		fine, bad func(x *bench)
		want      string
	}{
		{
			"two Probes within half a second",
			func(x *bench) { x.probe(x.ulids); x.w.now += 500 * time.Millisecond; x.probe(x.ulids) },
			func(x *bench) { x.w.now += 499 * time.Millisecond; x.probe(x.other) },
			"for which nobody has asked",
		},
		{
			"Probes without a back-off",
			func(x *bench) { x.every(5, 500*time.Millisecond, func() { x.probe(x.ulids) }) },
			func(x *bench) { x.every(1, 600*time.Millisecond, func() { x.probe(x.ulids) }) },
			"Probe 6",
		},
		{
			"Probes whose pauses don't grow",
			func(x *bench) {
				x.every(5, 500*time.Millisecond, func() { x.probe(x.ulids) })
				for pause := 700 * time.Millisecond; pause < 50*time.Second; pause = pause * 5 / 4 {
					x.every(1, pause, func() { x.probe(x.ulids) })
				}
			},
			func(x *bench) { x.every(2, 40*time.Second, func() { x.probe(x.ulids) }) },
			"for which nobody has asked",
		},
		{
			"two answers to a Probe",
			func(x *bench) {
				x.probe(x.ulids)
				x.arrive(x.ulids, &wire.Probe{
					ReceiverContextTag: x.a.kernel.Get(x.u).TagLocal, State: wire.ProbeInboundOk, Sent: []wire.ProbeReport{{Source: x.u.Peer, Destination: x.u.Local}},
				})
				x.probe(x.ulids)
			},
			func(x *bench) { x.w.now += time.Millisecond; x.probe(x.ulids) },
			"for which nobody has asked",
		},
		{
			"an answer to a Probe that asks for none",
			func(x *bench) {
				x.probe(x.ulids)
				x.arrive(x.ulids, &wire.Probe{
					ReceiverContextTag: x.a.kernel.Get(x.u).TagLocal, Sent: []wire.ProbeReport{{Source: x.u.Peer, Destination: x.u.Local}},
				})
			},
			func(x *bench) { x.w.now += time.Millisecond; x.probe(x.ulids) },
			"for which nobody has asked",
		},
		{
			"explorations that begin again and again",
			func(x *bench) {
				x.every(3, time.Millisecond, func() { x.a.happens(engine.Locators{}); x.probe(x.ulids) })
			},
			func(x *bench) { x.w.now += time.Millisecond; x.a.happens(engine.Locators{}); x.probe(x.ulids) },
			"four Probes",
		},
		{
			"I1 without a back-off",
			func(x *bench) { x.i1(); x.every(2, 4*time.Second, x.i1) },
			func(x *bench) { x.every(1, 7*time.Second, x.i1) },
			"sent 7s ago",
		},
		{
			"I1 for ever",
			func(x *bench) { x.i1(); x.every(4, time.Minute, x.i1) },
			func(x *bench) { x.every(1, time.Minute, x.i1) },
			"was sent 5 times",
		},
		{
			"contexts that begin in a loop",
			func(x *bench) { x.i1(); x.a.happens(engine.Acquire{}); x.a.gone(x.u) },
			func(x *bench) { x.i1() },
			"and is sent again",
		},
		{
			"I1 during the hold-down of a failure",
			func(x *bench) { x.i1(); x.w.now += time.Minute; x.a.gone(x.u) },
			func(x *bench) {
				x.w.now += 59 * time.Second
				x.a.checkBegins(&engine.KernelContext{ULIDs: x.u, State: engine.I1Sent})
			},
			"held down for another 1s",
		},
		{
			"I1 to a host without Shim6",
			func(x *bench) {
				x.i1()
				k := x.a.kernel.Get(x.u)
				k.State = engine.I1Sent
				x.a.happens(engine.ICMP{Type: 4, Code: 1, Source: x.u.Local, Destination: x.u.Peer, Message: x.a.rates.i1[x.u].message})
			},
			func(x *bench) {
				x.w.now += 9 * time.Minute
				x.a.checkBegins(&engine.KernelContext{ULIDs: x.u, State: engine.I1Sent})
			},
			"held down for another 1m0s",
		},
		{
			"I1 by command, and not by force",
			func(x *bench) {
				x.a.gone(x.u)
				x.a.happens(engine.Open{ULIDs: x.u, Force: true})
				x.a.checkBegins(&engine.KernelContext{ULIDs: x.u, State: engine.I1Sent})
				x.a.happens(engine.Tick{})
				x.a.gone(x.u)
				x.a.happens(engine.Open{ULIDs: x.u})
			},
			func(x *bench) { x.a.checkBegins(&engine.KernelContext{ULIDs: x.u, State: engine.I1Sent}) },
			"held down",
		},
		{
			"I2 without an R1",
			func(*bench) {},
			func(x *bench) {
				x.a.rates.i2 = nil
				x.send(x.ulids, &wire.I2{InitiatorContextTag: x.a.kernel.Get(x.u).TagLocal})
			},
			"answers nothing",
		},
		{
			"I2 for ever",
			func(x *bench) {
				x.every(2, time.Minute, func() { x.send(x.ulids, &wire.I2{InitiatorContextTag: x.a.kernel.Get(x.u).TagLocal}) })
			},
			func(x *bench) {
				x.every(1, time.Minute, func() { x.send(x.ulids, &wire.I2{InitiatorContextTag: x.a.kernel.Get(x.u).TagLocal}) })
			},
			"was sent 3 times",
		},
		{
			"Update Requests that have nothing to tell",
			func(x *bench) { x.a.rates.news[x.u] = 1; x.w.now += time.Minute; x.update() },
			func(x *bench) { x.w.now += time.Minute; x.update() },
			"which has no news",
		},
		{
			"Update Requests without a back-off",
			func(x *bench) {
				x.a.rates.news[x.u] = 1
				x.update()
				x.nonce--
				x.every(1, 2*time.Second, x.update)
				x.nonce--
			},
			func(x *bench) { x.every(1, 3*time.Second, x.update) },
			"sent 3s ago",
		},
		{
			"two R1s for an I1",
			func(x *bench) { x.arrive(x.ulids, &wire.I1{}); x.send(x.ulids, newR1()) },
			func(x *bench) { x.send(x.ulids, newR1()) },
			"2 messages R1 for one",
		},
		{
			"R1 that nobody has asked for",
			func(x *bench) { x.arrive(x.ulids, &wire.R1{}) },
			func(x *bench) { x.send(x.ulids, newR1()) },
			"has not asked for it",
		},
		{
			"R1 for somebody else",
			func(x *bench) { x.arrive(x.ulids, &wire.I1{}) },
			func(x *bench) { x.send(x.other, newR1()) },
			"nothing has come from there",
		},
		{
			"a message to what was never told",
			func(x *bench) { x.probe(x.other) },
			func(x *bench) {
				delete(x.a.witness(x.u).proved, x.other.Peer)
				x.w.now += time.Minute
				x.probe(x.other)
			},
			"is not proved",
		},
		{
			"more than Probes to where nothing has come back from",
			func(*bench) {},
			func(x *bench) { x.a.rates.news[x.u] = 1; x.send(x.other, &wire.UpdateRequest{}) },
			"from where nothing has come back",
		},
		{
			"payload to where nothing has come back from",
			func(x *bench) { x.a.checkPayload(x.a.kernel.Get(x.u)) },
			func(x *bench) { x.a.kernel.Get(x.u).Locator = x.other; x.a.checkPayload(x.a.kernel.Get(x.u)) },
			"from where nothing has come back",
		},
		{
			"a locator that is not proved, in the kernel",
			func(x *bench) { x.a.checkKernel(x.a.kernel.Get(x.u)) },
			func(x *bench) { delete(x.a.witness(x.u).proved, x.other.Peer); x.a.checkKernel(x.a.kernel.Get(x.u)) },
			"not proved to be the peer's",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newBench(t)
			if text := objection(func() { c.fine(x) }); text != "" {
				t.Fatalf("what may be: %s", text)
			}
			if text := objection(func() { c.bad(x) }); !strings.Contains(text, c.want) {
				t.Errorf("the objection is %q, want %q", text, c.want)
			}
		})
	}
}

func newR1() wire.Message {
	return &wire.R1{Options: wire.Options{&wire.ResponderValidator{Validator: make([]byte, 16)}}}
}

// TestWitness shows what a host is assumed to know about its peer, and what not.
func TestWitness(t *testing.T) {
	x := newBench(t)
	for i, l := range x.b.all {
		if !x.a.proved(x.u, l.Address) {
			t.Errorf("locator %d of B is not proved", i)
		}
		if got := x.a.reached(x.u, l.Address); got != (i == 0) {
			t.Errorf("locator %d of B is reached: %v", i, got)
		}
	}
	signature := ""
	for s := range x.w.signed {
		signature = s
	}
	signed := x.b.all[len(x.b.all)-1].Address
	if got := x.w.signed[signature]; !slices.Equal(got, []netip.Addr{signed}) {
		t.Fatalf("B has signed for %v, want %v", got, signed)
	}

	// A forged message proves nothing.
	list := func(l ...wire.Locator) wire.Options { return wire.Options{&wire.LocatorList{Locators: l}} }
	option := &wire.CGASignature{Signature: []byte(signature)}
	for _, c := range []struct {
		name string
		o    wire.Options
		want bool
	}{
		{"in the HBA set", list(wire.Locator{Address: x.other.Peer, Method: wire.MethodHBA}), true},
		{"not in the HBA set", list(wire.Locator{Address: signed, Method: wire.MethodHBA}), false},
		{"signed for", append(list(wire.Locator{Address: signed, Method: wire.MethodCGA}), option), true},
		{"without the signature", list(wire.Locator{Address: signed, Method: wire.MethodCGA}), false},
		{"a signature for something else", append(list(wire.Locator{Address: x.other.Peer, Method: wire.MethodCGA}), option), false},
		{"beside somebody else's", list(
			wire.Locator{Address: x.other.Peer, Method: wire.MethodHBA}, wire.Locator{Address: x.a.all[1].Address, Method: wire.MethodHBA},
		), false},
	} {
		clear(x.a.witness(x.u).proved)
		x.a.told(x.u, c.o)
		if got := len(x.a.witness(x.u).proved) > 0; got != c.want {
			t.Errorf("%s: proved: %v", c.name, got)
		}
	}

	// Only a report of a Probe that was really sent, by the pair of that Probe, shows that
	// the peer is there.
	x.a.told(x.u, list(wire.Locator{Address: x.other.Peer, Method: wire.MethodHBA}))
	x.w.now += time.Minute
	x.probe(x.other)
	for _, c := range []struct {
		name   string
		report wire.ProbeReport
		want   bool
	}{
		{"another nonce", wire.ProbeReport{Source: x.other.Local, Destination: x.other.Peer, Nonce: x.nonce + 1}, false},
		{"another pair", wire.ProbeReport{Source: x.a.all[1].Address, Destination: x.other.Peer, Nonce: x.nonce}, false},
		{"its own", wire.ProbeReport{Source: x.other.Local, Destination: x.other.Peer, Nonce: x.nonce}, true},
	} {
		x.arrive(x.ulids, &wire.Probe{
			ReceiverContextTag: x.a.kernel.Get(x.u).TagLocal,
			Sent:               []wire.ProbeReport{{Source: x.u.Peer, Destination: x.u.Local}}, Received: []wire.ProbeReport{c.report},
		})
		if got := x.a.reached(x.u, x.other.Peer); got != c.want {
			t.Errorf("%s: reached: %v", c.name, got)
		}
	}

	// A new context begins without any proof.
	x.w.now++
	x.a.renew(x.u, 1)
	if x.a.proved(x.u, x.other.Peer) || x.a.reached(x.u, x.other.Peer) || !x.a.reached(x.u, x.u.Peer) {
		t.Error("a context knows what the one before did")
	}
}
