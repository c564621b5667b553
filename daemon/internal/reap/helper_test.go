// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/internal/engine/enginetest"
	"shim6/daemon/wire"
)

// network is hosts with real Engines, kernels that have the timers of RFC 5534, and
// pairs of addresses that work or don't, in virtual time.
type network struct {
	t      testing.TB
	now    time.Duration
	events enginetest.Queue
	hosts  []*host
	owner  map[netip.Addr]*host
	// dead says which packets are lost.
	dead func(source, destination netip.Addr) bool
	// opens is told which packets leave, and closed says which packets a firewall of the receiver drops.
	opens  func(source, destination netip.Addr)
	closed func(source, destination netip.Addr) bool
	// loses says which of the others are: payload, and packets of a length.
	loses func(p engine.Pair, payload bool, length int) bool
	// trace is every Probe and Keepalive that was sent.
	trace []probe
	delay time.Duration
}

// probe is a Probe that was sent, or, if m is nil, a Keepalive.
type probe struct {
	at                  time.Duration
	from                string
	source, destination netip.Addr
	by                  engine.Encapsulation
	m                   *wire.Probe
	length              int
}

func (n *network) after(d time.Duration, do func()) { n.events.Add(n.now+d, do) }

func newNetwork(t testing.TB) *network {
	return &network{t: t, now: time.Hour, owner: make(map[netip.Addr]*host), delay: 10 * time.Millisecond,
		dead: func(_, _ netip.Addr) bool { return false }}
}

// kernel is what the kernel has of a context, with its timers.
type kernel struct {
	*engine.KernelContext
	// clock is which timer runs, since when.
	clock   engine.ReapTimer
	since   time.Duration
	heardAt time.Duration
	heard   int
	// restart is called when the current pair is another.
	restart func()
	// early is called before that, and before what the daemon sends then; came for each packet of
	// the ULP that is heard.
	early, came func()
	// header: payload has had a header, and keeps it.
	header bool
}

type host struct {
	n      *network
	name   string
	config Config
	engine engine.Config
	e      *engine.Engine
	r      *Explorer
	locals []engine.LocalLocator
	// contexts are what the kernel has; order is that of contexts, and kernel and byTag find
	// each with its timers.
	contexts enginetest.Kernel
	order    []engine.ULIDs
	kernel   map[engine.ULIDs]*kernel
	byTag    map[wire.ContextTag]*kernel
	records  enginetest.Records
	sets     []engine.ContextSet
	// messages are when those of each type were sent; and asked when a Probe
	// was asked for.
	messages map[wire.Type][]time.Duration
	asked    []time.Duration
	// silences are when a stream was said to have stopped, or TCP to wait, each three times.
	silences []time.Duration
	// done are answers to commands.
	done []engine.Done
	// used is the number of the last command to use a pair.
	used uint64
}

func address(host, prefix int) netip.Addr {
	return netip.MustParseAddr(fmt.Sprintf("2001:db8:%x:%x::1", host, prefix))
}

// host makes a host with so many addresses.
func (n *network) host(name string, addresses int, c Config) *host {
	h := &host{n: n, name: name, config: c, kernel: map[engine.ULIDs]*kernel{}, records: enginetest.Records{}, byTag: map[wire.ContextTag]*kernel{}, messages: map[wire.Type][]time.Duration{}}
	h.engine = engine.Config{TrustedPrefixes: []netip.Prefix{netip.MustParsePrefix("2001:db8::/32")},
		MaxPeerContexts: 100000, MaxPrefixContexts: 100000, R1: engine.Limit{PerPrefix: 1e6, Total: 1e6}}
	n.hosts = append(n.hosts, h)
	for i := range addresses {
		a := address(len(n.hosts), i+1)
		h.locals = append(h.locals, engine.LocalLocator{Address: a})
		n.owner[a] = h
	}
	h.boot()
	return h
}

// boot starts the daemon, or restarts it.
func (h *host) boot() {
	h.r = New(h.config)
	c := h.engine
	c.Random = rand.NewPCG(uint64(len(h.name)), uint64(h.name[0])^uint64(h.n.now))
	c.Explorer = h.r
	e, err := engine.New(c)
	if err != nil {
		h.n.t.Fatal(err)
	}
	h.e = e
	h.handle(engine.Locators{Local: h.locals})
	start := engine.Start{Contexts: h.contexts.Dump()}
	for _, u := range h.contexts.Order() {
		start.Records = append(start.Records, h.records[u])
	}
	h.handle(start)
}

