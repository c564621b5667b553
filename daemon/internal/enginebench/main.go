// SPDX-License-Identifier: BSD-3-Clause

// Command enginebench measures daemon/internal/engine: two Engines back to back in one
// goroutine, so that a figure is what one processor does for both ends. It does only the
// actions that the other end sees: it hands messages over, and ignores the kernel and the
// Records.
package main

import (
	"crypto/rand"
	"crypto/rsa"
	"flag"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"text/tabwriter"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/internal/engine/enginetest"
)

func main() {
	most := flag.Int("contexts", 100000, "how many contexts there are at most")
	flag.Parse()
	if flag.NArg() > 0 || *most < 2000 {
		fmt.Fprintln(os.Stderr, "engine: it takes -contexts, of 2000 at least")
		flag.Usage()
		os.Exit(1)
	}
	if err := run(os.Stdout, *most); err != nil {
		fmt.Fprintln(os.Stderr, "engine:", err)
		os.Exit(2)
	}
}

// way is how locators are proved.
type way struct {
	name    string
	trusted bool
	key     bool
	// signed: there is a locator that needs a signature.
	signed bool
}

var ways = []way{
	{name: "trusted prefixes", trusted: true},
	{name: "HBA"},
	{name: "HBA, and CGA of 2048 bits", key: true, signed: true},
}

func run(w io.Writer, most int) error {
	fmt.Fprintf(w, "%s, per second of one processor that does both ends\n\n", runtime.Version())
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tcontexts made\tupdates\trecovered\toctets a context\t")
	for _, way := range ways {
		for _, n := range []int{1000, most} {
			f, err := measure(way, n)
			if err != nil {
				return err
			}
			fmt.Fprintf(t, "%s, %d contexts\t%.0f\t%.0f\t%.0f\t%d\t\n", way.name, n, f.made, f.updated, f.recovered, f.memory)
		}
	}
	return t.Flush()
}

// figures are the results: contexts a second, and octets a context.
type figures struct {
	made, updated, recovered float64
	memory                   int64
}

func measure(way way, n int) (f figures, err error) {
	p, err := newPair(way, n)
	if err != nil {
		return f, err
	}
	before := heap()
	// Few contexts are made several times, so that the measured time is long enough.
	rounds := max(1, 20000/n)
	if way.signed {
		rounds = 1
	}
	start := time.Now()
	for r := range rounds {
		p.open(n)
		if r < rounds-1 {
			p.close()
		}
	}
	f.made = rate(rounds*n, start)
	if got := p.a.e.Size().Contexts; got != n || p.b.e.Size().Contexts != n {
		return f, fmt.Errorf("there are %d and %d contexts, not %d", got, p.b.e.Size().Contexts, n)
	}
	f.memory = (heap() - before) / int64(2*n)
	runtime.KeepAlive(p)

	start = time.Now()
	for r := range rounds {
		p.update(r)
	}
	f.updated = rate(rounds*n, start)

	start = time.Now()
	for range rounds {
		p.recover()
	}
	f.recovered = rate(rounds*n, start)
	return f, nil
}

func rate(n int, start time.Time) float64 { return float64(n) / time.Since(start).Seconds() }

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// end is an Engine, with a message queue between it and the other one.
type end struct {
	e      *engine.Engine
	locals []engine.LocalLocator
	other  *end
}

type pair struct {
	a, b *end
	now  time.Duration
	// queue are messages on their way.
	queue []message
}

type message struct {
	to *end
	s  engine.Send
}

func newPair(way way, n int) (*pair, error) {
	p := &pair{now: time.Hour}
	var err error
	if p.a, err = newEnd(way, n, 0xa); err != nil {
		return nil, err
	}
	if p.b, err = newEnd(way, n, 0xb); err != nil {
		return nil, err
	}
	p.a.other, p.b.other = p.b, p.a
	p.handle(p.a, engine.Locators{Local: p.a.locals})
	p.handle(p.b, engine.Locators{Local: p.b.locals})
	return p, nil
}

