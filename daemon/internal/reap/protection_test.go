// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"net/netip"
	"testing"

	"shim6/daemon/cga"
	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
)

// A context is protected only by pairs between other networks. If there are none, the sentence says
// what each host lacks.
func TestProtection(t *testing.T) {
	var (
		same      wire.Preference
		broken    = wire.Preference{Flags: wire.FlagBroken}
		made      = func(l engine.LocalLocator) engine.LocalLocator { l.PDS = &cga.PDS{}; return l }
		temporary = func(l engine.LocalLocator) engine.LocalLocator { l.Temporary = true; return l }
		sibling   = engine.LocalLocator{Address: netip.MustParseAddr("2001:db8:a1::2")}
		unproved  = theirs("B2", same)
		through   = func(l engine.LocalLocator, link, router string) engine.LocalLocator {
			l.Interface, l.Router = link, netip.MustParseAddr(router)
			return l
		}
	)
	unproved.Verified = false
	const noOther = "the peer has told of no other provider: it has none, or its ULID proves none"
	for _, x := range []struct {
		name  string
		local []engine.LocalLocator
		peer  []engine.PeerLocator
		want  string
	}{
		{"two providers each", []engine.LocalLocator{made(ours("A1", same)), ours("A2", same)}, []engine.PeerLocator{theirs("B1", same), theirs("B2", same)},
			"protected by 3 other pairs, of 2 networks here and 2 networks there"},
		{"one router for both of ours", []engine.LocalLocator{through(made(ours("A1", same)), "up1", "fe80::1"), through(ours("A2", same), "up1", "fe80::1")}, []engine.PeerLocator{theirs("B1", same)},
			"protected by 1 other pair, of 2 networks here (all by one router, fe80::1 on up1) and 1 network there (" + noOther + ")"},
		{"two routers on a link", []engine.LocalLocator{through(made(ours("A1", same)), "up1", "fe80::1"), through(ours("A2", same), "up1", "fe80::2")}, []engine.PeerLocator{theirs("B1", same)},
			"protected by 1 other pair, of 2 networks here and 1 network there (" + noOther + ")"},
		{"a router of the same address on each link", []engine.LocalLocator{through(made(ours("A1", same)), "up1", "fe80::1"), through(ours("A2", same), "up2", "fe80::1")}, []engine.PeerLocator{theirs("B1", same)},
			"protected by 1 other pair, of 2 networks here and 1 network there (" + noOther + ")"},
		{"one of ours", []engine.LocalLocator{made(ours("A1", same)), sibling}, []engine.PeerLocator{theirs("B1", same), theirs("B2", same)},
			"protected by 2 other pairs, of 1 network here (we have one provider) and 2 networks there"},
		{"one of the peer's", []engine.LocalLocator{ours("A1", same), ours("A2", same)}, []engine.PeerLocator{theirs("B1", same)},
			"protected by 1 other pair, of 2 networks here and 1 network there (" + noOther + ")"},
		{"one each, though with two addresses", []engine.LocalLocator{made(ours("A1", same)), sibling}, []engine.PeerLocator{theirs("B1", same)},
			"not protected: we have one provider, and " + noOther},
		{"two networks of one site", []engine.LocalLocator{made(ours("A1", same)), {Address: netip.MustParseAddr("2001:db8:a1:2::1")}}, []engine.PeerLocator{theirs("B1", same)},
			"not protected: we have one provider, and " + noOther},
		{"a unique local address, which goes nowhere", []engine.LocalLocator{made(ours("A1", same)), ours("Aul", same)}, []engine.PeerLocator{theirs("B1", same)},
			"not protected: our other locators go with none of the peer's that can be used, and " + noOther},
		{"a temporary ULID", []engine.LocalLocator{temporary(ours("A1", same))}, []engine.PeerLocator{theirs("B1", same)},
			"not protected: our ULID is a temporary address, which proves no other, and " + noOther},
		{"a temporary ULID, and two of the peer's", []engine.LocalLocator{temporary(ours("A1", same))}, []engine.PeerLocator{theirs("B1", same), theirs("B2", same)},
			"protected by 1 other pair, of 1 network here (our ULID is a temporary address, which proves no other) and 2 networks there"},
		{"a peer with two addresses of one provider", []engine.LocalLocator{made(ours("A1", same)), sibling},
			[]engine.PeerLocator{theirs("B1", same), {Address: netip.MustParseAddr("2001:db8:b1::2"), Verified: true}},
			"not protected: we have one provider, and the peer has told of no other provider"},
		{"a ULID that proves nothing", []engine.LocalLocator{ours("A1", same)}, []engine.PeerLocator{theirs("B1", same), unproved},
			"not protected: our ULID was not made by shim6d, and proves no other address, and the peer's by other providers are broken or not proved"},
		{"ours are broken", []engine.LocalLocator{made(ours("A1", same)), ours("A2", broken)}, []engine.PeerLocator{theirs("B1", same)},
			"not protected: our locators by other providers are broken or not to be used, and " + noOther},
		{"ours is never to be used", []engine.LocalLocator{made(ours("A1", same)), by(engine.PolicyNever, ours("A2", same))}, []engine.PeerLocator{theirs("B1", same)},
			"not protected: our locators by other providers are broken or not to be used, and " + noOther},
	} {
		h, session, c := contextOf(t, named("A1>B1"), x.local, x.peer)
		p := h.r.protection(session, &c)
		if p.String() != x.want {
			t.Errorf("%s:\n got %s\nwant %s", x.name, p, x.want)
		}
		if why, local, peer := p.Lacks(); why != "" || (local == "") != p.Protected() || (peer == "") != p.Protected() {
			t.Errorf("%s: it lacks %q, %q and %q", x.name, why, local, peer)
		}
	}
}

