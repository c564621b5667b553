// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"shim6/daemon/internal/engine"
)

// homed returns n addresses of a host by each of its providers.
func homed(host byte, providers, n int) []netip.Addr {
	var list []netip.Addr
	for p := range providers {
		for i := range n {
			list = append(list, netip.MustParseAddr(fmt.Sprintf("2001:db8:%x%d:1::%x", host, p+1, 0x100+i)))
		}
	}
	return list
}

func pairsOf(locals, peers []netip.Addr) []candidate {
	var list []candidate
	for _, a := range locals {
		for _, b := range peers {
			list = append(list, candidate{Pair: engine.Pair{Local: a, Peer: b}})
		}
	}
	return list
}

// providersOf names the providers of pairs. 12 is from our first to the peer's second.
func providersOf(pairs []engine.Pair) string {
	var list []string
	for _, p := range pairs {
		list = append(list, p.Local.String()[10:11]+p.Peer.String()[10:11])
	}
	return strings.Join(list, " ")
}

// All networks are tried before one is tried again, however many addresses there are by each
// provider. The first are those that have nothing in common with the pair that has failed.
func TestChooseByProvider(t *testing.T) {
	for _, n := range []int{1, 2, 5} {
		list := pairsOf(homed(0xa, 2, n), homed(0xb, 2, n))
		known := newPaths(1000)
		tried := []engine.Pair{list[0].Pair}
		for range list[1:] {
			p, ok := choose(list, tried, &known, 0, 0)
			if !ok {
				t.Fatalf("%d addresses: none after %d", n, len(tried))
			}
			tried = append(tried, p)
		}
		got := providersOf(tried)
		if want := strings.TrimSuffix(strings.Repeat("11 22 12 21 ", n*n), " "); got != want {
			t.Errorf("%d addresses: the order is\n%s, wanted\n%s", n, got, want)
		}
		slices.SortFunc(tried, func(a, b engine.Pair) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		if len(slices.Compact(tried)) != len(list) {
			t.Errorf("%d addresses: one was chosen twice", n)
		}
	}
}

// If an address was found to work or to fail, other addresses of its network are expected to do
// the same, unless the context has tried the network itself. A neighbour of the peer does not
// count.
func TestChooseByWhatIsKnownOfNetworks(t *testing.T) {
	const now = time.Hour
	locals, peers := homed(0xa, 2, 2), homed(0xb, 2, 2)
	at := func(local, peer int) engine.Pair { return engine.Pair{Local: locals[local], Peer: peers[peer]} }
	neighbour := netip.MustParseAddr("2001:db8:b2:1::77")
	for _, x := range []struct {
		name, want string
		know       func(*paths)
		began      time.Duration
		tried      []engine.Pair
	}{
		{"nothing is known", "22", func(*paths) {}, now, []engine.Pair{at(0, 0)}},
		{"another address has just worked between these networks", "12", func(p *paths) { p.answered(at(1, 2), now-2, now-1, 0) }, now, []engine.Pair{at(0, 0)}},
		{"it worked long ago", "22", func(p *paths) { p.answered(at(1, 2), now-2*fresh, now-2*fresh, 0) }, now, []engine.Pair{at(0, 0)}},
		{"it worked before its networks were tried", "21", func(p *paths) { p.answered(at(1, 2), now-time.Second, now-time.Second, 0) }, now - time.Millisecond,
			[]engine.Pair{at(0, 0), at(0, 2)}},
		{"it worked after its networks were tried", "12", func(p *paths) { p.answered(at(1, 2), now-time.Second, now-time.Second, 0) }, now - 2*time.Second,
			[]engine.Pair{at(0, 0), at(0, 2)}},
		{"a third has failed there since", "22", func(p *paths) {
			p.answered(at(1, 2), now-2*fresh, now-2*fresh, 0)
			p.unanswered(at(0, 3), now-time.Second, now-time.Second/2)
		}, now, []engine.Pair{at(0, 0)}},
		{"the peer's neighbour has just worked", "22", func(p *paths) {
			p.answered(engine.Pair{Local: locals[0], Peer: neighbour}, now-2, now-1, 0)
		}, now, []engine.Pair{at(0, 0)}},
	} {
		known := newPaths(1000)
		x.know(&known)
		p, _ := choose(pairsOf(locals, peers), x.tried, &known, x.began, now)
		if got := providersOf([]engine.Pair{p}); got != x.want {
			t.Errorf("%s: %s comes next, wanted %s", x.name, got, x.want)
		}
	}
	// A pair that is itself known to work goes before others between its networks.
	known := newPaths(1000)
	known.answered(at(1, 3), now-2, now-1, 0)
	if p, _ := choose(pairsOf(locals, peers), []engine.Pair{at(0, 0)}, &known, now-3, now); p != at(1, 3) {
		t.Errorf("%v comes next", p)
	}
}

// BenchmarkChoose shows that a choice takes a moment, with as many locators as there can be.
func BenchmarkChoose(b *testing.B) {
	for _, n := range []int{2, 8, 16} {
		b.Run(fmt.Sprintf("%dx%d", 2*n, 2*n), func(b *testing.B) {
			list := pairsOf(homed(0xa, 2, n), homed(0xb, 2, n))
			var tried []engine.Pair
			for _, c := range list[:len(list)/2] {
				tried = append(tried, c.Pair)
			}
			known := newPaths(1000)
			for b.Loop() {
				choose(list, tried, &known, 0, 0)
			}
		})
	}
}

// Two addresses can fail together because of their network, their site, their router or their interface.
func TestRelation(t *testing.T) {
	a := func(s string) netip.Addr { return netip.MustParseAddr(s) }
	peer := a("2001:db8:b::1")
	tried := candidate{Pair: engine.Pair{Local: a("2001:db8:a:1::1"), Peer: a("2001:db8:c::1")}, link: "eth0", router: a("fe80::1")}
	last := -1
	for _, x := range []struct{ local, link, router string }{
		{"2001:db8:d:1::1", "eth1", "fe80::1"}, {"2001:db8:d:1::1", "eth0", "fe80::2"}, {"2001:db8:d:1::1", "eth0", "fe80::1"},
		{"2001:db8:a:2::1", "eth1", "fe80::2"}, {"2001:db8:a:1::2", "eth0", "fe80::1"}, {"2001:db8:a:1::1", "eth0", "fe80::1"},
	} {
		c := candidate{Pair: engine.Pair{Local: a(x.local), Peer: peer}, link: x.link, router: a(x.router)}
		kin := attemptsOf([]engine.Pair{tried.Pair}, []candidate{tried, c}).kin(&c)
		if kin <= last {
			t.Errorf("%v is related by %d, wanted more than %d", x, kin, last)
		}
		last = kin
	}
	unknown := candidate{Pair: engine.Pair{Local: a("2001:db8:d:1::1"), Peer: peer}}
	nowhere := tried
	nowhere.link, nowhere.router = "", netip.Addr{}
	if kin := attemptsOf([]engine.Pair{nowhere.Pair}, []candidate{nowhere, unknown}).kin(&unknown); kin != 0 {
		t.Errorf("interfaces that are not known are related by %d", kin)
	}
}

// Networks are forgotten with the last pair between them.
func TestClassesAreBounded(t *testing.T) {
	known := newPaths(4)
	locals, peers := homed(0xa, 3, 2), homed(0xb, 3, 2)
	for _, c := range pairsOf(locals, peers) {
		known.answered(c.Pair, 0, 0, 0)
		known.unanswered(c.Pair, 0, 0)
	}
	pairs := 0
	for _, c := range known.networks {
		pairs += c.pairs
	}
	if len(known.by) != 4 || pairs != 4 || len(known.networks) > 4 {
		t.Errorf("%d pairs are remembered, of %d networks with %d pairs", len(known.by), len(known.networks), pairs)
	}
}

// After a round one host goes on from the middle of all networks. So the two hosts probe different
// ones, and a network that works again is found in half the time.
func TestAgainByProvider(t *testing.T) {
	order := []engine.Pair{}
	known := newPaths(100)
	list := pairsOf(homed(0xa, 2, 2), homed(0xb, 2, 2))
	for {
		p, ok := choose(list, order, &known, 0, 0)
		if !ok {
			break
		}
		order = append(order, p)
	}
	other := fromMiddle(order)
	for i := range order {
		if networksOf(order[i]) == networksOf(other[i]) {
			t.Fatalf("both probe the same networks:\n%s\n%s", providersOf(order), providersOf(other))
		}
	}
	if len(other) != len(list) || fromMiddle(nil) != nil {
		t.Errorf("fromMiddle is %v", other)
	}
}
