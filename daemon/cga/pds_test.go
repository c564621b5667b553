// SPDX-License-Identifier: BSD-3-Clause

package cga

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shim6/daemon/wire"
	"shim6/tools/conformance/shows"
)

// octets returns the octets of a PDS with these parts.
func octets(collisionCount byte, rest ...[]byte) []byte {
	b := append(make([]byte, publicKeyAt-1), collisionCount)
	return append(b, bytes.Join(rest, nil)...)
}

// ed25519 is the SubjectPublicKeyInfo of a key that is not RSA; its algorithm has no parameters.
var ed25519 = appendDER(nil, tagSequence, appendDER(nil, tagSequence, appendDER(nil, tagOID, []byte{0x2b, 0x65, 0x70})),
	appendDER(nil, tagBitString, make([]byte, 33)))

func TestParse(t *testing.T) {
	key := appendixA().PublicKey
	// with returns the key with one octet changed.
	with := func(at int, value byte) []byte {
		b := bytes.Clone(key)
		b[at] = value
		return b
	}
	algorithm := appendDER(nil, tagSequence, appendDER(nil, tagOID, []byte(oidRSA)), []byte{tagNull, 0})
	bits := appendDER(nil, tagBitString, []byte{0, 1, 2, 3})
	info := func(parts ...[]byte) []byte { return appendDER(nil, tagSequence, parts...) }
	for _, tt := range []struct {
		name  string
		b     []byte
		want  error
		shows string
	}{
		{"nothing", nil, ErrPDS, ""},
		{"24 octets", make([]byte, 24), ErrPDS, ""},
		{"no key", octets(0), ErrPDS, "3972-3-03"},
		{"key", octets(0, key), nil, ""},
		{"collision count 1", octets(1, key), nil, ""},
		{"collision count 2", octets(2, key), nil, ""},
		{"collision count 3", octets(3, key), ErrCollisionCount, "3972-3-02"},
		{"collision count 255", octets(255, key), ErrCollisionCount, ""},
		{"key without its last octet", octets(0, key[:len(key)-1]), ErrPDS, ""},
		{"tag alone", octets(0, []byte{tagSequence}), ErrPDS, ""},
		{"long length cut off", octets(0, []byte{tagSequence, 0x81}), ErrPDS, ""},
		{"longer length cut off", octets(0, []byte{tagSequence, 0x82, 1}), ErrPDS, ""},
		{"indefinite length", octets(0, []byte{tagSequence, 0x80}, key[2:], []byte{0, 0}), ErrPDS, ""},
		{"length in a longer form", octets(0, []byte{tagSequence, 0x81, 0x5c}, key[2:]), ErrPDS, ""},
		{"length in a much longer form", octets(0, []byte{tagSequence, 0x82, 0, 0x5c}, key[2:]), ErrPDS, ""},
		{"length of four octets", octets(0, []byte{tagSequence, 0x84, 0, 0, 0, 0x5c}, key[2:]), ErrPDS, ""},
		{"not a SEQUENCE", octets(0, with(0, 0x31)), ErrPDS, ""},
		{"algorithm is not a SEQUENCE", octets(0, with(2, 0x31)), ErrPDS, ""},
		{"no OID", octets(0, with(4, 0x05)), ErrPDS, ""},
		{"OID of no octets", octets(0, info(appendDER(nil, tagSequence, []byte{tagOID, 0}), bits)), ErrPDS, ""},
		{"no BIT STRING", octets(0, with(17, 0x04)), ErrPDS, ""},
		{"no BIT STRING at all", octets(0, info(algorithm)), ErrPDS, ""},
		{"BIT STRING of no octets", octets(0, info(algorithm, []byte{tagBitString, 0})), ErrPDS, ""},
		{"BIT STRING of 7 bits", octets(0, info(algorithm, []byte{tagBitString, 2, 1, 2})), ErrPDS, ""},
		{"something after the BIT STRING", octets(0, info(algorithm, bits, []byte{5, 0})), ErrPDS, ""},
		{"two parameters", octets(0, info(appendDER(nil, tagSequence, []byte{tagOID, 1, 1, 5, 0, 5, 0}), bits)), ErrPDS, ""},
		{"half a parameter", octets(0, info(appendDER(nil, tagSequence, []byte{tagOID, 1, 1, 5}), bits)), ErrPDS, ""},
		{"inner length beyond the outer", octets(0, with(3, 0x60)), ErrPDS, ""},
		// Parse does not look into the key.
		{"octets that are no RSAPublicKey", octets(0, info(algorithm, bits)), nil, "5533-16-03"},
		{"a key that is not RSA", octets(0, ed25519), nil, ""},
		{"extension", octets(0, key, []byte{0, 1, 0, 3, 7, 8, 9}), nil, "4581-2-01 4581-2-02"},
		{"two extensions of odd lengths", octets(0, key, []byte{0, 1, 0, 3, 7, 8, 9, 0xff, 0xfe, 0, 1, 0}), nil, ""},
		{"extension of no octets", octets(0, key, []byte{0xff, 0xfd, 0, 0}), nil, ""},
		{"type cut off", octets(0, key, []byte{0}), ErrExtension, ""},
		{"length cut off", octets(0, key, []byte{0, 1, 0}), ErrExtension, ""},
		{"data missing", octets(0, key, []byte{0, 1, 0, 1}), ErrExtension, ""},
		{"data cut off", octets(0, key, []byte{0, 1, 0, 3, 7, 8}), ErrExtension, ""},
		{"padding after an extension", octets(0, key, []byte{0, 1, 0, 1, 7, 0, 0}), ErrExtension, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			shows.IDs(t, tt.shows)
			p, err := Parse(tt.b)
			wantError(t, err, tt.want)
			if err != nil {
				if p != nil {
					t.Error("an error and a PDS")
				}
				return
			}
			again, err := p.MarshalBinary()
			if err != nil || !bytes.Equal(again, tt.b) {
				t.Errorf("encodes to %x, %v", again, err)
			}
		})
	}
}

