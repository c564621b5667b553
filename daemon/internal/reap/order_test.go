// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
	"shim6/tools/conformance/shows"
)

// addresses are the addresses of these tests by their names. A's are ours, B's the peer's. Any two
// have their first 43 bits in common, unless a comment says otherwise.
var addresses = map[string]netip.Addr{
	"A1": netip.MustParseAddr("2001:db8:a1::1"),
	"A2": netip.MustParseAddr("2001:db8:a2::1"),
	"A3": netip.MustParseAddr("2001:db8:a4::1"),
	"A4": netip.MustParseAddr("2001:db8:a8::1"),
	"A5": netip.MustParseAddr("2001:db8:a9::1"),
	"B1": netip.MustParseAddr("2001:db8:b1::1"),
	"B2": netip.MustParseAddr("2001:db8:b2::1"),
	"B3": netip.MustParseAddr("2001:db8:b3::1"),
	// 48 bits in common with A2.
	"Bnear": netip.MustParseAddr("2001:db8:a2:8000::1"),
	// 64 and 127 bits in common with Ahalf.
	"Ahalf": netip.MustParseAddr("2001:db8:a6:0:8000::3"),
	"B64":   netip.MustParseAddr("2001:db8:a6::2"),
	"B127":  netip.MustParseAddr("2001:db8:a6:0:8000::2"),
	// Unique local.
	"Aul": netip.MustParseAddr("fd00:a::1"),
	"Bul": netip.MustParseAddr("fd00:b::1"),
	// Link-local.
	"All": netip.MustParseAddr("fe80::a"),
}

// named is the pair of two names, such as "A1>B1".
func named(text string) engine.Pair {
	a, b, _ := strings.Cut(text, ">")
	return engine.Pair{Local: addresses[a], Peer: addresses[b]}
}

// nameOf is the reverse of named.
func nameOf(p engine.Pair) string {
	var a, b string
	for name, x := range addresses {
		if x == p.Local {
			a = name
		}
		if x == p.Peer {
			b = name
		}
	}
	return a + ">" + b
}

// ours is an address of this host, and theirs a proved locator of the peer.
func ours(name string, p wire.Preference) engine.LocalLocator {
	return engine.LocalLocator{Address: addresses[name], Preference: p}
}

func theirs(name string, p wire.Preference) engine.PeerLocator {
	return engine.PeerLocator{Address: addresses[name], Verified: true, Flags: p.Flags, Priority: p.Priority, Weight: p.Weight}
}

func by(policy engine.InterfacePolicy, l engine.LocalLocator) engine.LocalLocator {
	l.Policy = policy
	return l
}

// contextOf makes a host with addresses, and describes a context with locators of the peer. The
// Session is that of a simpler context, which is possible with any locators.
func contextOf(t *testing.T, ulids engine.Pair, local []engine.LocalLocator, peer []engine.PeerLocator) (*host, *engine.Session, engine.Info) {
	t.Helper()
	n := newNetwork(t)
	h := n.host("A", 0, Config{})
	n.dead = func(_, _ netip.Addr) bool { return true }
	h.handle(engine.Locators{Local: append(slices.Clone(local), ours("A1", wire.Preference{}))})
	u := engine.ULIDs{Local: addresses["A1"], Peer: ulids.Peer}
	h.handle(engine.Acquire{Local: u.Local, Peer: u.Peer})
	s, ok := h.e.Session(u)
	if !ok {
		t.Fatal("no context")
	}
	c := engine.Info{ULIDs: engine.ULIDs{Local: ulids.Local, Peer: ulids.Peer}, Current: ulids, PeerLocators: peer}
	for _, l := range local {
		c.LocalLocators = append(c.LocalLocators, l.Address)
	}
	return h, s, c
}

