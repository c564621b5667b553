// SPDX-License-Identifier: BSD-3-Clause

package cga

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"shim6/daemon/wire"
	"shim6/tools/conformance/shows"
)

// ignoredBits are the bits of an address that verification may ignore: Sec, u and g. It must check
// all others.
var ignoredBits = []int{64, 65, 66, 70, 71}

// Verification notices every changed bit of an address except u and g, and Sec if it becomes less:
// a PDS verifies 4*(Sec+1) addresses.
func TestVerifyCGABits(t *testing.T) {
	shows.IDs(t, "3972-2-02 3972-2-03 3972-5-05 3972-5-06 3972-7.1-03")
	key := &testKey(t, 1024).PublicKey
	for sec := range uint8(2) {
		a := mustCGA(t, 1+sec, eight(t)[0], Options{Sec: sec, PublicKey: key})
		if err := a.PDS.VerifyCGA(a.Addr); err != nil {
			t.Fatal(err)
		}
		for bit := range 128 {
			err := a.PDS.VerifyCGA(flip(a.Addr, bit))
			switch {
			case bit < 64:
				wantError(t, err, ErrSubnetPrefix)
			case !slices.Contains(ignoredBits, bit):
				wantError(t, err, ErrHash1)
			}
		}
		matches := 0
		for n := range 32 {
			x := withSec(a.Addr, uint8(n&7))
			if n&8 != 0 {
				x = flip(x, 70)
			}
			if n&16 != 0 {
				x = flip(x, 71)
			}
			if a.PDS.VerifyCGA(x) == nil {
				matches++
			}
		}
		if want := 4 * (int(sec) + 1); matches != want {
			t.Errorf("Sec %d: %d addresses match, want %d", sec, matches, want)
		}
	}
}

// HBA: each bit of the interface identifier counts, and each bit of the prefix, which leaves the
// set.
func TestVerifyHBABits(t *testing.T) {
	shows.IDs(t, "5535-7.2-01 5535-7.2-02 5535-7.2-03")
	list := eight(t)
	for _, o := range []Options{{}, {Sec: 1}, {Sec: 1, PublicKey: &testKey(t, 1024).PublicKey}} {
		set := mustHBA(t, 3, list, o)
		own := set[2].PDS
		for _, a := range set {
			for bit := range 128 {
				err := own.VerifyHBA(flip(a.Addr, bit))
				switch {
				case bit < 64 && slices.Contains(list, PrefixOf(flip(a.Addr, bit))):
					// The prefix is one member's, the interface identifier another's.
					wantError(t, err, ErrHash1)
				case bit < 64:
					wantError(t, err, ErrNotMember)
				case !slices.Contains(ignoredBits, bit):
					wantError(t, err, ErrHash1)
				case bit == 70 || bit == 71:
					wantError(t, err, nil)
				}
			}
			// Sec is that of this address, whatever the others have.
			wantError(t, own.VerifyHBA(withSec(a.Addr, 0)), nil)
			if o.Sec == 0 {
				wantError(t, own.VerifyHBA(withSec(a.Addr, 1)), ErrHash2)
			}
			wantError(t, own.VerifyHBA(withSec(a.Addr, 2)), ErrHash2)
		}
	}
}

// The first error stops the verification, in the order of the steps.
func TestVerifyCGAOrder(t *testing.T) {
	shows.IDs(t, "3972-5-01 3972-5-02 3972-5-03 3972-5-05 3972-5-08")
	good := mustCGA(t, 1, eight(t)[0], Options{PublicKey: &testKey(t, 1024).PublicKey})
	other := eight(t)[1]
	// Prefix, Hash1 and Sec are all wrong; then they are corrected one after another.
	p := *good.PDS
	p.CollisionCount = 3
	addr := withSec(flip(good.Addr, 127), 7)
	p.SubnetPrefix = other
	wantError(t, p.VerifyCGA(addr), ErrCollisionCount)
	p.CollisionCount = 0
	wantError(t, p.VerifyCGA(addr), ErrSubnetPrefix)
	p.SubnetPrefix = good.PDS.SubnetPrefix
	wantError(t, p.VerifyCGA(addr), ErrHash1)
	addr = flip(addr, 127)
	wantError(t, p.VerifyCGA(addr), ErrSec)
	addr = withSec(addr, 1)
	wantError(t, p.VerifyCGA(addr), ErrHash2)
	addr = withSec(addr, 0)
	wantError(t, p.VerifyCGA(addr), nil)
}