// A PDS that is cut off is no PDS, unless the cut is where an extension ends.
func TestParseTruncated(t *testing.T) {
	for _, v := range vectors().CGA {
		whole := len(v.PDS) - len(v.Extensions)
		for n := range v.PDS {
			if _, err := Parse(v.PDS[:n]); (err == nil) != (n == whole) {
				t.Errorf("%s: %d octets of %d: %v", v.Name, n, len(v.PDS), err)
			}
		}
	}
}

// The result of Parse shares no memory with the caller's octets.
func TestParseCopies(t *testing.T) {
	b := octets(0, appendixA().PublicKey, []byte{0, 1, 0, 3, 7, 8, 9})
	want := bytes.Clone(b)
	p := mustParse(t, b)
	clear(b)
	if got, err := p.MarshalBinary(); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%x, %v", got, err)
	}
	// Appending to one field does not change the next one.
	_ = append(p.PublicKey, 0xaa)
	_ = append(p.Extensions[0].Data, 0xaa)
	if got, _ := p.MarshalBinary(); !bytes.Equal(got, want) {
		t.Errorf("%x", got)
	}
}

func TestAppendBinaryErrors(t *testing.T) {
	key := []byte(appendixA().PublicKey)
	for _, tt := range []struct {
		name string
		p    PDS
		want error
	}{
		{"collision count", PDS{CollisionCount: 3, PublicKey: key}, ErrCollisionCount},
		{"no key", PDS{}, ErrPDS},
		{"more than a key", PDS{PublicKey: append(bytes.Clone(key), 0)}, ErrPDS},
		{"longest extension", PDS{PublicKey: key, Extensions: []Extension{{1, make([]byte, 0xffff)}}}, nil},
		{"longer", PDS{PublicKey: key, Extensions: []Extension{{1, make([]byte, 0x10000)}}}, ErrExtension},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, err := tt.p.MarshalBinary()
			wantError(t, err, tt.want)
			_, err1 := tt.p.Hash1()
			wantError(t, err1, tt.want)
			_, err2 := tt.p.Hash2()
			wantError(t, err2, tt.want)
			_, err3 := tt.p.HighestSec()
			wantError(t, err3, tt.want)
			if err == nil {
				if d := cmp.Diff(&tt.p, mustParse(t, b)); d != "" {
					t.Error(d)
				}
			}
		})
	}
	p := PDS{PublicKey: key}
	b, err := p.AppendBinary([]byte("before"))
	if err != nil || string(b[:6]) != "before" || len(b) != 6+publicKeyAt+len(key) {
		t.Errorf("%x, %v", b, err)
	}
}

