// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"shim6/daemon/engine"
)

// homed are n addresses of a host by each of some providers.
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

// providersOf says by which providers pairs go, such as 12: from our first to the peer's second.
func providersOf(pairs []engine.Pair) string {
	var list []string
	for _, p := range pairs {
		list = append(list, p.Local.String()[10:11]+p.Peer.String()[10:11])
	}
	return strings.Join(list, " ")
}

// However many addresses there are of each provider, all networks are tried before one is
// tried again, and the first is the one that has nothing in common with what has failed.
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

// What one address of a network was found to do, the others of it are expected to do, but
// not if the network has failed since.
func TestChooseByWhatIsKnownOfNetworks(t *testing.T) {
	const now = time.Hour
	locals, peers := homed(0xa, 2, 2), homed(0xb, 2, 2)
	list := pairsOf(locals, peers)
	at := func(local, peer int) engine.Pair { return engine.Pair{Local: locals[local], Peer: peers[peer]} }
	known := newPaths(1000)
	next := func(what, want string, began time.Duration, tried ...engine.Pair) {
		t.Helper()
		p, _ := choose(list, tried, &known, began, now)
		if got := providersOf([]engine.Pair{p}); got != want {
			t.Errorf("%s: %s comes next, wanted %s", what, got, want)
		}
	}
	next("nothing is known", "22", now, at(0, 0))
	known.answered(at(1, 2), now-time.Second, now-time.Second, 0)
	next("another address has just worked between these networks", "12", now, at(0, 0))
	next("it has, before they were tried", "21", now-time.Millisecond, at(0, 0), at(0, 2))
	next("it has, after that", "12", now-2*time.Second, at(0, 0), at(0, 2))
	known.unanswered(at(0, 3), now-time.Second*3/4, now-time.Second/4)
	next("a third has failed there since", "22", now, at(0, 0))
}

// Two addresses can fail together for their network, their site or their interface.
func TestRelation(t *testing.T) {
	a := func(s string) netip.Addr { return netip.MustParseAddr(s) }
	peer := a("2001:db8:b::1")
	tried := candidate{Pair: engine.Pair{Local: a("2001:db8:a:1::1"), Peer: a("2001:db8:c::1")}, link: "eth0"}
	last := -1
	for _, x := range []struct{ local, link string }{
		{"2001:db8:d:1::1", "eth1"}, {"2001:db8:d:1::1", "eth0"}, {"2001:db8:a:2::1", "eth1"}, {"2001:db8:a:1::2", "eth0"}, {"2001:db8:a:1::1", "eth0"},
	} {
		c := candidate{Pair: engine.Pair{Local: a(x.local), Peer: peer}, link: x.link}
		kin, times, _ := c.relation([]candidate{tried, c}, []engine.Pair{tried.Pair})
		if kin <= last || times != 0 {
			t.Errorf("%v is related by %d, %d times, wanted more than %d", x, kin, times, last)
		}
		last = kin
	}
	unknown := candidate{Pair: engine.Pair{Local: a("2001:db8:d:1::1"), Peer: peer}}
	nowhere := tried
	nowhere.link = ""
	if kin, _, _ := unknown.relation([]candidate{nowhere, unknown}, []engine.Pair{nowhere.Pair}); kin != 0 {
		t.Errorf("interfaces that are not known are related by %d", kin)
	}
}

// What is remembered of networks goes with the last pair between them.
func TestClassesAreBounded(t *testing.T) {
	known := newPaths(4)
	locals, peers := homed(0xa, 3, 2), homed(0xb, 3, 2)
	for _, c := range pairsOf(locals, peers) {
		known.answered(c.Pair, 0, 0, 0)
		known.unanswered(c.Pair, 0, 0)
	}
	pairs := 0
	for _, c := range known.classes {
		pairs += c.pairs
	}
	if len(known.by) != 4 || pairs != 4 || len(known.classes) > 4 {
		t.Errorf("%d pairs are remembered, of %d networks with %d pairs", len(known.by), len(known.classes), pairs)
	}
}

// After a round one host goes on from the middle of the networks, too: so the two probe
// different ones, and a network that is back is found in half the time.
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
	other := turned(order)
	for i := range order {
		if classOf(order[i]) == classOf(other[i]) {
			t.Fatalf("both probe the same networks:\n%s\n%s", providersOf(order), providersOf(other))
		}
	}
	if len(other) != len(list) || turned(nil) != nil {
		t.Errorf("turned is %v", other)
	}
}
