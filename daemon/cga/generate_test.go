// SPDX-License-Identifier: BSD-3-Clause

package cga

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shim6/tools/conformance/shows"
)

// verifyPlainly is another implementation of the verification of RFC 3972 section 5, in the words
// of the RFC. It shares nothing with the package.
func verifyPlainly(pds []byte, addr netip.Addr) bool {
	a := addr.As16()
	if pds[24] > 2 || !bytes.Equal(pds[16:24], a[:8]) {
		return false
	}
	hash1 := sha1.Sum(pds)
	for i, mask := range []byte{0x1c, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff} {
		if (hash1[i]^a[8+i])&mask != 0 {
			return false
		}
	}
	zeroed := bytes.Clone(pds)
	for i := 16; i < 25; i++ {
		zeroed[i] = 0
	}
	hash2 := sha1.Sum(zeroed)
	for i := range 2 * int(a[8]>>5) {
		if hash2[i] != 0 {
			return false
		}
	}
	return true
}

// Every generated address verifies: by the package, by verifyPlainly, and with the PDS of each
// other member. The cases are each Sec that is cheap, 1 to 8 prefixes, and both kinds of address.
func TestGenerateVerifies(t *testing.T) {
	shows.IDs(t, "3972-4-14 3972-2-01 3972-2-02 3972-2-03 3972-2-04 3972-4-07 3972-4-08 5535-3.2-01 5535-4-01",
		"5535-6-06 5535-6-09 5535-6-10 5535-6-11 5535-6-12 5535-6-13 5535-6-14 5535-6-16 5535-7.2-02",
		"6629-7.2-01")
	all := eight(t)
	for sec := range uint8(2) {
		for n := 1; n <= len(all); n++ {
			for _, bits := range []int{0, 1024, 2048} {
				t.Run(fmt.Sprintf("sec%d-%d-rsa%d", sec, n, bits), func(t *testing.T) {
					o := Options{Sec: sec}
					if bits > 0 {
						o.PublicKey = &testKey(t, bits).PublicKey
					}
					list := all[8-n:]
					set := mustHBA(t, byte(n), list, o)
					if len(set) != n {
						t.Fatalf("%d addresses", len(set))
					}
					for i, a := range set {
						b, err := a.PDS.MarshalBinary()
						if err != nil || !verifyPlainly(b, a.Addr) {
							t.Errorf("%v does not verify plainly, %v", a.Addr, err)
						}
						if PrefixOf(a.Addr) != list[i] || a.PDS.SubnetPrefix != list[i] || a.PDS.CollisionCount != 0 {
							t.Errorf("member %d: %v, %+v", i, a.Addr, a.PDS)
						}
						if x := a.Addr.As16(); SecOf(a.Addr) != sec || x[8]&3 != 0 {
							t.Errorf("%v has not Sec %d and bits u and g clear", a.Addr, sec)
						}
						if a.PDS.Modifier != set[0].PDS.Modifier || !bytes.Equal(a.PDS.PublicKey, set[0].PDS.PublicKey) {
							t.Error("members have not modifier and key in common")
						}
						m, err := a.PDS.MultiPrefix()
						if err != nil || m.PublicKey != (bits > 0) || !slices.Equal(m.Prefixes, list) {
							t.Errorf("%+v, %v", m, err)
						}
						for _, other := range set {
							wantError(t, other.PDS.VerifyHBA(a.Addr), nil)
						}
					}
				})
			}
		}
	}
}

func TestGenerateCGA(t *testing.T) {
	shows.IDs(t, "3972-4-10 5535-4-02 3972-4-14")
	for _, bits := range []int{1024, 2048} {
		for sec := range uint8(2) {
			key := &testKey(t, bits).PublicKey
			a := mustCGA(t, 5, eight(t)[0], Options{Sec: sec, PublicKey: key})
			want, err := x509.MarshalPKIXPublicKey(key)
			if err != nil {
				t.Fatal(err)
			}
			b, err := a.PDS.MarshalBinary()
			if err != nil || !verifyPlainly(b, a.Addr) || SecOf(a.Addr) != sec {
				t.Errorf("%v does not verify plainly, %v", a.Addr, err)
			}
			if !bytes.Equal(b[25:], want) {
				t.Errorf("after octet 25: %x, want the key alone", b[25:])
			}
		}
	}
}