// Hash1 covers every octet. Hash2 covers all except subnet prefix and collision count, in whose
// place it has zeros.
func TestHashesCoverAll(t *testing.T) {
	shows.IDs(t, "3972-3-07 3972-3-08 3972-5-12")
	p := mustParse(t, octets(0, appendixA().PublicKey, []byte{0xab, 0xcd, 0, 3, 7, 8, 9}))
	b, _ := p.MarshalBinary()
	hash1, _ := p.Hash1()
	hash2, _ := p.Hash2()
	for at := range b {
		c := bytes.Clone(b)
		c[at]++
		q, err := Parse(c)
		if err != nil {
			continue // no longer a PDS
		}
		if h, err := q.Hash1(); err != nil || h == hash1 {
			t.Errorf("octet %d is not in Hash1 (%v)", at, err)
		}
		h, err := q.Hash2()
		if changed := h != hash2; err != nil || changed == (at >= prefixAt && at < publicKeyAt) {
			t.Errorf("octet %d: Hash2 changed: %v (%v)", at, changed, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, v := range vectors().CGA {
		f.Add([]byte(v.PDS))
	}
	for _, v := range vectors().HBA {
		f.Add([]byte(v.HBA[0].PDS))
	}
	for _, v := range slices.Concat(vectors().CGANegative, vectors().HBANegative) {
		f.Add([]byte(v.PDS))
	}
	f.Add(octets(0, ed25519))
	list := listOf(1, locator(vectors().CGA[0].Address, wire.MethodHBA), locator(vectors().CGA[1].Address, wire.MethodCGA))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Parse(b)
		if err != nil {
			if !errors.Is(err, ErrPDS) && !errors.Is(err, ErrCollisionCount) && !errors.Is(err, ErrExtension) {
				t.Errorf("error of no kind: %v", err)
			}
			return
		}
		again, err := p.MarshalBinary()
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x encodes to %x, %v", b, again, err)
		}
		// Any PDS verifies its own address, and all methods return something.
		sec, err := p.HighestSec()
		if err != nil {
			t.Fatal(err)
		}
		member := true
		if m, err := p.MultiPrefix(); err == nil {
			member = slices.Contains(m.Prefixes, p.SubnetPrefix)
		} else if slices.ContainsFunc(p.Extensions, func(e Extension) bool { return e.Type == ExtensionMultiPrefix }) {
			member = false
		}
		a, err := p.Derive(p.SubnetPrefix, p.CollisionCount, sec)
		if (err == nil) != member {
			t.Fatalf("Derive: %v", err)
		}
		if err == nil {
			if err := p.VerifyCGA(a.Addr); err != nil {
				t.Fatal(err)
			}
			if _, err := p.RSAPublicKey(); err == nil {
				// There is no signature.
				wantError(t, p.VerifySignature(a.Addr, list, make([]byte, 128)), ErrSignature)
			}
			if p.VerifyLocators(a.Addr, list, make([]byte, 128)) == nil {
				t.Error("a list of strangers' addresses verifies")
			}
		}
	})
}

// Random octets do no harm, and are hardly ever a PDS.
func TestParseNoise(t *testing.T) {
	r := rand.New(seeded(1))
	base := vectors().HBA[3].HBA[0].PDS
	for range 20000 {
		b := bytes.Clone(base)
		for range 1 + r.IntN(4) {
			b[r.IntN(len(b))] = byte(r.Uint32())
		}
		p, err := Parse(b)
		if err != nil {
			continue
		}
		again, err := p.MarshalBinary()
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x encodes to %x, %v", b, again, err)
		}
		p.RSAPublicKey()
		p.MultiPrefix()
	}
}