// Without a context that can send it is told why, and what a context would lack.
func TestUnprotected(t *testing.T) {
	made, plain := ours("A1", wire.Preference{}), ours("A1", wire.Preference{})
	made.PDS = &cga.PDS{}
	temporary := plain
	temporary.Temporary = true
	other := ours("A2", wire.Preference{})
	for _, x := range []struct {
		state    engine.State
		obstacle engine.Obstacle
		trusted  bool
		local    []engine.LocalLocator
		want     string
	}{
		{engine.NoSupport, engine.NoObstacle, false, []engine.LocalLocator{made, other}, "not protected: the peer has no Shim6"},
		{engine.EFailed, engine.NoObstacle, false, []engine.LocalLocator{made, other}, "not protected: the peer does not answer Shim6: it has none, or a firewall drops it"},
		{engine.I1Sent, engine.NoObstacle, false, []engine.LocalLocator{made, other}, "not protected: the peer has not answered yet"},
		{engine.Idle, engine.NoObstacle, false, []engine.LocalLocator{made, other}, "not protected: shim6d has no context with the peer"},
		{engine.Idle, engine.NoObstacle, true, []engine.LocalLocator{plain, other}, "not protected: shim6d has no context with the peer"},
		{engine.Idle, engine.NoObstacle, false, []engine.LocalLocator{plain, other},
			"not protected: shim6d has no context with the peer; and our ULID was not made by shim6d, and proves no other address"},
		{engine.Idle, engine.NoObstacle, false, []engine.LocalLocator{temporary, other},
			"not protected: shim6d has no context with the peer; and our ULID is a temporary address, which proves no other"},
		{engine.NoSupport, engine.NoObstacle, false, []engine.LocalLocator{made}, "not protected: the peer has no Shim6; and we have one provider"},
		{engine.Idle, engine.NoObstacle, false, []engine.LocalLocator{other}, "not protected: our ULID is no address that Shim6 may use"},
		{engine.EFailed, engine.PeerTranslated, false, []engine.LocalLocator{made, other},
			"not protected: " + engine.PeerTranslated.String()},
		{engine.I2Sent, engine.ProofIgnored, false, []engine.LocalLocator{made}, "not protected: " + engine.ProofIgnored.String() + "; and we have one provider"},
	} {
		if p := Unprotected(x.state, x.obstacle, addresses["A1"], x.trusted, x.local); p.Protected() || p.String() != x.want {
			t.Errorf("%v:\n got %s\nwant %s", x.state, p, x.want)
		} else if why, local, _ := p.Lacks(); why == "" || (local == "") != (p.LackLocal == "") {
			t.Errorf("%v: it lacks %q and %q", x.state, why, local)
		}
	}
}
