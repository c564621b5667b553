// SPDX-License-Identifier: BSD-3-Clause

package engine_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	. "shim6/daemon/internal/engine"
	"shim6/daemon/wire"
	"shim6/tools/conformance/shows"
)

// fixture is host A with a context in a state, and its peer B, which may have no context.
type fixture struct {
	t      testing.TB
	n      *network
	a, b   *host
	ab, ba ULIDs
	// had is the context that A has given up, if it has.
	had *Context
}

// in brings A to a state by the messages and events of the protocol.
func in(t testing.TB, s State, configs ...Config) *fixture {
	t.Helper()
	f := &fixture{t: t}
	f.n, f.a, f.b, f.ab, f.ba = pairOf(t, configs...)
	acquire := Acquire{f.ab.Local, f.ab.Peer}
	drop := func(types ...wire.Type) {
		f.n.drop = func(s Send) bool { return slices.Contains(types, s.Type) }
	}
	switch s {
	case Idle:
	case I1Sent:
		drop(wire.TypeI1)
		f.a.handle(acquire)
	case I2Sent:
		drop(wire.TypeI2)
		f.a.handle(acquire)
	case Established:
		f.a.handle(acquire)
	case I2bisSent:
		f.a.handle(acquire)
		f.n.run()
		drop(wire.TypeI2bis)
		f.b.handle(Close{ULIDs: f.ba})
		f.keepalive(f.a, f.ab)
	case EFailed:
		drop(wire.TypeI1)
		f.a.handle(acquire)
		f.had = f.context()
		f.n.pass(124 * 3 * time.Second / 2)
	case NoSupport:
		drop(wire.TypeI1)
		f.a.handle(acquire)
		f.had = f.context()
		f.a.handle(f.noSupport())
	}
	f.n.run()
	f.n.drop = nil
	f.a.inState(f.ab, s)
	f.a.forget()
	f.b.forget()
	return f
}

// keepalive makes the kernel of h send a Keepalive.
func (f *fixture) keepalive(h *host, u ULIDs) {
	f.t.Helper()
	k := h.kernel.Get(u)
	b := encode(f.t, &wire.Keepalive{ReceiverContextTag: k.TagPeer})
	f.n.deliver(Send{Source: k.Locator.Local, Destination: k.Locator.Peer, Message: b})
}

// last is the last message that A has sent.
func (f *fixture) last() Send {
	f.t.Helper()
	if len(f.a.sent) == 0 {
		f.t.Fatal("A has sent nothing")
	}
	return f.a.sent[len(f.a.sent)-1]
}

// noSupport is the ICMPv6 error for A's I1.
func (f *fixture) noSupport() ICMP {
	f.t.Helper()
	s := f.last()
	return ICMP{Type: 4, Code: 1, Info: 6, Source: s.Source, Destination: s.Destination, Message: s.Message}
}

// context is A's.
func (f *fixture) context() *Context {
	f.t.Helper()
	c := f.a.e.Find(f.ab)
	if c == nil {
		f.t.Fatal("A has no context")
	}
	return c
}

// fromB hands A a message from B's ULID to A's.
func (f *fixture) fromB(m wire.Message) {
	f.t.Helper()
	f.a.handle(Control{Source: f.ab.Peer, Destination: f.ab.Local, Message: encode(f.t, m)})
}

// The messages of a peer that could be B: tagB and nonceB are its tag and nonce.
const (
	tagB   wire.ContextTag = 0x123456789abc
	nonceB uint32          = 0xb0b0b0b0
)

func (f *fixture) i1() *wire.I1 {
	return &wire.I1{InitiatorContextTag: tagB, InitiatorNonce: nonceB}
}

// pair are the ULIDs of A's context, by which B's messages come.
func (f *fixture) pair() Pair { return Pair{Local: f.ab.Local, Peer: f.ab.Peer} }

// i2 is an I2 with a validator that A would have made.
func (f *fixture) i2(options ...wire.Option) *wire.I2 {
	v := f.a.e
	now := f.n.now
	m := &wire.I2{InitiatorContextTag: tagB, InitiatorNonce: nonceB, ResponderNonce: v.ResponderNonce(now)}
	o := &wire.ResponderValidator{Validator: v.R1Validator(now, m.ResponderNonce, f.pair(), tagB, f.ab)}
	m.Options = append(wire.Options{o}, options...)
	return m
}