// All 128 bits of the initial modifier come from the reader. The result is the first modifier from
// there that fits.
func TestModifier(t *testing.T) {
	shows.IDs(t, "3972-4-02 3972-4-03 3972-4-04 3972-4-11 3972-4-13 5535-6-08 5535-6-09 5535-6-10 3972-7.3-01")
	key := &testKey(t, 1024).PublicKey
	start := bytes.Repeat([]byte{0xff}, 16) // the count goes round to 0
	start[15] = 0xf0
	for sec := range uint8(2) {
		a, err := GenerateCGA(t.Context(), constant(start), eight(t)[0], Options{Sec: sec, PublicKey: key})
		if err != nil {
			t.Fatal(err)
		}
		p := &PDS{Modifier: Modifier(start), PublicKey: a.PDS.PublicKey}
		steps := 0
		for ; ; steps++ {
			hash2, err := p.Hash2()
			if err != nil {
				t.Fatal(err)
			}
			if sec == 0 || hash2[0]|hash2[1] == 0 {
				break
			}
			for i := 15; i >= 0; i-- { // plus one
				if p.Modifier[i]++; p.Modifier[i] != 0 {
					break
				}
			}
		}
		if a.PDS.Modifier != p.Modifier {
			t.Errorf("Sec %d: modifier %x, want %x after %d steps", sec, a.PDS.Modifier, p.Modifier, steps)
		}
		if (sec == 0) != (steps == 0) {
			t.Errorf("Sec %d after %d steps", sec, steps)
		}
	}
	one := mustCGA(t, 1, eight(t)[0], Options{PublicKey: key})
	two := mustCGA(t, 2, eight(t)[0], Options{PublicKey: key})
	if one.Addr == two.Addr || one.PDS.Modifier == two.PDS.Modifier {
		t.Error("two addresses of a key are the same")
	}
}

