// SPDX-License-Identifier: BSD-3-Clause

package engine_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"testing"
	"time"

	. "shim6/daemon/internal/engine"
	"shim6/daemon/internal/engine/enginetest"
	"shim6/daemon/wire"
	"shim6/tools/conformance/shows"
)

// A flood of any message, from ever new addresses, leaves nothing behind: no context, no entry
// and no memory. It gets no more answers than allowed.
func TestFlood(t *testing.T) {
	shows.IDs(t, "5533-7.17-04 5533-5.5-06 6629-8-02")
	const packets = 8000
	v := &wire.ResponderValidator{Validator: make([]byte, 16)}
	list := &wire.LocatorList{Locators: []wire.Locator{{Address: evil, Method: wire.MethodHBA}, {Address: addrIn(0xbad, 1), Method: wire.MethodCGA}}}
	messages := map[string]func(tag wire.ContextTag, n uint32) wire.Message{
		"I1": func(tag wire.ContextTag, n uint32) wire.Message {
			return &wire.I1{InitiatorContextTag: tag, InitiatorNonce: n}
		},
		"I1 fork": func(tag wire.ContextTag, n uint32) wire.Message {
			return &wire.I1{InitiatorContextTag: tag, InitiatorNonce: n, Options: wire.Options{&wire.ForkedInstanceIdentifier{FII: n}}}
		},
		"R1": func(tag wire.ContextTag, n uint32) wire.Message {
			return &wire.R1{InitiatorNonce: n, Options: wire.Options{v}}
		},
		"I2": func(tag wire.ContextTag, n uint32) wire.Message {
			return &wire.I2{InitiatorContextTag: tag, InitiatorNonce: n, Options: wire.Options{v, list}}
		},
		"R2": func(tag wire.ContextTag, n uint32) wire.Message {
			return &wire.R2{ResponderContextTag: tag, InitiatorNonce: n, Options: wire.Options{list}}
		},
		"R1bis": func(tag wire.ContextTag, n uint32) wire.Message {
			return &wire.R1bis{PacketContextTag: tag, Options: wire.Options{v}}
		},
		"I2bis": func(tag wire.ContextTag, n uint32) wire.Message {
			return &wire.I2bis{InitiatorContextTag: tag, PacketContextTag: tag, InitiatorNonce: n, Options: wire.Options{v, list}}
		},
		"Update Request": func(tag wire.ContextTag, n uint32) wire.Message {
			return &wire.UpdateRequest{ReceiverContextTag: tag, RequestNonce: n, Options: wire.Options{list}}
		},
		"Update Acknowledgement": func(tag wire.ContextTag, n uint32) wire.Message {
			return &wire.UpdateAcknowledgement{ReceiverContextTag: tag, RequestNonce: n}
		},
		"Keepalive": func(tag wire.ContextTag, n uint32) wire.Message {
			return &wire.Keepalive{ReceiverContextTag: tag}
		},
		"Probe": func(tag wire.ContextTag, n uint32) wire.Message {
			return &wire.Probe{ReceiverContextTag: tag, Sent: []wire.ProbeReport{{Source: evil, Destination: evil}}}
		},
		"Error": func(tag wire.ContextTag, n uint32) wire.Message {
			return &wire.ErrorMessage{Code: 3, PacketInError: make([]byte, 64)}
		},
		"payload": nil,
		"unknown type": func(tag wire.ContextTag, n uint32) wire.Message {
			return &wire.Keepalive{ReceiverContextTag: tag}
		},
	}
	for name, make := range messages {
		t.Run(name, func(t *testing.T) {
			e, err := New(Config{Random: enginetest.Seed(1), R1: Limit{Total: 1000}, R1bis: Limit{Total: 500}, ErrorMessages: Limit{Total: 100}})
			if err != nil {
				t.Fatal(err)
			}
			local := hbaSet(t, 1, 0xa1, 0xa2)
			e.Handle(time.Hour, Locators{Local: local})
			r := draws{enginetest.Seed(5)}
			now := time.Hour
			var sent [128]int
			flood := func() {
				for range packets {
					// A flood of a second, from 2^16 prefixes.
					now += time.Second / packets
					var a [16]byte
					binary.BigEndian.PutUint64(a[:], 0x20010db8<<32|r.Uint64()&0xffff)
					binary.BigEndian.PutUint64(a[8:], r.Uint64())
					source := netip.AddrFrom16(a)
					var ev Event
					if make == nil {
						ev = NoContext{Source: source, Destination: local[0].Address, Tag: r.tag()}
					} else {
						b, err := wire.Append(nil, make(r.tag(), r.nonce()))
						if err != nil {
							t.Fatal(err)
						}
						if name == "unknown type" {
							b[2] = 99
							resum(b)
						}
						ev = Control{Source: source, Destination: local[0].Address, Message: b}
					}
					for _, x := range e.Handle(now, ev) {
						s, ok := x.(Send)
						if !ok {
							t.Fatalf("a %s has brought %T", name, x)
						}
						sent[s.Type]++
					}
				}
			}
			flood()
			before := heap()
			flood()
			flood()
			if grown := heap() - before; grown > 64<<10 {
				t.Errorf("%d octets of memory more", grown)
			}
			if s := e.Size(); s != (Size{}) {
				t.Errorf("the Engine holds %+v", s)
			}
			// Three seconds, and what was saved up.
			for typ, limit := range map[wire.Type]int{wire.TypeR1: 1000, wire.TypeR1bis: 500, wire.TypeError: 100} {
				if sent[typ] > 4*limit+1 {
					t.Errorf("%d messages %v in three seconds", sent[typ], typ)
				}
			}
		})
	}
}