// i2bis is an I2bis with a validator that A would have made.
func (f *fixture) i2bis(options ...wire.Option) *wire.I2bis {
	v := f.a.e
	now := f.n.now
	m := &wire.I2bis{InitiatorContextTag: tagB, InitiatorNonce: nonceB, ResponderNonce: v.ResponderNonce(now), PacketContextTag: 99}
	o := &wire.ResponderValidator{Validator: v.R1bisValidator(now, m.ResponderNonce, f.pair(), 99)}
	m.Options = append(wire.Options{o}, options...)
	return m
}

func validatorOption() *wire.ResponderValidator {
	return &wire.ResponderValidator{Validator: []byte("whatever B hashes")}
}

// known is A's context, or the one that it has given up; nil if there was none.
func (f *fixture) known() *Context {
	if c := f.a.e.Find(f.ab); c != nil {
		return c
	}
	return f.had
}

// tagPeer is CT(peer) of A, or a number if there is none.
func (f *fixture) tagPeer() wire.ContextTag {
	if c := f.known(); c != nil {
		return c.TagPeer()
	}
	return 1
}

// nonce is A's Initiator Nonce, or a number if there is none.
func (f *fixture) nonce() uint32 {
	if c := f.known(); c != nil {
		return c.InitiatorNonce()
	}
	return 1
}

func (f *fixture) tagLocal() wire.ContextTag {
	if c := f.known(); c != nil {
		return c.TagLocal()
	}
	return 2
}

// messages are the columns of Appendix B that are possible in every state: the messages that a
// peer, or somebody in its name, can send.
var messages = map[string]func(f *fixture){
	"I1": func(f *fixture) { f.fromB(f.i1()) },
	"I2": func(f *fixture) { f.fromB(f.i2()) },
	"I2, bad validator": func(f *fixture) {
		m := f.i2()
		m.Options.ResponderValidator().Validator[3] ^= 1
		f.fromB(m)
	},
	"I2, old nonce": func(f *fixture) {
		m := f.i2()
		m.ResponderNonce -= NonceAge + 1
		m.Options.ResponderValidator().Validator = f.a.e.R1Validator(f.n.now, m.ResponderNonce, f.pair(), tagB, f.ab)
		f.fromB(m)
	},
	"I2bis": func(f *fixture) { f.fromB(f.i2bis()) },
	"I2bis, bad validator": func(f *fixture) {
		m := f.i2bis()
		m.Options.ResponderValidator().Validator[3] ^= 1
		f.fromB(m)
	},
	"I2bis, old nonce": func(f *fixture) {
		m := f.i2bis()
		m.ResponderNonce -= NonceAge + 1
		m.Options.ResponderValidator().Validator = f.a.e.R1bisValidator(f.n.now, m.ResponderNonce, f.pair(), m.PacketContextTag)
		f.fromB(m)
	},
	"R1": func(f *fixture) {
		f.fromB(&wire.R1{InitiatorNonce: f.nonce(), ResponderNonce: 5, Options: wire.Options{validatorOption()}})
	},
	"R2": func(f *fixture) { f.fromB(&wire.R2{ResponderContextTag: tagB, InitiatorNonce: f.nonce()}) },
	"R1bis": func(f *fixture) {
		f.fromB(&wire.R1bis{PacketContextTag: f.tagPeer(), ResponderNonce: 5, Options: wire.Options{validatorOption()}})
	},
	"control": func(f *fixture) { f.fromB(&wire.Keepalive{ReceiverContextTag: f.tagLocal()}) },
	"payload": func(f *fixture) {
		// This is how the kernel reports a payload extension header.
		if c := f.a.e.Find(f.ab); c == nil {
			f.a.handle(NoContext{Source: f.ab.Peer, Destination: f.ab.Local, Tag: f.tagLocal()})
		} else {
			// It tells that in I2-SENT and I2BIS-SENT only; by now the state may be
			// another.
			f.a.handle(Reap{ULIDs: f.ab, Tag: c.TagLocal(), Kind: ReapPayload})
		}
	},
}

