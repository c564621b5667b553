// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	stdcontext "context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	mathrand "math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"shim6/daemon/cga"
	"shim6/daemon/wire"
)

// host is an Engine and the kernel below it, which only keeps what it is given and
// fails the test if that can't be.
type host struct {
	t       testing.TB
	name    string
	e       *Engine
	net     *network
	config  Config
	locals  []LocalLocator
	kernel  map[ULIDs]*KernelContext
	records map[ULIDs]Record
	// lax: the test itself has made the kernel and the Engine differ.
	lax bool
	// order are all actions, sent the messages among them since forget.
	order   []Action
	sent    []Send
	changes []StateChange
	notes   []Note
	done    []Done
	resyncs int
}

// network carries messages at once, in order, unless drop says otherwise.
type network struct {
	t     testing.TB
	now   time.Duration
	hosts []*host
	queue []Send
	drop  func(Send) bool
}

func newNetwork(t testing.TB) *network { return &network{t: t, now: time.Hour} }

// seed is a random source that is the same in every run.
func seed(n uint64) mathrand.Source { return mathrand.NewPCG(n, 0x5eed) }

type reader struct{ mathrand.Source }

func (r reader) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(r.Uint64())
	}
	return len(b), nil
}

// hbaSet are the addresses of an HBA set for prefixes 2001:db8:n::/64.
func hbaSet(t testing.TB, n uint64, prefixes ...int) []LocalLocator {
	t.Helper()
	return hbaSetWithKey(t, n, nil, prefixes...)
}

func hbaSetWithKey(t testing.TB, n uint64, key *rsa.PrivateKey, prefixes ...int) []LocalLocator {
	t.Helper()
	var list []cga.SubnetPrefix
	for _, p := range prefixes {
		list = append(list, cga.PrefixOf(addrIn(p, 0)))
	}
	o := cga.Options{Workers: 1}
	if key != nil {
		o.PublicKey = &key.PublicKey
	}
	set, err := cga.GenerateHBA(stdcontext.Background(), reader{seed(n)}, list, o)
	if err != nil {
		t.Fatal(err)
	}
	var out []LocalLocator
	for _, a := range set {
		out = append(out, LocalLocator{Address: a.Addr, PDS: a.PDS, Key: key})
	}
	return out
}

func cgaAddress(t testing.TB, n uint64, key *rsa.PrivateKey, p int) LocalLocator {
	t.Helper()
	a, err := cga.GenerateCGA(stdcontext.Background(), reader{seed(n)}, cga.PrefixOf(addrIn(p, 0)), cga.Options{PublicKey: &key.PublicKey, Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	return LocalLocator{Address: a.Addr, PDS: a.PDS, Key: key}
}

var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		panic(err)
	}
	return k
})

func addrIn(prefix, host int) netip.Addr {
	return netip.MustParseAddr(fmt.Sprintf("2001:db8:%x::%x", prefix, host))
}

func plain(prefix, host int) LocalLocator { return LocalLocator{Address: addrIn(prefix, host)} }