func newEnd(way way, n int, which int) (*end, error) {
	c := engine.Config{
		Random: mathrand.NewPCG(uint64(which), 1),
		// A peer can't fill a limit, so this is twice of what is needed.
		MaxContexts: 2 * n, MaxPeerContexts: 2 * n, MaxPrefixContexts: 2 * n,
		R1:    engine.Limit{PerPrefix: 1 << 30, Total: 1 << 30},
		R1bis: engine.Limit{PerPrefix: 1 << 30, Total: 1 << 30},
	}
	var prefixes []netip.Addr
	var x end
	for i := range 3 {
		a := netip.MustParseAddr(fmt.Sprintf("2001:db8:%x:%x::1", which, i))
		prefixes = append(prefixes, a)
		if way.trusted {
			x.locals = append(x.locals, engine.LocalLocator{Address: a})
		}
	}
	if way.trusted {
		c.TrustedPrefixes = []netip.Prefix{netip.MustParsePrefix("2001:db8::/32")}
	} else {
		var err error
		var key *rsa.PrivateKey
		if way.key {
			if key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
				return nil, err
			}
		}
		if x.locals, err = enginetest.HBASet(rand.Reader, key, prefixes...); err != nil {
			return nil, err
		}
	}
	if way.signed {
		x.locals = append(x.locals, engine.LocalLocator{Address: netip.MustParseAddr(fmt.Sprintf("2001:db8:%x:ff::1", which))})
	}
	e, err := engine.New(c)
	if err != nil {
		return nil, err
	}
	x.e = e
	return &x, nil
}

func (p *pair) handle(x *end, ev engine.Event) {
	for _, a := range x.e.Handle(p.now, ev) {
		if s, ok := a.(engine.Send); ok {
			p.queue = append(p.queue, message{x.other, s})
		}
	}
}

// deliver hands messages over until there are none.
func (p *pair) deliver() {
	for len(p.queue) > 0 {
		m := p.queue[0]
		p.queue = p.queue[1:]
		p.handle(m.to, engine.Control{Source: m.s.Source, Destination: m.s.Destination, Message: m.s.Message})
	}
	p.queue = nil
}

func (p *pair) ulids(i int) engine.ULIDs {
	return engine.ULIDs{Local: p.a.locals[0].Address, Peer: p.b.locals[0].Address, FII: uint32(i)}
}

func (p *pair) open(n int) {
	for i := range n {
		p.handle(p.a, engine.Open{ULIDs: p.ulids(i)})
		p.deliver()
	}
}

func (p *pair) close() {
	for i := range p.a.e.Size().Contexts {
		u := p.ulids(i)
		p.handle(p.a, engine.Close{ULIDs: u})
		p.handle(p.b, engine.Close{ULIDs: engine.ULIDs{Local: u.Peer, Peer: u.Local, FII: u.FII}})
	}
}

// update has A tell B in every context that a locator is better or worse now.
func (p *pair) update(round int) {
	p.a.locals[1].Preference.Priority = uint8(1 + round%2)
	p.handle(p.a, engine.Locators{Local: p.a.locals})
	p.deliver()
	for {
		at, ok := p.a.e.Next()
		if !ok {
			return
		}
		p.now = max(p.now, at)
		p.handle(p.a, engine.Tick{})
		p.deliver()
	}
}

// recover makes B lose every context, and make it again.
func (p *pair) recover() {
	for i := range p.a.e.Size().Contexts {
		u := p.ulids(i)
		back := engine.ULIDs{Local: u.Peer, Peer: u.Local, FII: u.FII}
		c, _ := p.a.e.Context(u)
		p.handle(p.b, engine.Close{ULIDs: back})
		p.handle(p.b, engine.NoContext{Source: u.Local, Destination: u.Peer, Tag: c.TagPeer})
		p.deliver()
	}
}