// The nonce is 384 bits of the reader, in the form of the modulus of an RSA key, which other
// programs can read.
func TestExtendedModifier(t *testing.T) {
	shows.IDs(t, "5535-6-02 5535-6-03 5535-6-04 5535-6-05 5535-6-08 5535-4-04 5535-6-18 3972-3-05")
	for _, first := range []byte{0x00, 0x7f, 0x80, 0xff} {
		nonce := bytes.Repeat([]byte{first, 0x5a, 0x00}, 16)
		set, err := GenerateHBA(t.Context(), constant(make([]byte, 16), nonce), eight(t)[:2], Options{})
		if err != nil {
			t.Fatal(err)
		}
		key, err := parseRSA(set[0].PDS.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		want := bytes.Clone(nonce)
		want[0] |= 0x80
		if !bytes.Equal(key.N.Bytes(), want) || key.N.BitLen() != 384 || key.E != 65537 {
			t.Errorf("nonce is %x, exponent %d, want %x", key.N, key.E, want)
		}
		if n := len(set[0].PDS.PublicKey); n != 78 {
			t.Errorf("%d octets", n)
		}
		// The standard library can parse such a key, though it would not use it.
		if _, err := x509.ParsePKIXPublicKey(set[0].PDS.PublicKey); err != nil {
			t.Error(err)
		}
		_, err = set[0].PDS.RSAPublicKey()
		wantError(t, err, ErrKey)
	}
}

// Other extension fields are part of the address, and come after the Multi-Prefix extension.
func TestGenerateExtensions(t *testing.T) {
	shows.IDs(t, "3972-3-06 3972-5-12 4581-2-01 4581-3-01")
	key := &testKey(t, 1024).PublicKey
	extensions := []Extension{{0xfffd, []byte("x")}, {0xfffe, []byte{}}, {0xffff, make([]byte, 1000)}}
	o := Options{Sec: 1, PublicKey: key, Extensions: extensions}
	a := mustCGA(t, 1, eight(t)[0], o)
	set := mustHBA(t, 1, eight(t)[:2], o)
	for _, a := range append(set, a) {
		b, err := a.PDS.MarshalBinary()
		if err != nil || !verifyPlainly(b, a.Addr) {
			t.Errorf("%v does not verify plainly, %v", a.Addr, err)
		}
		p := mustParse(t, b)
		if d := cmp.Diff(extensions, p.Extensions[len(p.Extensions)-3:]); d != "" {
			t.Error(d)
		}
		for i := range p.Extensions {
			without := *p
			without.Extensions = slices.Delete(slices.Clone(p.Extensions), i, i+1)
			if without.VerifyCGA(a.Addr) == nil {
				t.Errorf("extension %d is not in the hash", i)
			}
		}
		for i, e := range p.Extensions {
			for at := range e.Data {
				e.Data[at] ^= 1
				if p.VerifyCGA(a.Addr) == nil {
					t.Errorf("octet %d of extension %d is not in the hash", at, i)
				}
				e.Data[at] ^= 1
			}
		}
	}
	if set[0].PDS.Extensions[0].Type != ExtensionMultiPrefix {
		t.Error("the Multi-Prefix extension is not the first")
	}
}

// The prefix list is hashed: another list, or another order, makes another set.
func TestPrefixOrder(t *testing.T) {
	shows.IDs(t, "5535-5-06 5535-6-19 5535-3.2-01")
	list := eight(t)[:3]
	set := mustHBA(t, 1, list, Options{Sec: 1})
	turned := slices.Clone(list)
	slices.Reverse(turned)
	for _, other := range [][]SubnetPrefix{turned, list[:2], eight(t)[:4]} {
		for _, a := range mustHBA(t, 1, other, Options{Sec: 1}) {
			if slices.ContainsFunc(set, func(b Address) bool { return a.Addr == b.Addr }) {
				t.Errorf("%v is in both sets", a.Addr)
			}
		}
		p := *set[0].PDS
		p.Extensions = []Extension{MultiPrefix{Prefixes: other}.Extension()}
		if p.VerifyHBA(set[0].Addr) == nil {
			t.Errorf("%v verifies with prefixes %v", set[0].Addr, other)
		}
	}
}

type errReader struct{}

var errRead = errors.New("no random numbers today")

func (errReader) Read([]byte) (int, error) { return 0, errRead }

func TestGenerateErrors(t *testing.T) {
	list := eight(t)
	key := &testKey(t, 1024).PublicKey
	many := make([]SubnetPrefix, maxPrefixes+1)
	for i := range many {
		binary.BigEndian.PutUint32(many[i][:], uint32(i))
	}
	for _, tt := range []struct {
		name     string
		random   io.Reader
		prefixes []SubnetPrefix
		o        Options
		want     error
		shows    string
	}{
		{"no prefix", seeded(1), nil, Options{}, ErrPrefixes, ""},
		{"a prefix twice", seeded(1), append(slices.Clone(list), list[3]), Options{}, ErrPrefixes, ""},
		{"as many as fit", seeded(1), many[:maxPrefixes], Options{}, nil, ""},
		{"one more", seeded(1), many, Options{}, ErrPrefixes, ""},
		{"Sec 3", seeded(1), list, Options{Sec: 3}, ErrSec, "5535-6-01 4982-5-01"},
		{"Sec 255", seeded(1), list, Options{Sec: 255}, ErrSec, ""},
		{"no random numbers", errReader{}, list, Options{PublicKey: key}, errRead, ""},
		{"too few random numbers", constant(make([]byte, 15)), list, Options{PublicKey: key}, io.ErrUnexpectedEOF, ""},
		{"none for the nonce", io.MultiReader(constant(make([]byte, 16)), errReader{}), list, Options{}, errRead, ""},
		{"too few for the nonce", constant(make([]byte, 16+47)), list, Options{}, io.ErrUnexpectedEOF, ""},
		{"exactly enough", constant(make([]byte, 16+48)), list, Options{}, nil, ""},
		{"exactly enough with a key", constant(make([]byte, 16)), list, Options{PublicKey: key}, nil, ""},
		{"another Multi-Prefix extension", seeded(1), list, Options{Extensions: []Extension{MultiPrefix{}.Extension()}}, ErrExtension, ""},
		{"extension too long", seeded(1), list, Options{Extensions: []Extension{{1, make([]byte, 0x10000)}}}, ErrExtension, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			shows.IDs(t, tt.shows)
			set, err := GenerateHBA(t.Context(), tt.random, tt.prefixes, tt.o)
			wantError(t, err, tt.want)
			if err == nil && len(set) != len(tt.prefixes) {
				t.Errorf("%d addresses", len(set))
			}
		})
	}
	_, err := GenerateCGA(t.Context(), seeded(1), list[0], Options{})
	wantError(t, err, ErrKey)
	_, err = GenerateCGA(t.Context(), seeded(1), list[0], Options{Sec: 3, PublicKey: key})
	wantError(t, err, ErrSec)
	_, err = GenerateCGA(t.Context(), seeded(1), list[0], Options{PublicKey: key, Extensions: []Extension{MultiPrefix{}.Extension()}})
	wantError(t, err, ErrExtension)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for sec := range uint8(3) {
		_, err = GenerateCGA(ctx, seeded(1), list[0], Options{Sec: sec, PublicKey: key})
		wantError(t, err, context.Canceled)
		_, err = GenerateHBA(ctx, seeded(1), list, Options{Sec: sec})
		wantError(t, err, context.Canceled)
	}
}