// Hash2 must begin with 16*Sec zero bits: one less is wrong, and the bits after them do not matter.
func TestZeroBits(t *testing.T) {
	shows.IDs(t, "4982-6-01 4982-6-02 4982-6-03 3972-5-07")
	for sec := range uint8(MaxSec + 1) {
		var all [14]byte
		if !zeroBits(all[:], sec) {
			t.Errorf("Sec %d: no bit is set", sec)
		}
		for bit := range 8 * len(all) {
			var one [14]byte
			one[bit/8] = 0x80 >> (bit % 8)
			rest := one
			for i := bit/8 + 1; i < len(rest); i++ {
				rest[i] = 0xff
			}
			for _, hash2 := range [][14]byte{one, rest} {
				if got, want := zeroBits(hash2[:], sec), bit >= 16*int(sec); got != want {
					t.Errorf("Sec %d: Hash2 %x fits: %v", sec, hash2, got)
				}
			}
		}
	}
}

// Sec values that are not in the registry mean nothing. In particular they do not have the meaning
// of RFC 3972 alone.
func TestUnassignedSec(t *testing.T) {
	shows.IDs(t, "5535-7-01 3972-5-14")
	set := mustHBA(t, 1, eight(t)[:2], Options{})
	// For assigned values, Hash2 decides.
	for sec := uint8(1); sec < 3; sec++ {
		wantError(t, set[0].PDS.VerifyCGA(withSec(set[0].Addr, sec)), ErrHash2)
		wantError(t, set[1].PDS.VerifyHBA(withSec(set[0].Addr, sec)), ErrHash2)
	}
	for sec := uint8(3); sec < 8; sec++ {
		x := withSec(set[0].Addr, sec)
		if SecOf(x) != sec {
			t.Errorf("SecOf is %d, want %d", SecOf(x), sec)
		}
		wantError(t, set[0].PDS.VerifyCGA(x), ErrSec)
		wantError(t, set[1].PDS.VerifyHBA(x), ErrSec)
		_, err := set[0].PDS.Derive(eight(t)[0], 0, sec)
		wantError(t, err, ErrSec)
	}
}

func TestVerifyAddress(t *testing.T) {
	a := mustHBA(t, 1, prefixes(t, "fe80::"), Options{})[0]
	for _, tt := range []struct {
		addr netip.Addr
		want error
	}{
		{a.Addr, nil},
		{a.Addr.WithZone("eth0"), nil},
		{netip.Addr{}, ErrAddress},
		{netip.MustParseAddr("192.0.2.1"), ErrAddress},
		{netip.MustParseAddr("::ffff:192.0.2.1"), ErrSubnetPrefix},
	} {
		wantError(t, a.PDS.VerifyCGA(tt.addr), tt.want)
		if tt.want == ErrSubnetPrefix {
			tt.want = ErrNotMember
		}
		wantError(t, a.PDS.VerifyULID(tt.addr), tt.want)
		wantError(t, a.PDS.VerifyHBA(tt.addr), tt.want)
	}
}

// The ULID may be any member of the set of the PDS, and no other address.
func TestVerifyULID(t *testing.T) {
	shows.IDs(t, "5535-7.1-01 5535-8-01")
	list := eight(t)
	key := &testKey(t, 1024).PublicKey
	set := mustHBA(t, 1, list[:3], Options{PublicKey: key})
	same := mustHBA(t, 2, list[:3], Options{PublicKey: key})
	only := mustCGA(t, 3, list[0], Options{PublicKey: key})
	elsewhere := mustCGA(t, 3, list[1], Options{PublicKey: key})
	for _, tt := range []struct {
		name string
		p    *PDS
		ulid netip.Addr
		want error
	}{
		{"own", set[0].PDS, set[0].Addr, nil},
		{"of another member", set[1].PDS, set[0].Addr, nil},
		{"of another set of the same key", same[0].PDS, set[0].Addr, ErrHash1},
		{"of another member of another set", same[1].PDS, set[0].Addr, ErrHash1},
		{"CGA", only.PDS, only.Addr, nil},
		{"CGA of the same key and modifier elsewhere", elsewhere.PDS, only.Addr, ErrSubnetPrefix},
		{"CGA for a member", only.PDS, set[0].Addr, ErrHash1},
		{"outside of the set", set[0].PDS, flip(set[0].Addr, 63), ErrNotMember},
		{"no CGA at all", set[0].PDS, netip.MustParseAddr("2001:db8:1:1::1"), ErrHash1},
		{"prefix translated on the way", set[0].PDS, SubnetPrefix{0x20, 1}.addr([8]byte(set[0].Addr.AsSlice()[8:])), ErrNotMember},
	} {
		t.Run(tt.name, func(t *testing.T) { wantError(t, tt.p.VerifyULID(tt.ulid), tt.want) })
	}
}