func (h *host) addr(i int) netip.Addr { return h.locals[i].Address }

func (h *host) handle(ev engine.Event) {
	h.asks(ev)
	for _, a := range h.e.Handle(h.n.now, ev) {
		switch a := a.(type) {
		case engine.Send:
			h.messages[a.Type] = append(h.messages[a.Type], h.n.now)
			if a.Type == wire.TypeProbe {
				m, err := wire.Decode(a.Message)
				if err != nil {
					h.n.t.Fatal(err)
				}
				h.n.trace = append(h.n.trace, probe{h.n.now, h.name, a.Source, a.Destination, a.Encapsulation, m.(*wire.Probe), a.Length})
			} else if k := h.kernel[a.Context]; k != nil && k.State == engine.Established {
				h.sent(k)
			}
			if h.n.lost(engine.Pair{Local: a.Source, Peer: a.Destination, Encapsulation: a.Encapsulation}, false, a.Length) {
				continue
			}
			h.n.transmit(a.Source, a.Destination, func(to *host) {
				if a.Encapsulation == engine.UDP && to.engine.UDP == engine.UDPNever {
					return
				}
				if a.Type != wire.TypeProbe {
					to.control(a.Message)
				}
				to.handle(engine.Control{Source: a.Source, Destination: a.Destination, Message: a.Message, Encapsulation: a.Encapsulation})
			})
		case engine.Done:
			h.done = append(h.done, a)
		case engine.ContextNew:
			h.must(h.contexts.New(a))
			k := &kernel{KernelContext: h.contexts.Get(a.Context.ULIDs)}
			h.kernel[a.Context.ULIDs], h.byTag[a.Context.TagLocal] = k, k
			h.order = h.contexts.Order()
		case engine.ContextSet:
			h.sets = append(h.sets, a)
			h.set(a)
		case engine.ContextDel:
			h.must(h.contexts.Del(a))
			delete(h.kernel, a.ULIDs)
			delete(h.byTag, a.TagLocal)
			h.order = h.contexts.Order()
		case engine.Persist:
			h.records.Save(a)
		}
	}
}

func (h *host) explores(tag wire.ContextTag) bool {
	k := h.byTag[tag]
	return k != nil && k.ReapState != operational
}

// asks notes an event that asks for a Probe at once (RFC 5534, sections 6.1 and 6.6 to
// 6.8).
func (h *host) asks(ev engine.Event) {
	switch ev := ev.(type) {
	case engine.Control:
		if m, err := wire.Decode(ev.Message); err == nil {
			// A late Probe that says Operational is answered by a host that explores.
			if p, ok := m.(*wire.Probe); ok && (p.State != wire.ProbeOperational || h.explores(p.ReceiverContextTag)) {
				h.asked = append(h.asked, h.n.now)
			}
		}
	case engine.Reap:
		switch ev.Kind {
		case engine.ReapSilence, engine.ReapRetransmission:
			h.silences = append(h.silences, h.n.now, h.n.now, h.n.now)
		case engine.ReapUnanswered:
			for range 3 + answerSpare + 1 {
				h.silences = append(h.silences, h.n.now)
			}
		}
		if ev.Kind == engine.ReapInbound {
			h.asked = append(h.asked, h.n.now)
		}
	}
}

func (h *host) set(a engine.ContextSet) {
	k := h.kernel[a.Context.ULIDs]
	state, pair := k.ReapState, k.Locator
	h.must(h.contexts.Set(a))
	k.header = k.header || !k.Locator.SamePath(engine.Pair{Local: k.Local, Peer: k.Peer})
	if k.early != nil && k.Locator != pair {
		k.early()
	}
	if k.restart != nil && k.Locator != pair {
		h.n.after(0, k.restart)
	}
	if k.ReapState != state {
		h.start(k, map[engine.ReapState]engine.ReapTimer{engine.ReapOperational: engine.ReapTimerKeepalive,
			engine.ReapExploring: engine.ReapTimerNone, engine.ReapInboundOK: engine.ReapTimerSend}[k.ReapState])
	}
	if a.Fields&engine.FieldReapTimer != 0 {
		h.start(k, a.Context.ReapTimer)
	}
}

// must fails if the kernel has refused something.
func (h *host) must(err error) {
	if err != nil {
		h.n.t.Fatalf("%s: %v", h.name, err)
	}
}