// occurrences are the other columns, which mean something only in some states: messages with
// another nonce or tag, and what kernel, time and programs cause.
var occurrences = map[string]func(f *fixture){
	"I1, CT(peer)": func(f *fixture) { f.fromB(&wire.I1{InitiatorContextTag: f.tagPeer(), InitiatorNonce: nonceB}) },
	"R1, other nonce": func(f *fixture) {
		f.fromB(&wire.R1{InitiatorNonce: f.nonce() ^ 1, ResponderNonce: 5, Options: wire.Options{validatorOption()}})
	},
	"R2, other nonce": func(f *fixture) { f.fromB(&wire.R2{ResponderContextTag: tagB, InitiatorNonce: f.nonce() ^ 1}) },
	"trigger":         func(f *fixture) { f.a.handle(Acquire{f.ab.Local, f.ab.Peer}) },
	"timeout": func(f *fixture) {
		if d, ok := f.a.e.Next(); ok {
			f.n.now = d
			f.a.handle(Tick{})
		}
	},
	"last timeout but one": func(f *fixture) { retried(f, 1) },
	"last timeout":         func(f *fixture) { retried(f, 0) },
	"ICMP": func(f *fixture) {
		i1 := &wire.I1{InitiatorContextTag: f.tagLocal(), InitiatorNonce: f.nonce()}
		f.a.handle(ICMP{Type: 4, Code: 1, Source: f.ab.Local, Destination: f.ab.Peer, Message: encode(f.t, i1)})
	},
	"quiescent": func(f *fixture) {
		f.a.handle(Expire{ULIDs: f.ab, Tag: f.tagLocal(), Idle: MinIdleTimeout})
	},
	"hold-down over": func(f *fixture) { f.n.pass(ICMPHolddownTime) },
}

// retried is a timeout after which left retries are left.
func retried(f *fixture, left int) {
	c := f.context()
	c.SetRetries(map[State]int{I1Sent: I1RetriesMax, I2Sent: I2RetriesMax, I2bisSent: I2bisRetriesMax}[c.State()] - left)
	f.n.now, _ = f.a.e.Next()
	f.a.handle(Tick{})
}

func send(t ...wire.Type) []wire.Type { return t }

// cell is one cell of the state machine: what is sent when an event comes in a state, and
// the state afterwards. shows are the requirements that it is about.
type cell struct {
	state State
	event string
	sends []wire.Type
	to    State
	shows string
}