// A Locator List is verified exactly as its methods require.
func TestVerifyLocators(t *testing.T) {
	list := eight(t)
	key := testKey(t, 1024)
	both := mustHBA(t, 1, list[:3], Options{Sec: 1, PublicKey: &key.PublicKey})
	nonce := mustHBA(t, 2, list[:3], Options{})
	only := mustCGA(t, 3, list[0], Options{PublicKey: &key.PublicKey})
	outside := netip.MustParseAddr("2001:db8:99::1")
	const generation = 0x80000001

	// The Multi-Prefix extension of this PDS does not have its own prefix.
	stranger := mustParse(t, func() []byte { b, _ := both[0].PDS.MarshalBinary(); return b }())
	stranger.SubnetPrefix = list[7]
	hash1, _ := stranger.Hash1()
	hash1[0] &= 0x1c
	strangerAddr := stranger.SubnetPrefix.addr(hash1)

	hba := func(a ...Address) (l []wire.Locator) {
		for _, a := range a {
			l = append(l, locator(a.Addr, wire.MethodHBA))
		}
		return l
	}
	with := func(l []wire.Locator, addr netip.Addr, m wire.VerificationMethod) []wire.Locator {
		return append(slices.Clone(l), locator(addr, m))
	}
	sign := func(p *PDS, l []wire.Locator) []byte {
		s, err := p.Sign(key, listOf(generation, l...))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	outsideCGA := []wire.Locator{locator(outside, wire.MethodCGA)}
	for _, tt := range []struct {
		name      string
		p         *PDS
		ulid      netip.Addr
		locators  []wire.Locator
		signature []byte
		want      error
		index     int // of the locator that is to blame, -1 for none
		shows     string
	}{
		{"no locators", both[0].PDS, both[0].Addr, nil, nil, nil, -1, ""},
		{"HBA set", nonce[0].PDS, nonce[0].Addr, hba(nonce...), nil, nil, -1, ""},
		{"HBA set, PDS of another member", nonce[2].PDS, nonce[0].Addr, hba(nonce...), nil, nil, -1, ""},
		{"a stranger as HBA", nonce[0].PDS, nonce[0].Addr, with(hba(nonce...), outside, wire.MethodHBA), nil, ErrNotMember, 3, "5533-3-03"},
		{"a stranger in a prefix of the set", nonce[0].PDS, nonce[0].Addr,
			with(hba(nonce...), netip.MustParseAddr("2001:db8:2:1::1"), wire.MethodHBA), nil, ErrHash1, 3, ""},
		{"a member of another set", nonce[0].PDS, nonce[0].Addr, hba(nonce[0], both[1]), nil, ErrHash1, 1, ""},
		{"ULID outside of the set", stranger, strangerAddr, hba(both...), nil, ErrNotMember, 0, ""},
		{"the same ULID without HBA", stranger, strangerAddr, nil, nil, nil, -1, ""},
		{"HBA by a PDS that has no set", only.PDS, only.Addr, hba(only), nil, ErrMultiPrefix, 0, "5533-5.15.4-02"},
		{"ULID is no CGA", only.PDS, outside, outsideCGA, sign(only.PDS, outsideCGA), ErrSubnetPrefix, -1, "5533-3-04"},
		{"CGA for a stranger", only.PDS, only.Addr, outsideCGA, sign(only.PDS, outsideCGA), nil, -1, ""},
		{"CGA without a signature", only.PDS, only.Addr, outsideCGA, nil, ErrSignature, 0, "5533-5.15.4-03 5533-5.15.5-02"},
		{"CGA with an empty signature", only.PDS, only.Addr, outsideCGA, []byte{}, ErrSignature, 0, ""},
		{"members as HBA, a stranger as CGA", both[1].PDS, both[1].Addr, with(hba(both...), outside, wire.MethodCGA),
			sign(both[1].PDS, outsideCGA), nil, -1, "5535-4-01 5535-4-03 5535-4-05 5535-8.1-01 6629-3.4-01 6629-7.2-01"},
		{"members as HBA, a stranger whom nobody signed for", both[1].PDS, both[1].Addr, with(hba(both...), outside, wire.MethodCGA),
			nil, ErrSignature, 3, ""},
		{"a signature for another stranger", both[1].PDS, both[1].Addr, with(hba(both...), outside.Next(), wire.MethodCGA),
			sign(both[1].PDS, outsideCGA), ErrSignature, 3, ""},
		{"HBA-only, a stranger as CGA", nonce[0].PDS, nonce[0].Addr, with(hba(nonce...), outside, wire.MethodCGA),
			make([]byte, 48), ErrKey, 3, "5535-4-04"},
		// Arithmetic comes last: if a list is wrong without it, that is the error.
		{"a wrong signature, and then a method of none", only.PDS, only.Addr, with(outsideCGA, outside, 0),
			make([]byte, 128), ErrMethod, 1, ""},
		{"a wrong signature, and then a stranger as HBA", both[0].PDS, both[0].Addr, with(with(hba(both[0]), outside, wire.MethodCGA), outside, wire.MethodHBA),
			make([]byte, 128), ErrNotMember, 2, ""},
		{"a wrong signature", both[0].PDS, both[0].Addr, with(with(hba(both...), outside, wire.MethodCGA), outside.Next(), wire.MethodCGA),
			make([]byte, 128), ErrSignature, 3, ""},
		{"a signature of another length, and then a method of none", only.PDS, only.Addr, with(outsideCGA, outside, 0),
			make([]byte, 127), ErrSignature, 0, ""},
		{"a method of none, and then no signature", only.PDS, only.Addr, append([]wire.Locator{locator(outside, 3)}, outsideCGA...),
			nil, ErrMethod, 0, ""},
		{"the ULID itself as CGA", only.PDS, only.Addr, []wire.Locator{locator(only.Addr, wire.MethodCGA)},
			sign(only.PDS, []wire.Locator{locator(only.Addr, wire.MethodCGA)}), nil, -1, ""},
		{"nobody needs the signature", nonce[0].PDS, nonce[0].Addr, hba(nonce...), []byte("not one"), nil, -1, ""},
		{"method 0", both[0].PDS, both[0].Addr, with(nil, both[1].Addr, 0), nil, ErrMethod, 0, ""},
		{"method 3", both[0].PDS, both[0].Addr, with(nil, both[1].Addr, 3), nil, ErrMethod, 0, ""},
		{"method 255", both[0].PDS, both[0].Addr, with(nil, both[1].Addr, 255), nil, ErrMethod, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			shows.IDs(t, tt.shows)
			err := tt.p.VerifyLocators(tt.ulid, listOf(generation, tt.locators...), tt.signature)
			wantError(t, err, tt.want)
			index := -1
			var blame *LocatorError
			if errors.As(err, &blame) {
				index = blame.Index
				if blame.Addr != tt.locators[index].Address || !strings.HasPrefix(err.Error(), fmt.Sprintf("locator %d, %v: ", index, blame.Addr)) {
					t.Errorf("it blames %v: %v", blame.Addr, err)
				}
			}
			if index != tt.index {
				t.Errorf("locator %d is to blame, want %d: %v", index, tt.index, err)
			}
		})
	}
}