// heap is how many octets are in use.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A flood of valid exchanges, by a host with many addresses, ends at the limits.
func TestFloodOfContexts(t *testing.T) {
	f := in(t, Idle, Config{MaxPeerContexts: 5})
	v := f.a.e
	for i := range uint32(100) {
		u := f.ab
		u.FII = i
		m := &wire.I2{InitiatorContextTag: wire.ContextTag(i), InitiatorNonce: i, ResponderNonce: v.ResponderNonce(f.n.now)}
		m.Options = wire.Options{&wire.ResponderValidator{Validator: v.R1Validator(f.n.now, m.ResponderNonce, f.pair(), m.InitiatorContextTag, u)},
			&wire.ForkedInstanceIdentifier{FII: i}}
		f.fromB(m)
	}
	if n := f.a.e.Size().Contexts; n != 5 || f.a.e.Stats().Full != 95 {
		t.Errorf("%d contexts, %d refused", n, f.a.e.Stats().Full)
	}
}

// However many contexts peers make, there is room for those of this host.
func TestFloodLeavesRoom(t *testing.T) {
	f := in(t, Idle, Config{MaxContexts: 80, MaxPeerContexts: 40, MaxPrefixContexts: 40})
	v := f.a.e
	flood := func(prefix func(i int) int) {
		for i := range 100 {
			source := addrIn(prefix(i), 0x100+i)
			p := Pair{Local: f.ab.Local, Peer: source}
			m := &wire.I2{InitiatorContextTag: wire.ContextTag(i), ResponderNonce: v.ResponderNonce(f.n.now)}
			m.Options = wire.Options{&wire.ResponderValidator{Validator: v.R1Validator(f.n.now, m.ResponderNonce, p, m.InitiatorContextTag, ULIDs{Local: f.ab.Local, Peer: source})}}
			f.a.handle(Control{Source: source, Destination: f.ab.Local, Message: encode(t, m)})
		}
	}
	own := func(peer netip.Addr, want int) {
		t.Helper()
		before := f.a.e.Size().Contexts
		for i := range uint32(50) {
			f.a.handle(Open{ULIDs: ULIDs{Local: f.ab.Local, Peer: peer, FII: i}})
		}
		if got := f.a.e.Size().Contexts - before; got != want {
			t.Errorf("%d contexts of our own, want %d", got, want)
		}
	}
	flood(func(int) int { return 0xc1 })
	if n := f.a.e.Size().Contexts; n != 35 {
		t.Errorf("%d contexts of one prefix", n)
	}
	own(addrIn(0xc1, 1), 5)
	flood(func(i int) int { return 0x1000 + i })
	if n := f.a.e.Size().Contexts; n != 70 {
		t.Errorf("%d contexts of peers", n)
	}
	own(f.ab.Peer, 10)
}

// A program that sends to very many addresses leaves room for peers and commands.
func TestFloodOfTraffic(t *testing.T) {
	f := in(t, Idle, Config{MaxContexts: 800})
	for i := range 500 {
		f.a.handle(Acquire{Local: f.ab.Local, Peer: addrIn(0x1000+i, 1)})
	}
	if s := f.a.e.Stats(); f.a.e.Size().Contexts != 100 || s.Full != 400 {
		t.Errorf("%+v, %d refused", f.a.e.Size(), s.Full)
	}
	f.n.queue = enginetest.Queue{}
	f.b.handle(Acquire{Local: f.ba.Local, Peer: f.ba.Peer})
	f.a.handle(Open{ULIDs: ULIDs{Local: f.ab.Local, Peer: f.ab.Peer, FII: 7}})
	f.n.run()
	f.a.inState(f.ab, Established)
	f.a.inState(ULIDs{Local: f.ab.Local, Peer: f.ab.Peer, FII: 7}, Established)
	// When they have been given up there is room again.
	f.n.pass(5 * time.Minute)
	f.a.handle(Acquire{Local: f.ab.Local, Peer: addrIn(0x2000, 1)})
	f.a.inState(ULIDs{Local: f.ab.Local, Peer: addrIn(0x2000, 1)}, I1Sent)
}