// start starts a timer from the beginning.
func (h *host) start(k *kernel, t engine.ReapTimer) {
	k.clock, k.since = t, h.n.now
	switch t {
	case engine.ReapTimerSend:
		since := k.since
		h.n.after(k.SendTimeout+time.Millisecond, func() {
			if k.clock != engine.ReapTimerSend || k.since != since || h.kernel[k.ULIDs] != k {
				return
			}
			k.clock, k.ReapState = engine.ReapTimerNone, engine.ReapExploring
			h.handle(engine.Reap{ULIDs: k.ULIDs, Tag: k.TagLocal, Kind: engine.ReapSendTimeout})
		})
	case engine.ReapTimerKeepalive:
		h.keepalive(k, k.since)
	}
}

func (h *host) keepalive(k *kernel, since time.Duration) {
	h.n.after(k.KeepaliveTimeout*2/5, func() {
		if k.clock != engine.ReapTimerKeepalive || k.since != since || h.kernel[k.ULIDs] != k || k.ReapState != engine.ReapOperational {
			return
		}
		h.n.trace = append(h.n.trace, probe{h.n.now, h.name, k.Locator.Local, k.Locator.Peer, k.Locator.Encapsulation, nil, 0})
		h.messages[wire.TypeKeepalive] = append(h.messages[wire.TypeKeepalive], h.n.now)
		if h.n.lost(k.Locator, false, 0) {
			return
		}
		h.n.transmit(k.Locator.Local, k.Locator.Peer, func(to *host) {
			p := to.byTag[k.TagPeer]
			if p != nil && p.ReapState == engine.ReapExploring {
				to.heardFirst(p)
			} else if p != nil && p.clock == engine.ReapTimerSend {
				p.clock = engine.ReapTimerNone
			}
		})
		if h.n.now-since < k.KeepaliveTimeout {
			h.keepalive(k, since)
		} else {
			k.clock = engine.ReapTimerNone
		}
	})
}

// sent is payload that is sent.
func (h *host) sent(k *kernel) {
	if k.ReapState != engine.ReapExploring && k.clock != engine.ReapTimerSend {
		h.start(k, engine.ReapTimerSend)
	}
}

// received is payload that is heard.
func (h *host) received(k *kernel) {
	k.heard++
	k.heardAt = h.n.now
	switch k.ReapState {
	case engine.ReapExploring:
		h.heardFirst(k)
	case engine.ReapInboundOK:
		if k.clock == engine.ReapTimerSend {
			k.clock = engine.ReapTimerNone
		}
	default:
		if k.clock != engine.ReapTimerKeepalive {
			h.start(k, engine.ReapTimerKeepalive)
		}
	}
}

func (h *host) heardFirst(k *kernel) {
	k.ReapState = engine.ReapInboundOK
	h.start(k, engine.ReapTimerSend)
	h.handle(engine.Reap{ULIDs: k.ULIDs, Tag: k.TagLocal, Kind: engine.ReapInbound})
}

func (h *host) control(b []byte) {
	if tag, ok := wire.ReceiverContextTag(b); ok {
		if k := h.byTag[tag]; k != nil && k.State == engine.Established {
			h.received(k)
		}
	}
}

// payload sends a packet of a ULP.
func (h *host) payload(u engine.ULIDs) {
	k := h.kernel[u]
	h.sent(k)
	if h.n.lost(k.Locator, true, 0) {
		return
	}
	h.n.transmit(k.Locator.Local, k.Locator.Peer, func(to *host) {
		if p := to.byTag[k.TagPeer]; p != nil {
			to.received(p)
			if p.came != nil {
				p.came()
			}
		}
	})
}

// flow sends payload again and again.
func (h *host) flow(u engine.ULIDs, every time.Duration) {
	if h.kernel[u] != nil {
		h.payload(u)
		h.n.after(every, func() { h.flow(u, every) })
	}
}

func (n *network) transmit(source, destination netip.Addr, deliver func(*host)) {
	if n.opens != nil && !n.owner[source].down(source) {
		n.opens(source, destination)
	}
	if n.dead(source, destination) || n.owner[source].down(source) {
		return
	}
	n.after(n.delay, func() {
		if n.closed != nil && n.closed(source, destination) {
			return
		}
		if to := n.owner[destination]; to != nil && !to.down(destination) {
			deliver(to)
		}
	})
}