// The candidates are the pairs of our addresses with the peer's locators. Addresses that are gone,
// not proved or not to be used are left out. The order is that of RFC 6724, as far as that is
// about pairs, of policies, and of what both hosts prefer.
func TestCandidates(t *testing.T) {
	shows.IDs(t, "5534-4.3-01 5534-4.3-02 6629-4-01")
	type (
		locals = []engine.LocalLocator
		peers  = []engine.PeerLocator
	)
	var (
		same      wire.Preference
		broken    = wire.Preference{Flags: wire.FlagBroken}
		transient = wire.Preference{Flags: wire.FlagTransient}
	)
	priority := func(n uint8) wire.Preference { return wire.Preference{Priority: n} }
	unproved, dropped := theirs("B2", same), theirs("B3", same)
	unproved.Verified, dropped.Dropped = false, true
	for _, x := range []struct {
		name  string
		ulids string
		local locals
		peer  peers
		want  string
	}{
		{"the ULIDs first", "A2>B2", locals{ours("A1", same), ours("A2", same)}, peers{theirs("B1", same), theirs("B2", same)},
			"A2>B2 A1>B1 A1>B2 A2>B1"},
		{"rule 8: the longer common prefix", "A1>B1", locals{ours("A1", same), ours("A2", same)}, peers{theirs("B1", same), theirs("Bnear", same)},
			// The last two have 46 and 43 bits in common.
			"A1>B1 A2>Bnear A1>Bnear A2>B1"},
		{"rule 8: of 64 bits", "A1>B1", locals{ours("Ahalf", same)}, peers{theirs("B1", same), theirs("B127", same), theirs("B64", same)},
			"Ahalf>B64 Ahalf>B127 Ahalf>B1"},
		{"rule 6: unique local with unique local", "A1>B1", locals{ours("A1", priority(20)), ours("Aul", same)}, peers{theirs("B1", priority(20)), theirs("Bul", same)},
			"Aul>Bul A1>B1 A1>Bul Aul>B1"},
		{"rule 6: also before the ULIDs", "Aul>B1", locals{ours("Aul", same), ours("A1", same)}, peers{theirs("B1", same)},
			"A1>B1 Aul>B1"},
		{"rule 3: deprecated ones behind", "A1>B1", locals{ours("A1", transient), ours("A2", priority(9))}, peers{theirs("B1", transient), theirs("B2", same)},
			"A2>B2 A1>B1 A1>B2 A2>B1"},
		{"rule 3: and behind unique local with global", "A1>B1", locals{ours("A1", transient), ours("Aul", same)}, peers{theirs("B1", same)},
			"Aul>B1 A1>B1"},
		{"the lower priority of both together", "A1>B1", locals{ours("A1", priority(5)), ours("A2", priority(3))}, peers{theirs("B1", priority(1)), theirs("B2", priority(4))},
			"A2>B1 A1>B1 A2>B2 A1>B2"},
		{"one with a weight", "A1>B1", locals{ours("A1", same), ours("A2", wire.Preference{Weight: 1})}, peers{theirs("B1", same)},
			"A2>B1 A1>B1"},
		{"the lower priority before a weight", "A1>B1", locals{ours("A1", same), ours("A2", wire.Preference{Priority: 1, Weight: 1})}, peers{theirs("B1", same)},
			"A1>B1 A2>B1"},
		{"by the policies of interfaces", "A1>B1", locals{
			by(engine.PolicyMetered, ours("A1", same)), by(engine.PolicyNever, ours("A2", same)), by(engine.PolicyBackup, ours("A3", same)),
			ours("A4", same), by(engine.PolicyPreferred, ours("A5", transient)), by(engine.PolicyPreferred, ours("Aul", same)),
		}, peers{theirs("B1", same)},
			"Aul>B1 A5>B1 A4>B1 A3>B1 A1>B1"},
		{"never to be used, but in use", "A1>B1", locals{by(engine.PolicyNever, ours("A1", same)), by(engine.PolicyMetered, ours("A2", same))}, peers{theirs("B1", same), theirs("B2", same)},
			"A2>B1 A2>B2 A1>B1"},
		{"never to be used, and not in use", "A2>B1", locals{by(engine.PolicyNever, ours("A1", same))}, peers{theirs("B1", same)},
			""},
		{"broken ones of the peer last", "A1>B1", locals{ours("A1", same), by(engine.PolicyMetered, ours("A2", same))}, peers{theirs("B1", broken), theirs("B2", same)},
			"A1>B2 A2>B2 A1>B1 A2>B1"},
		{"broken ones of ours not at all", "A1>B1", locals{ours("A1", broken), ours("A2", same), ours("A3", broken)}, peers{theirs("B1", same)},
			"A2>B1"},
		{"broken ones if there are no others", "A1>B1", locals{ours("A1", broken), ours("A2", broken)}, peers{theirs("B1", same)},
			"A1>B1 A2>B1"},
		{"not those that are not proved, or dropped", "A1>B1", locals{ours("A1", same)}, peers{theirs("B1", same), unproved, dropped},
			"A1>B1"},
		{"no link-local address", "A1>B1", locals{ours("All", same), ours("A1", same)}, peers{theirs("B1", same)},
			"A1>B1"},
	} {
		h, s, c := contextOf(t, named(x.ulids), x.local, x.peer)
		// An address that this host has no more, though the peer knows it.
		c.LocalLocators = append(c.LocalLocators, netip.MustParseAddr("2001:db8:a7::1"))
		var got []string
		for _, p := range h.r.candidates(s, &c) {
			got = append(got, nameOf(p.Pair))
		}
		if got := strings.Join(got, " "); got != x.want {
			t.Errorf("%s:\n got %s\nwant %s", x.name, got, x.want)
		}
	}
}