// stateMachine is that of RFC 5533, Appendix B, except that of E-FAILED and NO-SUPPORT it has
// only what differs from IDLE; see everyCell.
var stateMachine = []cell{
	{Idle, "I1", send(wire.TypeR1), Idle, "5533-B-01 5533-7.9-04 5533-7.3-02"},
	{Idle, "trigger", send(wire.TypeI1), I1Sent, "5533-B-02 5533-7.7-03"},
	{Idle, "I2", send(wire.TypeR2), Established, "5533-B-03 5533-7.13-06 5533-7.3-02"},
	{Idle, "I2, bad validator", nil, Idle, "5533-B-03 5533-7.13-03"},
	{Idle, "I2, old nonce", nil, Idle, "5533-B-03 5533-7.13-03"},
	{Idle, "I2bis", send(wire.TypeR2), Established, "5533-B-04 5533-7.20-06"},
	{Idle, "I2bis, bad validator", nil, Idle, "5533-B-04 5533-7.20-03"},
	{Idle, "I2bis, old nonce", nil, Idle, "5533-B-04 5533-7.20-03"},
	{Idle, "R1", nil, Idle, "5533-B-05 5533-12.4-04"},
	{Idle, "R1bis", nil, Idle, "5533-B-05"},
	{Idle, "R2", nil, Idle, "5533-B-05 5533-7.16-03 5533-12.4-05"},
	{Idle, "control", send(wire.TypeR1bis), Idle, "5533-B-06 5533-7.17-02 5533-5.8-04 5533-5.3-11"},
	{Idle, "payload", send(wire.TypeR1bis), Idle, "5533-B-06 5533-7.17-01 5533-5.8-04 5533-12.2-01"},

	{I1Sent, "R1", send(wire.TypeI2), I2Sent, "5533-B-07 5533-7.11-03 5533-7.3-01"},
	{I1Sent, "R1, other nonce", nil, I1Sent, "5533-B-07 5533-7.11-02 5533-12.4-04"},
	{I1Sent, "I1", send(wire.TypeR2), I1Sent, "5533-B-08 5533-7.9-08 5533-7.4-01 5533-5.7-07"},
	{I1Sent, "R2", nil, Established, "5533-B-09 5533-7.16-05 5533-7.4-01"},
	{I1Sent, "R2, other nonce", nil, I1Sent, "5533-B-09 5533-7.16-02"},
	{I1Sent, "I2", send(wire.TypeR2), Established, "5533-B-10 5533-7.13-08 5533-7.4-02"},
	{I1Sent, "I2, bad validator", nil, I1Sent, "5533-B-10"},
	{I1Sent, "I2, old nonce", nil, I1Sent, "5533-B-10"},
	{I1Sent, "I2bis", send(wire.TypeR2), Established, "5533-B-11 5533-7.20-09"},
	{I1Sent, "I2bis, bad validator", nil, I1Sent, "5533-B-11"},
	{I1Sent, "I2bis, old nonce", nil, I1Sent, "5533-B-11"},
	{I1Sent, "timeout", send(wire.TypeI1), I1Sent, "5533-B-12 5533-7.8-01"},
	{I1Sent, "last timeout but one", send(wire.TypeI1), I1Sent, "5533-B-12 5533-7.8-03"},
	{I1Sent, "last timeout", nil, EFailed, "5533-B-12 5533-7.8-03"},
	{I1Sent, "ICMP", nil, NoSupport, "5533-B-44 5533-7.8-05 5533-6.2-07"},
	{I1Sent, "R1bis", nil, I1Sent, "5533-B-14 5533-7.18-03"},
	{I1Sent, "control", nil, I1Sent, "5533-B-15"},
	{I1Sent, "payload", nil, I1Sent, "5533-B-15 5533-12.2-03"},
	{I1Sent, "trigger", nil, I1Sent, ""},

	{I2Sent, "R2", nil, Established, "5533-B-16 5533-7.16-05 5533-7.3-01"},
	{I2Sent, "R2, other nonce", nil, I2Sent, "5533-B-16"},
	{I2Sent, "I1", send(wire.TypeR2), I2Sent, "5533-B-17 5533-7.9-08 5533-7.4-02"},
	{I2Sent, "I2", send(wire.TypeR2), I2Sent, "5533-B-18 5533-7.13-10"},
	{I2Sent, "I2, bad validator", nil, I2Sent, "5533-B-18"},
	{I2Sent, "I2, old nonce", nil, I2Sent, "5533-B-18"},
	{I2Sent, "I2bis", send(wire.TypeR2), I2Sent, "5533-B-19 5533-7.20-10"},
	{I2Sent, "I2bis, bad validator", nil, I2Sent, "5533-B-19"},
	{I2Sent, "I2bis, old nonce", nil, I2Sent, "5533-B-19"},
	{I2Sent, "R1", nil, I2Sent, "5533-B-20 5533-7.11-04"},
	{I2Sent, "timeout", send(wire.TypeI2), I2Sent, "5533-B-21"},
	{I2Sent, "last timeout but one", send(wire.TypeI2), I2Sent, "5533-B-21 5533-7.12-02"},
	{I2Sent, "last timeout", send(wire.TypeI1), I1Sent, "5533-B-21 5533-7.12-02"},
	{I2Sent, "R1bis", nil, I2Sent, "5533-B-22 5533-7.18-03"},
	{I2Sent, "control", send(wire.TypeI2), I2Sent, "5533-B-23"},
	{I2Sent, "payload", send(wire.TypeI2), I2Sent, "5533-B-23 5533-12.2-04"},
	{I2Sent, "ICMP", nil, I2Sent, ""},

	{Established, "I1", send(wire.TypeR1), Established, "5533-B-32 5533-7.9-07 5533-7.5-03"},
	{Established, "I1, CT(peer)", send(wire.TypeR2), Established, "5533-B-32 5533-7.9-06"},
	{Established, "I2", send(wire.TypeR2), Established, "5533-B-33 5533-7.13-10"},
	{Established, "I2, bad validator", nil, Established, "5533-B-33"},
	{Established, "I2, old nonce", nil, Established, "5533-B-33"},
	{Established, "I2bis", send(wire.TypeR2), Established, "5533-B-34 5533-7.20-10"},
	{Established, "I2bis, bad validator", nil, Established, "5533-B-34"},
	{Established, "I2bis, old nonce", nil, Established, "5533-B-34"},
	{Established, "R2", nil, Established, "5533-B-35 5533-7.16-07"},
	{Established, "R1", nil, Established, "5533-B-36 5533-7.11-04"},
	{Established, "R1bis", send(wire.TypeI2bis), I2bisSent, "5533-B-37 5533-7.18-04"},
	{Established, "control", nil, Established, "5533-B-38"},
	// The kernel processes payload; its report may be from before.
	{Established, "payload", nil, Established, ""},
	{Established, "ICMP", nil, Established, ""},
	{Established, "quiescent", nil, Idle, "5533-B-39"},

	{I2bisSent, "R2", nil, Established, "5533-B-24 5533-7.16-05"},
	{I2bisSent, "R2, other nonce", nil, I2bisSent, "5533-B-24"},
	{I2bisSent, "I1", send(wire.TypeR2), I2bisSent, "5533-B-25 5533-7.9-08"},
	{I2bisSent, "I2", send(wire.TypeR2), I2bisSent, "5533-B-26 5533-7.13-10"},
	{I2bisSent, "I2, bad validator", nil, I2bisSent, "5533-B-26"},
	{I2bisSent, "I2, old nonce", nil, I2bisSent, "5533-B-26"},
	{I2bisSent, "I2bis", send(wire.TypeR2), I2bisSent, "5533-B-27 5533-7.20-10"},
	{I2bisSent, "I2bis, bad validator", nil, I2bisSent, "5533-B-27"},
	{I2bisSent, "I2bis, old nonce", nil, I2bisSent, "5533-B-27"},
	{I2bisSent, "R1", nil, I2bisSent, "5533-B-28 5533-7.11-04"},
	{I2bisSent, "timeout", send(wire.TypeI2bis), I2bisSent, "5533-B-29 5533-7.19-01"},
	{I2bisSent, "last timeout but one", send(wire.TypeI2bis), I2bisSent, "5533-B-29 5533-7.19-02"},
	{I2bisSent, "last timeout", send(wire.TypeI1), I1Sent, "5533-B-29 5533-7.19-02"},
	{I2bisSent, "R1bis", nil, I2bisSent, "5533-B-30 5533-7.18-03"},
	{I2bisSent, "control", send(wire.TypeI2bis), I2bisSent, "5533-B-31"},
	{I2bisSent, "payload", send(wire.TypeI2bis), I2bisSent, "5533-B-31 5533-12.2-05"},
	{I2bisSent, "quiescent", nil, Idle, ""},

	{EFailed, "hold-down over", nil, Idle, "5533-B-40"},
	{EFailed, "trigger", nil, EFailed, "5533-7.8-03"},

	{NoSupport, "hold-down over", nil, Idle, "5533-B-42"},
	{NoSupport, "trigger", nil, NoSupport, "5533-7.8-05"},
}