func (n *network) lost(p engine.Pair, payload bool, length int) bool {
	return n.loses != nil && n.loses(p, payload, length)
}

// down reports whether the link of an address is.
func (h *host) down(a netip.Addr) bool {
	i := slices.IndexFunc(h.locals, func(l engine.LocalLocator) bool { return l.Address == a })
	return i < 0 || h.locals[i].Preference.Flags&wire.FlagBroken != 0
}

// link brings the link of an address down or up.
func (h *host) link(i int, up bool) {
	h.locals = slices.Clone(h.locals)
	h.locals[i].Preference.Flags &^= wire.FlagBroken
	if !up {
		h.locals[i].Preference.Flags |= wire.FlagBroken
	}
	h.handle(engine.Locators{Local: h.locals})
}

// pass lets time pass.
func (n *network) pass(d time.Duration) { enginetest.Pass(&n.now, d, &n.events, n.hosts) }

// Next is when the daemon wants a Tick; false if there is nothing to wait for.
func (h *host) Next() (time.Duration, bool) { return h.e.Next() }

// Tick hands the daemon a Tick.
func (h *host) Tick() { h.handle(engine.Tick{}) }

// two are two hosts with a context between their first addresses.
func two(t testing.TB, addresses int, c ...Config) (n *network, a, b *host, ab, ba engine.ULIDs) {
	t.Helper()
	n = newNetwork(t)
	var configs [2]Config
	copy(configs[:], c)
	a, b = n.host("A", addresses, configs[0]), n.host("B", addresses, configs[1])
	ab = engine.ULIDs{Local: a.addr(0), Peer: b.addr(0)}
	ba = engine.ULIDs{Local: ab.Peer, Peer: ab.Local}
	a.handle(engine.Acquire{Local: ab.Local, Peer: ab.Peer})
	n.pass(time.Second)
	if a.e.State(ab) != engine.Established || b.e.State(ba) != engine.Established {
		t.Fatal("no context")
	}
	// The timers that the exchange has started have run out.
	n.pass(time.Minute)
	n.trace = nil
	a.sets, b.sets = nil, nil
	return n, a, b, ab, ba
}

// kill has all packets lost in both directions between addresses of pairs.
func (n *network) kill(pairs ...engine.Pair) {
	n.dead = func(s, d netip.Addr) bool {
		return slices.Contains(pairs, engine.Pair{Local: s, Peer: d}) || slices.Contains(pairs, engine.Pair{Local: d, Peer: s})
	}
}

// firewalls puts one in front of each host: it lets in what belongs to a flow from inside.
func (n *network) firewalls(open ...engine.Pair) {
	inside := map[engine.Pair]bool{}
	for _, p := range open {
		inside[p], inside[engine.Pair{Local: p.Peer, Peer: p.Local}] = true, true
	}
	n.opens = func(s, d netip.Addr) { inside[engine.Pair{Local: s, Peer: d}] = true }
	n.closed = func(s, d netip.Addr) bool { return !inside[engine.Pair{Local: d, Peer: s}] }
}

// killOneWay has packets lost in one direction.
func (n *network) killOneWay(pairs ...engine.Pair) {
	n.dead = func(s, d netip.Addr) bool { return slices.Contains(pairs, engine.Pair{Local: s, Peer: d}) }
}

// probes is what was sent, for people.
func (n *network) probes() []string {
	var out []string
	for _, p := range n.trace {
		name := func(a netip.Addr) string {
			h := n.owner[a]
			return fmt.Sprintf("%s%d", h.name, 1+slices.IndexFunc(h.locals, func(l engine.LocalLocator) bool { return l.Address == a }))
		}
		if p.m == nil {
			out = append(out, fmt.Sprintf("%s>%s Keepalive", name(p.source), name(p.destination)))
			continue
		}
		out = append(out, fmt.Sprintf("%s>%s %v %d", name(p.source), name(p.destination), p.m.State, len(p.m.Received)))
	}
	return out
}

func (h *host) state(u engine.ULIDs) engine.ReapState {
	c, _ := h.e.Context(u)
	return c.Reap
}

func (h *host) current(u engine.ULIDs) engine.Pair {
	c, _ := h.e.Context(u)
	return c.Current
}

func (h *host) pair(i int, o *host, j int) engine.Pair {
	return engine.Pair{Local: h.addr(i), Peer: o.addr(j)}
}