// A criterion that only decides between equals moves no context.
func TestCompareEquals(t *testing.T) {
	a, b := candidate{Pair: named("A1>B1"), prefix: 43}, candidate{Pair: named("A2>Bnear"), prefix: 48}
	if d := a.compare(&b); d != 0 {
		t.Errorf("compared %d", d)
	}
	b.primary = true
	if a.compare(&b) <= 0 || b.compare(&a) >= 0 {
		t.Error("the ULIDs are no better")
	}
}

// Pairs that have just worked for other contexts are chosen first, then those that differ most from
// the pairs tried. Behind them come those that have just failed, cost money, or are broken.
func TestChoose(t *testing.T) {
	const now = time.Hour
	four := []string{"A1>B1", "A1>B2", "A2>B1", "A2>B2"}
	worked := func(ago time.Duration, pair string) func(*paths) {
		return func(p *paths) { p.answered(named(pair), now-ago, now-ago, 0) }
	}
	failed := func(ago time.Duration, pair string) func(*paths) {
		return func(p *paths) { p.unanswered(named(pair), now-ago, now-ago) }
	}
	for _, x := range []struct {
		name            string
		list, tried     []string
		broken, metered string
		known           []func(*paths)
		want            string
	}{
		{name: "the best, and what differs most", list: four, want: "A1>B1 A2>B2 A1>B2 A2>B1"},
		{name: "not the pair that was tried", list: four, tried: []string{"A1>B1"}, want: "A2>B2 A1>B2 A2>B1"},
		{name: "one in common is better than two", list: []string{"A1>B1", "A1>B2", "A2>B2", "A3>B1"}, want: "A1>B1 A2>B2 A3>B1 A1>B2"},
		{name: "a pair that was tried counts even if it is no candidate", list: []string{"A1>B1", "A2>B2"}, tried: []string{"A1>B3"}, want: "A2>B2 A1>B1"},
		{name: "worked just now", list: four, tried: []string{"A1>B1"}, known: []func(*paths){worked(fresh, "A1>B2")}, want: "A1>B2 A2>B1 A2>B2"},
		{name: "worked long ago", list: four, tried: []string{"A1>B1"}, known: []func(*paths){worked(fresh+1, "A1>B2")}, want: "A2>B2 A1>B2 A2>B1"},
		{name: "failed just now", list: four, known: []func(*paths){failed(fresh, "A1>B1")}, want: "A1>B2 A2>B1 A2>B2 A1>B1"},
		{name: "failed long ago", list: four, known: []func(*paths){failed(fresh+1, "A1>B1")}, want: "A1>B1 A2>B2 A1>B2 A2>B1"},
		{name: "worked, and then failed", list: four, known: []func(*paths){worked(5*time.Second, "A1>B1"), failed(time.Second, "A1>B1")},
			want: "A1>B2 A2>B1 A2>B2 A1>B1"},
		{name: "failed, and then worked", list: four, known: []func(*paths){failed(5*time.Second, "A2>B1"), worked(time.Second, "A2>B1")},
			want: "A2>B1 A1>B2 A1>B1 A2>B2"},
		{name: "pairs that cost money go behind pairs that have just failed", list: four, metered: "A1", known: []func(*paths){failed(time.Second, "A2>B1"), worked(time.Second, "A1>B1")},
			want: "A2>B2 A2>B1 A1>B1 A1>B2"},
		{name: "broken pairs go behind pairs that cost money", list: []string{"A1>B1", "A2>B1", "A3>B1"}, broken: "A1", metered: "A2", known: []func(*paths){worked(time.Second, "A1>B1")},
			want: "A3>B1 A2>B1 A1>B1"},
	} {
		known := newPaths(10)
		for _, k := range x.known {
			k(&known)
		}
		var list []candidate
		for _, name := range x.list {
			c := candidate{Pair: named(name)}
			c.broken = c.Local == addresses[x.broken]
			if c.Local == addresses[x.metered] {
				c.policy = policies[engine.PolicyMetered]
			}
			list = append(list, c)
		}
		var tried []engine.Pair
		for _, name := range x.tried {
			tried = append(tried, named(name))
		}
		var got []string
		for {
			p, ok := choose(list, tried, &known, now, now)
			if !ok {
				break
			}
			if len(got) == len(list) {
				t.Fatalf("%s: one is chosen twice: %q", x.name, got)
			}
			tried, got = append(tried, p), append(got, nameOf(p))
		}
		if got := strings.Join(got, " "); got != x.want {
			t.Errorf("%s:\n got %s\nwant %s", x.name, got, x.want)
		}
	}
}