// everyCell is stateMachine, with messages that come in E-FAILED and NO-SUPPORT: they are
// dealt with as in IDLE.
func everyCell() []cell {
	cells := slices.Clone(stateMachine)
	for _, x := range stateMachine {
		if x.state != Idle || messages[x.event] == nil {
			continue
		}
		for _, s := range []State{EFailed, NoSupport} {
			y := x
			if y.state = s; x.to == Idle {
				y.to = s
			}
			cells = append(cells, y)
		}
	}
	return cells
}

// TestStates is the state machine of RFC 5533, Appendix B: what is sent, and the
// state after it.
func TestStates(t *testing.T) {
	// In E-FAILED and NO-SUPPORT every packet is dealt with as in IDLE.
	shows.IDs(t, "5533-B-41 5533-B-43 5533-7.9-09")
	has := map[string]bool{}
	for _, x := range everyCell() {
		shows.IDs(t, x.shows)
		name := fmt.Sprintf("%v/%s", x.state, x.event)
		if has[name] {
			t.Errorf("%s is there twice", name)
		}
		has[name] = true
		t.Run(name, func(t *testing.T) {
			f := in(t, x.state)
			before := f.tagPeer()
			happen := messages[x.event]
			if happen == nil {
				happen = occurrences[x.event]
			}
			happen(f)
			f.a.sends(x.sends...)
			f.a.inState(f.ab, x.to)
			if x.event == "I1" && f.tagPeer() != before {
				t.Error("CT(peer) was taken from an I1")
			}
			if name == "ESTABLISHED/control" && f.a.resyncs != 1 {
				t.Error("the Keepalive was not looked at: the kernel should have done that")
			}
		})
	}
	for s := Idle; s <= NoSupport; s++ {
		for message := range messages {
			if name := fmt.Sprintf("%v/%s", s, message); !has[name] {
				t.Errorf("there is no cell %s", name)
			}
		}
	}
}

// Whatever happens in any state: the Engine, its tables and the kernel agree.
func TestStatesSurvive(t *testing.T) {
	all := maps.Clone(messages)
	maps.Copy(all, occurrences)
	for s := Idle; s <= NoSupport; s++ {
		for name, happen := range all {
			if strings.HasPrefix(name, "last timeout") && (s == Idle || s == Established || s >= EFailed) {
				continue
			}
			f := in(t, s)
			happen(f)
			f.n.run()
			f.n.pass(time.Hour)
		}
	}
}