// The members of a set verify as by VerifyHBA: each by its own Hash1, and all by one Hash2.
func TestMembers(t *testing.T) {
	for _, o := range []Options{{}, {Sec: 1}, {Sec: 1, PublicKey: &testKey(t, 1024).PublicKey}} {
		set := mustHBA(t, 1, eight(t)[:4], o)
		set, err := Regenerate(set, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, own := range set {
			m, err := own.PDS.members()
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range set {
				for bit := range 128 {
					for _, addr := range []netip.Addr{a.Addr, flip(a.Addr, bit)} {
						got, want := m.verify(addr), own.PDS.VerifyHBA(addr)
						if fmt.Sprint(got) != fmt.Sprint(want) {
							t.Fatalf("%v: %v, want %v", addr, got, want)
						}
					}
				}
			}
			wantError(t, m.verify(netip.Addr{}), ErrAddress)
			if o.Sec > 0 {
				m.hash2[0] = 1
				wantError(t, m.verify(set[1].Addr), ErrHash2)
			}
		}
	}
	_, err := mustCGA(t, 1, eight(t)[0], Options{PublicKey: &testKey(t, 1024).PublicKey}).PDS.members()
	wantError(t, err, ErrMultiPrefix)
}

// Verifying an address allocates no memory.
func TestVerifyAllocates(t *testing.T) {
	set := mustHBA(t, 1, eight(t), Options{PublicKey: &testKey(t, 2048).PublicKey})
	if n := testing.AllocsPerRun(100, func() {
		if set[0].PDS.VerifyHBA(set[7].Addr) != nil {
			t.Error("does not verify")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
