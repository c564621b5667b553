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
	)
	unproved.Verified = false
	for _, x := range []struct {
		name  string
		local []engine.LocalLocator
		peer  []engine.PeerLocator
		want  string
	}{
		{"two providers each", []engine.LocalLocator{made(ours("A1", same)), ours("A2", same)}, []engine.PeerLocator{theirs("B1", same), theirs("B2", same)},
			"protected by 3 other pairs, of 2 networks here and 2 networks there"},
		{"one of ours", []engine.LocalLocator{made(ours("A1", same)), sibling}, []engine.PeerLocator{theirs("B1", same), theirs("B2", same)},
			"protected by 2 other pairs, of 1 network here (we have one provider) and 2 networks there"},
		{"one of the peer's", []engine.LocalLocator{ours("A1", same), ours("A2", same)}, []engine.PeerLocator{theirs("B1", same)},
			"protected by 1 other pair, of 2 networks here and 1 network there (the peer has told of no other provider)"},
		{"one each, though with two addresses", []engine.LocalLocator{made(ours("A1", same)), sibling}, []engine.PeerLocator{theirs("B1", same)},
			"not protected: we have one provider, and the peer has told of no other provider"},
		{"two networks of one site", []engine.LocalLocator{made(ours("A1", same)), {Address: netip.MustParseAddr("2001:db8:a1:2::1")}}, []engine.PeerLocator{theirs("B1", same)},
			"not protected: we have one provider, and the peer has told of no other provider"},
		{"a unique local address, which goes nowhere", []engine.LocalLocator{made(ours("A1", same)), ours("Aul", same)}, []engine.PeerLocator{theirs("B1", same)},
			"not protected: our other locators go with none of the peer's that can be used, and the peer has told of no other provider"},
		{"a temporary ULID", []engine.LocalLocator{temporary(ours("A1", same))}, []engine.PeerLocator{theirs("B1", same)},
			"not protected: our ULID is a temporary address, which proves no other, and the peer has told of no other provider"},
		{"a temporary ULID, and two of the peer's", []engine.LocalLocator{temporary(ours("A1", same))}, []engine.PeerLocator{theirs("B1", same), theirs("B2", same)},
			"protected by 1 other pair, of 1 network here (our ULID is a temporary address, which proves no other) and 2 networks there"},
		{"a ULID that proves nothing", []engine.LocalLocator{ours("A1", same)}, []engine.PeerLocator{theirs("B1", same), unproved},
			"not protected: our ULID was not made by shim6d, and proves no other address, and the peer's by other providers are broken or not proved"},
		{"ours are broken", []engine.LocalLocator{made(ours("A1", same)), ours("A2", broken)}, []engine.PeerLocator{theirs("B1", same)},
			"not protected: our locators by other providers are broken or not to be used, and the peer has told of no other provider"},
		{"ours is never to be used", []engine.LocalLocator{made(ours("A1", same)), by(engine.PolicyNever, ours("A2", same))}, []engine.PeerLocator{theirs("B1", same)},
			"not protected: our locators by other providers are broken or not to be used, and the peer has told of no other provider"},
	} {
		h, session, c := contextOf(t, named("A1>B1"), x.local, x.peer)
		p := h.r.protection(session, &c)
		if p.String() != x.want {
			t.Errorf("%s:\n got %s\nwant %s", x.name, p, x.want)
		}
	}
}
