// SPDX-License-Identifier: BSD-3-Clause

package engine_test

import (
	"crypto/rsa"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	. "shim6/daemon/internal/engine"
	"shim6/daemon/internal/engine/enginetest"
	"shim6/daemon/wire"
)

// host is an Engine and the kernel below it. The test fails if the kernel refuses something.
type host struct {
	t       testing.TB
	name    string
	e       *Engine
	net     *network
	config  Config
	locals  []LocalLocator
	kernel  enginetest.Kernel
	records enginetest.Records
	// lax: the test itself has made the kernel and the Engine differ.
	lax bool
	// order are all actions, sent the messages among them since forget.
	order   []Action
	sent    []Send
	changes []StateChange
	notes   []Note
	done    []Done
	learned []Carrier
	resyncs int
}

// network carries messages at once, in order, unless drop says otherwise.
type network struct {
	t     testing.TB
	now   time.Duration
	hosts []*host
	queue enginetest.Queue
	drop  func(Send) bool
	// carried counts messages since run or pass.
	carried int
}

func newNetwork(t testing.TB) *network { return &network{t: t, now: time.Hour} }

// hbaSet are the addresses of an HBA set for prefixes 2001:db8:n::/64.
func hbaSet(t testing.TB, n uint64, prefixes ...int) []LocalLocator {
	t.Helper()
	return hbaSetWithKey(t, n, nil, prefixes...)
}

func hbaSetWithKey(t testing.TB, n uint64, key *rsa.PrivateKey, prefixes ...int) []LocalLocator {
	t.Helper()
	var list []netip.Addr
	for _, p := range prefixes {
		list = append(list, addrIn(p, 0))
	}
	set, err := enginetest.HBASet(enginetest.Reader{Source: enginetest.Seed(n)}, key, list...)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func cgaAddress(t testing.TB, n uint64, key *rsa.PrivateKey, p int) LocalLocator {
	t.Helper()
	a, err := enginetest.CGA(enginetest.Reader{Source: enginetest.Seed(n)}, key, addrIn(p, 0))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func addrIn(prefix, host int) netip.Addr {
	return netip.MustParseAddr(fmt.Sprintf("2001:db8:%x::%x", prefix, host))
}

func plain(prefix, host int) LocalLocator { return LocalLocator{Address: addrIn(prefix, host)} }

// host makes a host with addresses.
func (n *network) host(name string, config Config, locals ...LocalLocator) *host {
	n.t.Helper()
	if config.Random == nil {
		config.Random = enginetest.Seed(uint64(len(n.hosts)) + 77)
	}
	h := &host{t: n.t, name: name, net: n, config: config, locals: locals, records: make(enginetest.Records)}
	e, err := New(config)
	if err != nil {
		n.t.Fatal(err)
	}
	h.e = e
	n.hosts = append(n.hosts, h)
	h.handle(Locators{Local: locals})
	h.handle(Start{})
	return h
}

func (h *host) addr(i int) netip.Addr { return h.locals[i].Address }

// handle hands an event over, does the actions, and queues what is sent.
func (h *host) handle(ev Event) {
	h.t.Helper()
	for _, a := range h.e.Handle(h.net.now, ev) {
		h.order = append(h.order, a)
		h.do(a)
	}
	h.consistent()
}

// consistent fails if the tables, the timers, the kernel and the Records don't fit each other.
func (h *host) consistent() {
	h.t.Helper()
	if h.e.Size().Contexts > 20 {
		return
	}
	if text := h.e.Inconsistent(h.kernel.Dump(), h.records, h.lax); text != "" {
		h.t.Fatalf("%s: %s", h.name, text)
	}
}

// must fails if the kernel has refused something.
func (h *host) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatalf("%s: %v", h.name, err)
	}
}

func (h *host) do(a Action) {
	h.t.Helper()
	switch a := a.(type) {
	case Send:
		h.checkSend(a)
		h.sent = append(h.sent, a)
		h.net.queue.Add(h.net.now, func() { h.net.carry(a) })
	case ContextNew:
		h.must(h.kernel.New(a))
	case ContextSet:
		h.must(h.kernel.Set(a))
	case ContextDel:
		h.must(h.kernel.Del(a))
	case Persist:
		h.records.Save(a)
	case StateChange:
		h.changes = append(h.changes, a)
	case Note:
		h.notes = append(h.notes, a)
	case Done:
		h.done = append(h.done, a)
	case Resync:
		h.resyncs++
	case Learned:
		h.learned = append(h.learned, a.Carrier)
	default:
		h.t.Fatalf("unknown action %T", a)
	}
}