// After three collisions Regenerate gives up. All members of a set change together, and no address
// comes back.
func TestRegenerate(t *testing.T) {
	shows.IDs(t, "3972-4-05 3972-4-09 5535-6-11 5535-6-12 5535-6-15 5535-6-17")
	for sec := range uint8(2) {
		set := mustHBA(t, 1, eight(t)[:3], Options{Sec: sec})
		cga := []Address{mustCGA(t, 1, eight(t)[0], Options{Sec: sec, PublicKey: &testKey(t, 1024).PublicKey})}
		for _, first := range [][]Address{set, cga} {
			seen := map[netip.Addr]bool{}
			for count := range uint8(3) {
				again, err := Regenerate(first, count)
				if err != nil || len(again) != len(first) {
					t.Fatal(again, err)
				}
				for i, a := range again {
					if seen[a.Addr] {
						t.Errorf("%v comes twice", a.Addr)
					}
					seen[a.Addr] = true
					if (count == 0) != (a.Addr == first[i].Addr) {
						t.Errorf("collision count %d: %v", count, a.Addr)
					}
					if a.PDS.CollisionCount != count || a.PDS.Modifier != first[0].PDS.Modifier || PrefixOf(a.Addr) != PrefixOf(first[i].Addr) {
						t.Errorf("collision count %d: %+v", count, a.PDS)
					}
					b, err := a.PDS.MarshalBinary()
					if err != nil || !verifyPlainly(b, a.Addr) || SecOf(a.Addr) != sec {
						t.Errorf("%v does not verify plainly, %v", a.Addr, err)
					}
				}
			}
			// A set changes as a whole, whatever its order.
			turned := slices.Clone(first)
			slices.Reverse(turned)
			again, err := Regenerate(turned, 1)
			if err != nil || len(again) != len(first) {
				t.Errorf("%v, %v", again, err)
			}
			_, err = Regenerate(first, 3)
			wantError(t, err, ErrCollisionCount)
			if first[0].PDS.CollisionCount != 0 {
				t.Error("what was there has changed")
			}
		}
	}
}

// A part of a set is not changed: the PDSs of the new addresses would no longer prove those that
// were left out.
func TestRegeneratePart(t *testing.T) {
	shows.IDs(t, "5535-6-15 5535-6-17")
	key := &testKey(t, 1024).PublicKey
	set, other := mustHBA(t, 1, eight(t)[:3], Options{}), mustHBA(t, 2, eight(t)[:3], Options{})
	only := mustCGA(t, 1, eight(t)[0], Options{PublicKey: key})
	ahead, err := Regenerate(set, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		set  []Address
		want error
	}{
		{"nothing", nil, nil},
		{"all", set, nil},
		{"a CGA", []Address{only}, nil},
		{"the first", set[:1], ErrPrefixes},
		{"all but the first", set[1:], ErrPrefixes},
		{"one twice, another not", []Address{set[0], set[1], set[1]}, ErrPrefixes},
		{"a member of another set", []Address{set[0], set[1], other[2]}, ErrPrefixes},
		{"a member that is ahead", []Address{set[0], set[1], ahead[2]}, ErrPrefixes},
		{"a CGA as well", append(slices.Clone(set), only), ErrPrefixes},
		{"a CGA in the place of one", []Address{only, set[1], set[2]}, ErrPrefixes},
	} {
		t.Run(tt.name, func(t *testing.T) {
			again, err := Regenerate(tt.set, 2)
			wantError(t, err, tt.want)
			if err != nil && again != nil {
				t.Errorf("addresses beside the error: %v", again)
			}
		})
	}
	_, err = Regenerate(set[:2], 1)
	if want := "2001:db8:3:1::/64 is missing, and all members of an HBA set change together"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v does not say %q", err, want)
	}
}

// A CGA can move to another prefix without a search; an HBA can't leave its set.
func TestDerive(t *testing.T) {
	shows.IDs(t, "3972-4-15 5535-6-19")
	list := eight(t)
	a := mustCGA(t, 1, list[0], Options{Sec: 1, PublicKey: &testKey(t, 1024).PublicKey})
	moved, err := a.PDS.Derive(list[1], 0, 1)
	if err != nil || moved.PDS.Modifier != a.PDS.Modifier {
		t.Fatal(err)
	}
	wantError(t, moved.PDS.VerifyCGA(moved.Addr), nil)
	if PrefixOf(moved.Addr) != list[1] || a.PDS.SubnetPrefix != list[0] {
		t.Errorf("%v, %v", moved.Addr, a.PDS.SubnetPrefix)
	}
	_, err = a.PDS.Derive(list[1], 0, 2)
	wantError(t, err, ErrHash2)
	_, err = a.PDS.Derive(list[1], 0, 3)
	wantError(t, err, ErrSec)
	_, err = a.PDS.Derive(list[1], 3, 1)
	wantError(t, err, ErrCollisionCount)
	set := mustHBA(t, 1, list[:2], Options{})
	_, err = set[0].PDS.Derive(list[2], 0, 0)
	wantError(t, err, ErrNotMember)
	second, err := set[0].PDS.Derive(list[1], 0, 0)
	if err != nil || second.Addr != set[1].Addr {
		t.Errorf("%v, %v", second.Addr, err)
	}
}