// host makes a host with addresses.
func (n *network) host(name string, config Config, locals ...LocalLocator) *host {
	n.t.Helper()
	if config.Random == nil {
		config.Random = seed(uint64(len(n.hosts)) + 77)
	}
	h := &host{t: n.t, name: name, net: n, config: config, locals: locals, kernel: make(map[ULIDs]*KernelContext), records: make(map[ULIDs]Record)}
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

// consistent fails if the tables, the timers, the kernel and the Records don't fit each
// other.
func (h *host) consistent() {
	h.t.Helper()
	e := h.e
	if len(e.byULIDs) > 20 {
		return
	}
	fail := func(c *context, format string, args ...any) {
		h.t.Helper()
		h.t.Fatalf("%s: %v in %v: %s", h.name, c.ulids, c.state, fmt.Sprintf(format, args...))
	}
	contexts, nonces, peers := 0, 0, 0
	for c := e.first; c != nil; c = c.next {
		contexts++
		exchange := c.state == I1Sent || c.state == I2Sent || c.state == I2bisSent
		if exchange {
			nonces++
		}
		if c.pending.queued || c.kernel.changed != 0 || c.pending.unsaved || !c.kernel.present || c.gone {
			fail(c, "not told to the kernel or the Records: dirty %v, changed %b, unsaved %v", c.pending.queued, c.kernel.changed, c.pending.unsaved)
		}
		if e.byULIDs[c.ulids] != c || e.byTag[c.tagLocal] != c || exchange && e.byNonce[c.exchange.nonce] != c {
			fail(c, "not in the tables")
		}
		if exchange != c.exchange.retransmit.running() || (c.announced.update != nil && !c.announced.update.timer.running()) {
			fail(c, "timers: %v, %+v", c.exchange.retransmit.running(), c.announced.update)
		}
		for _, l := range c.peer.locators {
			if !c.state.Sends() || !l.Verified {
				continue
			}
			peers++
			if e.byPeer[peerKey{c.tagPeer, l.Address.As16()}] != c {
				fail(c, "not found by the peer's tag and %v", l.Address)
			}
		}
		if c.peer.locators[0].Address != c.ulids.Peer {
			fail(c, "Ls(peer) is %+v", c.peer.locators)
		}
		if l := c.peerLocator(c.current.Peer); l == nil || c.state.Sends() && !l.Probed {
			fail(c, "the current pair is %v, and Ls(peer) %+v", c.current, c.peer.locators)
		}
		if h.lax {
			continue
		}
		k := h.kernel[c.ulids]
		if k == nil || k.TagLocal != c.tagLocal || c.differs(k) != 0 || k.Inbound != c.inbound {
			fail(c, "the kernel has %+v", k)
		}
		if r := h.records[c.ulids]; !reflect.DeepEqual(*c.record(), r) {
			fail(c, "the Record is %+v, not %+v", r, *c.record())
		}
	}
	if len(e.byULIDs) != contexts || len(e.byTag) != contexts || len(e.byNonce) != nonces || len(e.byPeer) != peers {
		h.t.Fatalf("%s: the tables have %d, %d, %d and %d entries, and should %d, %d, %d, %d", h.name,
			len(e.byULIDs), len(e.byTag), len(e.byNonce), len(e.byPeer), contexts, contexts, nonces, peers)
	}
	if !h.lax && len(h.kernel) != contexts {
		h.t.Fatalf("%s: the kernel has %d contexts of %d", h.name, len(h.kernel), contexts)
	}
}

func (h *host) do(a Action) {
	h.t.Helper()
	switch a := a.(type) {
	case Send:
		h.checkSend(a)
		h.sent = append(h.sent, a)
		h.net.queue = append(h.net.queue, a)
	case ContextNew:
		k := a.Context
		for u, other := range h.kernel {
			if u == k.ULIDs || other.TagLocal == k.TagLocal {
				h.t.Fatalf("%s: new context %v, tag %v: the kernel has it", h.name, k.ULIDs, k.TagLocal)
			}
		}
		h.kernel[k.ULIDs] = &k
		h.checkKernel(&k)
	case ContextSet:
		k := h.kernel[a.Context.ULIDs]
		if k == nil || k.TagLocal != a.Context.TagLocal {
			h.t.Fatalf("%s: set of context %v, which the kernel doesn't have", h.name, a.Context.ULIDs)
		}
		setFields(k, a)
		h.checkKernel(k)
	case ContextDel:
		delete(h.kernel, a.ULIDs)
	case Persist:
		if a.Record == nil {
			delete(h.records, a.ULIDs)
		} else {
			h.records[a.ULIDs] = *a.Record
		}
	case StateChange:
		h.changes = append(h.changes, a)
	case Note:
		h.notes = append(h.notes, a)
	case Done:
		h.done = append(h.done, a)
	case Resync:
		h.resyncs++
	default:
		h.t.Fatalf("unknown action %T", a)
	}
}

func setFields(k *KernelContext, a ContextSet) {
	c, f := a.Context, a.Fields
	if f&FieldTagPeer != 0 {
		k.TagPeer, k.HasTagPeer = c.TagPeer, true
	}
	if f&FieldState != 0 {
		k.State = c.State
	}
	if f&FieldLocator != 0 {
		k.Locator = c.Locator
	}
	if f&FieldLocatorsLocal != 0 {
		k.LocatorsLocal = c.LocatorsLocal
	}
	if f&FieldLocatorsPeer != 0 {
		k.LocatorsPeer = c.LocatorsPeer
	}
	if f&FieldInbound != 0 {
		k.Inbound = c.Inbound
	}
	if f&FieldSendTimeout != 0 {
		k.SendTimeout = c.SendTimeout
	}
	if f&FieldKeepaliveTimeout != 0 {
		k.KeepaliveTimeout = c.KeepaliveTimeout
	}
	if f&FieldReapState != 0 {
		k.ReapState = c.ReapState
	}
}

// checkKernel has the kernel's own conditions.
func (h *host) checkKernel(k *KernelContext) {
	h.t.Helper()
	if k.State < I1Sent || k.State > I2bisSent {
		h.t.Fatalf("%s: state %v in the kernel", h.name, k.State)
	}
	if !k.HasTagPeer && (k.State >= Established || k.Locator != Pair{k.ULIDs.Local, k.ULIDs.Peer}) {
		h.t.Fatalf("%s: %v in %v by %v without the peer's tag", h.name, k.ULIDs, k.State, k.Locator)
	}
	if len(k.LocatorsPeer) > MaxLocators || len(k.LocatorsLocal) > MaxLocators {
		h.t.Fatalf("%s: more locators than the kernel takes", h.name)
	}
	for _, l := range [][]netip.Addr{k.LocatorsLocal, k.LocatorsPeer} {
		s := slices.Clone(l)
		slices.SortFunc(s, netip.Addr.Compare)
		if len(slices.Compact(s)) != len(l) {
			h.t.Fatalf("%s: a locator is twice in %v", h.name, l)
		}
	}
	if k.State != Established {
		return
	}
	for _, other := range h.kernel {
		if other == k || other.State != Established || other.TagPeer != k.TagPeer {
			continue
		}
		for _, a := range append(slices.Clone(k.LocatorsPeer), k.ULIDs.Peer) {
			if a == other.ULIDs.Peer || slices.Contains(other.LocatorsPeer, a) {
				h.t.Fatalf("%s: context confusion of %v and %v: the kernel refuses that", h.name, k.ULIDs, other.ULIDs)
			}
		}
	}
}

// checkSend sees that the tag that a message tells is in the kernel.
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
	for _, k := range h.kernel {
		if k.TagLocal == tag && k.State >= least {
			return
		}
	}
	h.t.Fatalf("%s sends %v before the kernel knows the tag", h.name, s.Type)
}