// checkSend checks that the kernel knows the tag that a message tells.
func (h *host) checkSend(s Send) {
	h.t.Helper()
	m, err := wire.Decode(s.Message)
	if err != nil {
		h.t.Fatalf("%s sends what can't be decoded: %v", h.name, err)
	}
	var tag wire.ContextTag
	least := I2Sent
	switch m := m.(type) {
	case *wire.I2:
		tag = m.InitiatorContextTag
	case *wire.I2bis:
		tag, least = m.InitiatorContextTag, I2bisSent
	case *wire.R2:
		// In answer to a crossing I1 it may still be I1-SENT.
		tag, least = m.ResponderContextTag, I1Sent
	default:
		return
	}
	if k := h.kernel.ByTag(tag); k != nil && k.State >= least {
		return
	}
	h.t.Fatalf("%s sends %v before the kernel knows the tag", h.name, s.Type)
}

// run carries messages until there are none.
func (n *network) run() {
	n.t.Helper()
	n.carried = 0
	enginetest.Pass(&n.now, 0, &n.queue, []*host(nil))
}

// carry carries a message, or drops it.
func (n *network) carry(s Send) {
	n.t.Helper()
	if n.carried++; n.carried > 100000 {
		n.t.Fatal("the hosts don't stop sending")
	}
	if n.drop == nil || !n.drop(s) {
		n.deliver(s)
	}
}

func (n *network) deliver(s Send) {
	n.t.Helper()
	for _, h := range n.hosts {
		if h.e.Has(s.Destination) {
			h.handle(Control{Source: s.Source, Destination: s.Destination, Message: s.Message, Encapsulation: s.Encapsulation})
			return
		}
	}
}

// pass lets time pass, with all timers and messages.
func (n *network) pass(d time.Duration) {
	n.t.Helper()
	n.carried = 0
	enginetest.Pass(&n.now, d, &n.queue, n.hosts)
}

// Next is when the Engine wants a Tick; false if there is nothing to wait for.
func (h *host) Next() (time.Duration, bool) { return h.e.Next() }

// Tick hands the Engine a Tick.
func (h *host) Tick() { h.handle(Tick{}) }

func (h *host) forget() { h.order, h.sent, h.changes, h.notes, h.done = nil, nil, nil, nil, nil }

// types are the types of the messages that were sent since forget.
func (h *host) types() []wire.Type {
	var out []wire.Type
	for _, s := range h.sent {
		out = append(out, s.Type)
	}
	return out
}

func (h *host) sends(want ...wire.Type) {
	h.t.Helper()
	if got := h.types(); !slices.Equal(got, want) {
		h.t.Errorf("%s sent %v, want %v", h.name, got, want)
	}
}

func (h *host) inState(u ULIDs, want State) {
	h.t.Helper()
	if got := h.e.State(u); got != want {
		h.t.Errorf("%s: state of %v is %v, want %v", h.name, u, got, want)
	}
	k := h.kernel.Get(u)
	if inKernel := want >= I1Sent && want <= I2bisSent; (k != nil) != inKernel || k != nil && k.State != want {
		h.t.Errorf("%s: the kernel has %+v, want state %v", h.name, k, want)
	}
}

func (h *host) context(u ULIDs) *Info {
	h.t.Helper()
	i, ok := h.e.Context(u)
	if !ok {
		h.t.Fatalf("%s has no context %v", h.name, u)
	}
	return &i
}

func decode[M wire.Message](t testing.TB, s Send) M {
	t.Helper()
	m, err := wire.Decode(s.Message)
	if err != nil {
		t.Fatal(err)
	}
	got, ok := m.(M)
	if !ok {
		t.Fatalf("%v sent, want %T", s.Type, got)
	}
	return got
}

func encode(t testing.TB, m wire.Message) []byte {
	t.Helper()
	b, err := wire.Append(nil, m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// pairOf is a network of two hosts with HBA sets of two prefixes each, and the names
// of the context between their first addresses as each sees them.
func pairOf(t testing.TB, configs ...Config) (n *network, a, b *host, ab, ba ULIDs) {
	t.Helper()
	n = newNetwork(t)
	var c [2]Config
	copy(c[:], configs)
	a = n.host("A", c[0], hbaSet(t, 1, 0xa1, 0xa2)...)
	b = n.host("B", c[1], hbaSet(t, 2, 0xb1, 0xb2)...)
	ab = ULIDs{Local: a.addr(0), Peer: b.addr(0)}
	return n, a, b, ab, reverse(ab)
}

// reverse are the names of a context as its peer sees them.
func reverse(u ULIDs) ULIDs { return ULIDs{Local: u.Peer, Peer: u.Local, FII: u.FII} }

// establishedPair is pairOf with a context that A has begun.
func establishedPair(t testing.TB, configs ...Config) (n *network, a, b *host, ab, ba ULIDs) {
	t.Helper()
	n, a, b, ab, ba = pairOf(t, configs...)
	a.handle(Acquire{ab.Local, ab.Peer})
	n.run()
	a.inState(ab, Established)
	b.inState(ba, Established)
	a.forget()
	b.forget()
	return n, a, b, ab, ba
}