// I1s in the name of a peer, while an exchange with it goes on.
func TestFloodOfI1(t *testing.T) {
	for _, s := range []State{I1Sent, I2Sent, I2bisSent} {
		f := in(t, s, Config{R1: Limit{PerPrefix: 20, Total: 100}})
		f.a.forget()
		f.n.drop = func(Send) bool { return true }
		for range 500 {
			f.fromB(f.i1())
		}
		if n := len(f.a.sent); n < 15 || n > 20 {
			t.Errorf("%v: %d R2s", s, n)
		}
	}
}

// R1bis and Error messages to one prefix are limited, over a long time.
func TestAnswersLimited(t *testing.T) {
	shows.IDs(t, "5533-7.17-04")
	f := in(t, Idle)
	bad := encode(t, &wire.Keepalive{})
	bad[2] = 99
	resum(bad)
	for range 10000 {
		f.n.now += time.Millisecond
		f.a.handle(NoContext{Source: f.ab.Peer, Destination: f.ab.Local, Tag: 4})
		f.a.handle(Control{Source: f.ab.Peer, Destination: f.ab.Local, Message: bad})
		f.fromB(f.i1())
	}
	f.n.queue = enginetest.Queue{}
	count := map[wire.Type]int{}
	for _, typ := range f.a.types() {
		count[typ]++
	}
	// This is the rate for ten seconds, and what one second has saved up.
	for typ, rate := range map[wire.Type]int{wire.TypeR1: 200, wire.TypeR1bis: 50, wire.TypeError: 10} {
		if n := count[typ]; n < 10*rate || n > 11*rate {
			t.Errorf("%d messages %v", n, typ)
		}
	}
	// Another prefix still has its own share.
	f.a.forget()
	f.a.handle(NoContext{Source: addrIn(0xc1, 1), Destination: f.ab.Local, Tag: 4})
	f.a.sends(wire.TypeR1bis)
}

// A flood of 100,000 I1s a second (45 Mbit/s) from random sources keeps out neither known hosts
// nor strangers that send their I1 again.
func TestFloodOfForgedI1s(t *testing.T) {
	f := in(t, Established)
	const rate = 100000
	r := draws{enginetest.Seed(6)}
	answered := map[netip.Addr]int{}
	ask := func(source netip.Addr, m *wire.I1) {
		f.a.forget()
		for _, x := range f.a.e.Handle(f.n.now, Control{Source: source, Destination: f.ab.Local, Message: encode(t, m)}) {
			if s, ok := x.(Send); ok && s.Type == wire.TypeR1 {
				answered[s.Destination]++
			}
		}
	}
	forged := encode(t, &wire.I1{InitiatorContextTag: 1, InitiatorNonce: 2})
	flood := func(during time.Duration) {
		for range int(during.Seconds() * rate) {
			f.n.now += time.Second / rate
			var a [16]byte
			binary.BigEndian.PutUint64(a[:], 0x2000<<48|r.Uint64()>>3)
			binary.BigEndian.PutUint64(a[8:], r.Uint64())
			f.a.e.Handle(f.n.now, Control{Source: netip.AddrFrom16(a), Destination: f.ab.Local, Message: forged})
		}
	}
	flood(2 * time.Second)
	// An unknown host of the peer's network has an answer at once. Nearly all strangers have
	// one when they ask once more.
	const strangers = 100
	known := addrIn(0xb1, 0x777)
	for i := range strangers {
		ask(known, &wire.I1{InitiatorContextTag: wire.ContextTag(i), InitiatorNonce: 3})
		ask(addrIn(0x3000+i, 1), &wire.I1{InitiatorContextTag: 1, InitiatorNonce: 3})
		flood(10 * time.Millisecond)
	}
	first := len(answered) - 1
	if answered[known] != strangers || first > strangers/2 {
		t.Errorf("of %d I1s of a known network %d were answered, and of strangers %d: that is no flood", strangers, answered[known], first)
	}
	flood(3 * time.Second)
	for i := range strangers {
		ask(addrIn(0x3000+i, 1), &wire.I1{InitiatorContextTag: 1, InitiatorNonce: 3})
		flood(10 * time.Millisecond)
	}
	if n := len(answered) - 1; n < strangers*95/100 {
		t.Errorf("%d of %d strangers had an answer, %d of them at once", n, strangers, first)
	}
	// Still there are no more answers than allowed.
	if s := f.a.e.Stats(); s.Sent[wire.TypeR1] > 8*20000 {
		t.Errorf("%d R1s in seven seconds", s.Sent[wire.TypeR1])
	}
}