// run carries messages until there are none.
func (n *network) run() {
	n.t.Helper()
	for i := 0; len(n.queue) > 0; i++ {
		if i > 100000 {
			n.t.Fatal("the hosts don't stop sending")
		}
		s := n.queue[0]
		n.queue = n.queue[1:]
		if n.drop != nil && n.drop(s) {
			continue
		}
		n.deliver(s)
	}
}

func (n *network) deliver(s Send) {
	n.t.Helper()
	for _, h := range n.hosts {
		if h.e.locals[s.Destination] != nil {
			h.handle(Control{s.Source, s.Destination, s.Message})
			return
		}
	}
}

// pass lets time pass, with all timers and messages.
func (n *network) pass(d time.Duration) {
	n.t.Helper()
	end := n.now + d
	n.run()
	for {
		next, found := end, false
		for _, h := range n.hosts {
			if at, ok := h.e.Next(); ok && at <= next {
				next, found = at, true
			}
		}
		if !found {
			n.now = end
			return
		}
		n.now = max(n.now, next)
		for _, h := range n.hosts {
			h.handle(Tick{})
		}
		n.run()
	}
}

func (h *host) forget() { h.order, h.sent, h.changes, h.notes, h.done = nil, nil, nil, nil, nil }

// types are the types of what was sent since forget.
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
	k := h.kernel[u]
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
	return n, a, b, ab, ab.reverse()
}

func (u ULIDs) reverse() ULIDs { return ULIDs{Local: u.Peer, Peer: u.Local, FII: u.FII} }

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
