// SPDX-License-Identifier: BSD-3-Clause

package cga

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shim6/tools/conformance/shows"
)

func TestMultiPrefixEncoding(t *testing.T) {
	shows.IDs(t, "5535-5-01 5535-5-02 5535-5-03 5535-5-04 5535-5-05 5535-5-06 5535-10-01 5535-6-07")
	two := prefixes(t, "2001:db8:2:1::", "2001:db8:1:1::")
	for _, tt := range []struct {
		name string
		m    MultiPrefix
		want string
	}{
		{"nonce", MultiPrefix{Prefixes: two}, "00120014" + "00000000" + "20010db800020001" + "20010db800010001"},
		{"key", MultiPrefix{PublicKey: true, Prefixes: two[1:]}, "0012000c" + "80000000" + "20010db800010001"},
		{"no prefix", MultiPrefix{}, "00120004" + "00000000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			misplaced := tt.m
			misplaced.Misplaced = true
			if d := cmp.Diff(tt.m.Extension(), misplaced.Extension()); d != "" {
				t.Errorf("the misplaced flag is encoded: %s", d)
			}
			b, err := appendExtensions(nil, []Extension{tt.m.Extension()})
			if got := hex.EncodeToString(b); err != nil || got != tt.want {
				t.Errorf("%s, %v, want %s", got, err, tt.want)
			}
			p := &PDS{Extensions: []Extension{{1, nil}, tt.m.Extension(), {0xfffd, []byte{1}}}}
			m, err := p.MultiPrefix()
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.m, m); d != "" {
				t.Error(d)
			}
		})
	}
}

// Each reserved bit is ignored, though it is hashed: it changes neither the P flag, the prefixes
// nor the members. RFC 5535 wants the bits ignored altogether. Bit 24 is the one exception: an
// earlier implementation has the P flag there, so with it the key may sign.
func TestMultiPrefixReserved(t *testing.T) {
	shows.IDs(t, "5535-5-05")
	list := eight(t)[:2]
	key, err := EncodePublicKey(&testKey(t, 1024).PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for bit := 1; bit < 32; bit++ {
		e := MultiPrefix{Prefixes: list}.Extension()
		e.Data[bit/8] |= 0x80 >> (bit % 8)
		p := &PDS{PublicKey: key, Extensions: []Extension{e}, SubnetPrefix: list[0]}
		m, err := p.MultiPrefix()
		if err != nil || m.PublicKey || m.Misplaced != (bit == 24) || !cmp.Equal(m.Prefixes, list) {
			t.Errorf("bit %d: %v, %v", bit, m, err)
		}
		set, err := p.Members(0)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.VerifyHBA(set[1].Addr); err != nil {
			t.Errorf("bit %d: %v", bit, err)
		}
		if _, err := p.RSAPublicKey(); (err == nil) != (bit == 24) {
			t.Errorf("bit %d: whether the key may sign: %v", bit, err)
		}
	}
}

// An extension makes no set if its length is not that of a list of prefixes, or if there are two.
// The address may still be a CGA.
func TestMultiPrefixMalformed(t *testing.T) {
	shows.IDs(t, "5535-7.2-05")
	good := MultiPrefix{Prefixes: eight(t)[:1]}.Extension()
	for _, tt := range []struct {
		name string
		list []Extension
	}{
		{"none", nil},
		{"another", []Extension{{0x1200, good.Data}}},
		{"no octets", []Extension{{ExtensionMultiPrefix, nil}}},
		{"3 octets", []Extension{{ExtensionMultiPrefix, good.Data[:3]}}},
		{"5 octets", []Extension{{ExtensionMultiPrefix, good.Data[:5]}}},
		{"11 octets", []Extension{{ExtensionMultiPrefix, good.Data[:11]}}},
		{"13 octets", []Extension{{ExtensionMultiPrefix, append(bytes.Clone(good.Data), 0)}}},
		{"two", []Extension{good, good}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &PDS{PublicKey: appendixA().PublicKey, SubnetPrefix: eight(t)[0], Extensions: tt.list}
			hash1, err := p.Hash1()
			if err != nil {
				t.Fatal(err)
			}
			hash1[0] &= 0x1c
			addr := p.SubnetPrefix.addr(hash1)
			if err := p.VerifyCGA(addr); err != nil {
				t.Error(err)
			}
			if err := p.VerifyULID(addr); err != nil {
				t.Error(err)
			}
			wantError(t, p.VerifyHBA(addr), ErrMultiPrefix)
			_, err = p.MultiPrefix()
			wantError(t, err, ErrMultiPrefix)
			_, err = p.Members(0)
			wantError(t, err, ErrMultiPrefix)
			if _, err := p.Derive(p.SubnetPrefix, 0, 0); (err != nil) != (len(tt.list) > 0 && tt.list[0].Type == ExtensionMultiPrefix) {
				t.Error(err)
			}
		})
	}
}

// A set without prefixes has no members.
func TestMultiPrefixEmpty(t *testing.T) {
	p := &PDS{PublicKey: appendixA().PublicKey, Extensions: []Extension{MultiPrefix{}.Extension()}}
	wantError(t, p.VerifyHBA(netip.MustParseAddr("2001:db8::1")), ErrNotMember)
	set, err := p.Members(0)
	if err != nil || len(set) != 0 {
		t.Errorf("%v, %v", set, err)
	}
}

// A prefix of 64 bits leaves 64 bits to the interface identifier.
func TestSubnetPrefix(t *testing.T) {
	shows.IDs(t, "6629-3.2-01")
	for _, tt := range []struct{ text, want string }{
		{"2001:db8:1:2::/64", "2001:db8:1:2::/64"},
		{"2001:db8:1:2::", "2001:db8:1:2::/64"},
		{"::/64", "::/64"},
		{"2001:db8:1:2::/48", `"2001:db8:1:2::/48" has 48 bits: a subnet prefix has 64 (RFC 3972 section 2)`},
		{"2001:db8:1:2::1", `"2001:db8:1:2::1" has bits set after the 64th`},
		{"2001:db8:1:2::1/64", `"2001:db8:1:2::1/64" has bits set after the 64th`},
		{"fe80::%eth0", `"fe80::%eth0" is not an IPv6 prefix`},
		{"10.0.0.0/8", `"10.0.0.0/8" is not an IPv6 prefix`},
		{"10.0.0.0", `"10.0.0.0" is not an IPv6 prefix`},
		{"::ffff:10.0.0.0", `"::ffff:10.0.0.0" is not an IPv6 prefix`},
		{"here", `"here" is not an IPv6 prefix`},
	} {
		var p SubnetPrefix
		err := p.UnmarshalText([]byte(tt.text))
		got := p.String()
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.text, got, tt.want)
		}
		if b, _ := p.MarshalText(); err == nil && string(b) != got {
			t.Errorf("%s: text %s", tt.text, b)
		}
	}
}