// A peer that has completed an exchange is known for an hour after its context has ended,
// whichever of its locators it has used.
func TestKnownAfterContext(t *testing.T) {
	f := in(t, Idle)
	f.fromB(f.i2())
	f.a.handle(Close{ULIDs: f.ab})
	for _, c := range []struct {
		after time.Duration
		a     netip.Addr
		want  bool
	}{{0, f.ab.Peer, true}, {0, addrIn(0xc1, 1), false}, {59 * time.Minute, f.ab.Peer, true}, {2 * time.Minute, f.ab.Peer, false}} {
		f.n.pass(c.after)
		f.a.handle(Tick{})
		if got := f.a.e.Known(c.a); got != c.want {
			t.Errorf("after %v: %v is known: %v", c.after, c.a, got)
		}
	}
}

// A host with a /48 gets no more than eight /64s together.
func TestLimitOfSite(t *testing.T) {
	f := in(t, Idle)
	answered := func(prefix func(i int) int) int {
		f.a.forget()
		for i := range 4000 {
			a := netip.MustParseAddr(fmt.Sprintf("2001:db8:%x:%x::1", prefix(i), i))
			f.a.handle(Control{Source: a, Destination: f.ab.Local, Message: encode(t, f.i1())})
		}
		return len(f.a.sent)
	}
	if n := answered(func(int) int { return 0xc1 }); n != 8*200 {
		t.Errorf("%d R1s to one /48", n)
	}
	// Some share a bucket with that one.
	if n := answered(func(i int) int { return 0x1000 + i }); n < 3900 {
		t.Errorf("%d R1s to 4000 of them", n)
	}
	f.n.queue = enginetest.Queue{}
}

// BenchmarkFloodOfI1 measures a forged I1 that is not answered.
func BenchmarkFloodOfI1(b *testing.B) {
	f := in(b, Established)
	r := draws{enginetest.Seed(6)}
	m := encode(b, &wire.I1{InitiatorContextTag: 1, InitiatorNonce: 2})
	b.ReportAllocs()
	for b.Loop() {
		f.n.now += time.Microsecond
		var a [16]byte
		binary.BigEndian.PutUint64(a[:], 0x2000<<48|r.Uint64()>>3)
		binary.BigEndian.PutUint64(a[8:], r.Uint64())
		f.a.e.Handle(f.n.now, Control{Source: netip.AddrFrom16(a), Destination: f.ab.Local, Message: m})
	}
}

// Hold-downs are bounded, and the oldest go first.
func TestHoldDownsBounded(t *testing.T) {
	n := newNetwork(t)
	n.drop = func(Send) bool { return true }
	a := n.host("A", Config{}, hbaSet(t, 1, 0xa1)...)
	for i := range MaxHolds + 100 {
		u := ULIDs{Local: a.addr(0), Peer: addrIn(0xb1, i+1)}
		a.handle(Acquire{u.Local, u.Peer})
		c := a.e.Find(u)
		i1 := encode(t, &wire.I1{InitiatorContextTag: c.TagLocal(), InitiatorNonce: c.InitiatorNonce()})
		a.handle(ICMP{Type: 4, Code: 1, Source: u.Local, Destination: u.Peer, Message: i1})
	}
	if got := a.e.Size().HoldDowns; got != MaxHolds {
		t.Errorf("%d hold-downs", got)
	}
	if a.e.State(ULIDs{Local: a.addr(0), Peer: addrIn(0xb1, 1)}) != Idle || a.e.State(ULIDs{Local: a.addr(0), Peer: addrIn(0xb1, 101)}) != NoSupport {
		t.Error("not the oldest have gone")
	}
	n.pass(ICMPHolddownTime)
	if s := a.e.Size(); s != (Size{}) {
		t.Errorf("left: %+v", s)
	}
}

// draws draws numbers that a message may have.
type draws struct{ rand.Source }

func (d draws) tag() wire.ContextTag { return wire.ContextTag(d.Uint64()) & wire.MaxContextTag }
func (d draws) nonce() uint32        { return uint32(d.Uint64() >> 32) }
