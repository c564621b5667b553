// SPDX-License-Identifier: BSD-3-Clause

package cga

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shim6/tools/conformance/shows"
)

// Every field of a PDS is where RFC 3972 section 3 puts it, and both hashes are the same as other
// programs'.
func TestVectorFields(t *testing.T) {
	shows.IDs(t, "3972-3-01 3972-3-07 3972-5-09 3972-2-01")
	for _, v := range vectors().CGA {
		t.Run(v.Name, func(t *testing.T) {
			p := mustParse(t, v.PDS)
			ext, err := appendExtensions(nil, p.Extensions)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range []struct {
				name      string
				got, want []byte
			}{
				{"modifier", p.Modifier[:], v.Modifier},
				{"subnet prefix", p.SubnetPrefix[:], v.SubnetPrefix},
				{"collision count", []byte{p.CollisionCount}, []byte{v.CollisionCount}},
				{"public key", p.PublicKey, v.PublicKey},
				{"public key at octet 25", v.PDS[25 : 25+len(p.PublicKey)], v.PublicKey},
				{"extension fields", ext, v.Extensions},
			} {
				if !bytes.Equal(f.got, f.want) {
					t.Errorf("%s is %x, want %x", f.name, f.got, f.want)
				}
			}
			hash1, err := p.Hash1()
			if err != nil || !bytes.Equal(hash1[:], v.Hash1) {
				t.Errorf("Hash1 is %x, %v, want %x", hash1, err, v.Hash1)
			}
			hash2, err := p.Hash2()
			if err != nil || !bytes.Equal(hash2[:], v.Hash2) {
				t.Errorf("Hash2 is %x, %v, want %x", hash2, err, v.Hash2)
			}
			again, err := p.MarshalBinary()
			if err != nil || !bytes.Equal(again, v.PDS) {
				t.Errorf("encodes to %x, %v", again, err)
			}
		})
	}
}

// Addresses and signatures of other programs verify here.
func TestVectorCGA(t *testing.T) {
	shows.IDs(t, "3972-5-01 3972-5-03 3972-5-04 3972-5-05 3972-5-06 3972-5-07 3972-A-01 4982-6-01 4982-6-02")
	for _, v := range vectors().CGA {
		p := mustParse(t, v.PDS)
		if err := p.VerifyCGA(v.Address); err != nil || !v.Expect {
			t.Errorf("%s: %v", v.Name, err)
		}
		if err := p.VerifyULID(v.Address); err != nil {
			t.Errorf("%s: as ULID: %v", v.Name, err)
		}
		if sec := SecOf(v.Address); sec != v.Sec {
			t.Errorf("%s: Sec %d, want %d", v.Name, sec, v.Sec)
		}
		wantError(t, p.VerifyHBA(v.Address), ErrMultiPrefix)
		a, err := p.Derive(SubnetPrefix(v.SubnetPrefix), v.CollisionCount, v.Sec)
		if err != nil || a.Addr != v.Address {
			t.Errorf("%s: made %v, %v, want %v", v.Name, a.Addr, err, v.Address)
		}
	}
}

// verifyVector does what a receiver of these octets does.
func verifyVector(v vectorAddress) error {
	p, err := Parse(v.PDS)
	if err != nil {
		return err
	}
	if v.Verify == "hba" {
		return p.VerifyHBA(v.Address)
	}
	return p.VerifyCGA(v.Address)
}

// Each refusal has the reason that the vector is about.
func TestVectorNegative(t *testing.T) {
	shows.IDs(t, "3972-5-03 3972-5-02 3972-3-02 3972-3-03 3972-5-12 3972-3-08 5535-3.2-01 5535-4-02")
	want := map[string]error{
		"iid-last-bit":      ErrHash1,
		"prefix-mismatch":   ErrSubnetPrefix,
		"pds-prefix":        ErrSubnetPrefix,
		"pds-collision-3":   ErrCollisionCount,
		"pds-truncated-key": ErrPDS,
		"pds-no-key":        ErrPDS,
		"pds-trailing-ext":  ErrHash1,
		// Bits without meaning, and a lower Sec.
		"sec-lowered-1to0":        nil,
		"g-bit-set":               nil,
		"hba-iid-bit":             ErrHash1,
		"hba-iid-of-other-member": ErrHash1,
		"hba-prefix-dropped":      ErrHash1,
		"hba-pflag-flipped":       ErrHash1,
		"hba-ext-len-long":        ErrExtension,
		"hba-no-extension":        ErrMultiPrefix,
	}
	list := append(vectors().CGANegative, vectors().HBANegative...)
	if len(list) != len(want) {
		t.Fatalf("%d vectors, %d answers", len(list), len(want))
	}
	for _, v := range list {
		t.Run(v.Name, func(t *testing.T) {
			err := verifyVector(v)
			if (err == nil) != v.Expect {
				t.Errorf("%s: %v, and %v is expected", v.Why, err, v.Expect)
			}
			wantError(t, err, want[v.Name])
		})
	}
}

// Every member's PDS proves every member of sets of other programs, with their place of the P flag
// and their form of the nonce.
func TestVectorHBA(t *testing.T) {
	shows.IDs(t, "5535-7.1-01 5535-7.2-04 5535-7.2-01 5535-7.2-02 5535-8-01 5535-8-02 5535-8-03 5533-16-03")
	for _, v := range vectors().HBA {
		t.Run(v.Name, func(t *testing.T) {
			for _, member := range v.HBA {
				p := mustParse(t, member.PDS)
				if err := p.VerifyCGA(member.Address); err != nil || !member.AsCGA.RFC {
					t.Errorf("as CGA: %v", err)
				}
				for _, other := range v.HBA {
					if err := p.VerifyHBA(other.Address); err != nil || !member.AsHBA.RFC {
						t.Errorf("%v with the PDS of %v: %v", other.Address, member.Address, err)
					}
					if other.Address != member.Address {
						wantError(t, p.VerifyCGA(other.Address), ErrSubnetPrefix)
					}
				}
				m, err := p.MultiPrefix()
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(v.Prefixes, m.Prefixes); d != "" {
					t.Error(d)
				}
				if want := binary.BigEndian.Uint32(v.Flags) == flagP; m.PublicKey != want {
					t.Errorf("P flag %v, want %v", m.PublicKey, want)
				}
				set, err := p.Members(v.Sec)
				if err != nil {
					t.Fatal(err)
				}
				for i, a := range set {
					pds, err := a.PDS.MarshalBinary()
					if a.Addr != v.HBA[i].Address || err != nil || !bytes.Equal(pds, v.HBA[i].PDS) {
						t.Errorf("member %d: made %v and %x, %v", i, a.Addr, pds, err)
					}
				}
			}
		})
	}
}

// A set that another program made by the RFC is made here from the same modifier, octet by octet.
// The other sets have the P flag elsewhere, or another form of nonce.
func TestVectorHBAGenerate(t *testing.T) {
	shows.IDs(t, "5535-5-01 5535-5-02 5535-5-03 5535-5-04 5535-5-06 5535-10-01 5535-6-16")
	found := false
	for _, v := range vectors().HBA {
		if v.Name != "hbacga-2-rfc-pflag" {
			continue
		}
		found = true
		set, err := GenerateHBA(t.Context(), constant(v.Modifier), v.Prefixes,
			Options{Sec: v.Sec, PublicKey: &testKey(t, 1024).PublicKey})
		if err != nil {
			t.Fatal(err)
		}
		for i, a := range set {
			pds, err := a.PDS.MarshalBinary()
			if a.Addr != v.HBA[i].Address || err != nil || !bytes.Equal(pds, v.HBA[i].PDS) {
				t.Errorf("member %d: made %v and %x, %v", i, a.Addr, pds, err)
			}
		}
	}
	if !found {
		t.Error("no such vector")
	}
}

// Our signature is the same as the other program's, octet by octet: the padding and the hash leave
// no choice.
func TestVectorSignature(t *testing.T) {
	shows.IDs(t, "5533-5.15.5-03 5533-5.15.5-04 5533-5.15.5-05 5533-5.15.5-06 3972-6-01 3972-6-02 3972-6-04")
	for _, v := range vectors().Signature {
		t.Run(v.Name, func(t *testing.T) {
			p := mustParse(t, v.PDS)
			ulid := v.Locators[0].Address
			if err := p.VerifySignature(ulid, v.list(), v.Signature); err != nil || !v.Expect {
				t.Error(err)
			}
			if err := p.VerifyLocators(ulid, v.list(), v.Signature); err != nil {
				t.Error(err)
			}
			made, err := p.Sign(decodeKey(t, []byte(v.Key)), v.list())
			if err != nil || !bytes.Equal(made, v.Signature) {
				t.Errorf("signed %x, %v, want %x", made, err, v.Signature)
			}
		})
	}
}

func TestVectorSignatureNegative(t *testing.T) {
	for _, v := range vectors().SignatureNegative {
		t.Run(v.Name, func(t *testing.T) {
			p := mustParse(t, v.PDS)
			ulid := v.Locators[0].Address
			want := ErrSignature
			if v.Name == "wrong-key" {
				// The PDS is no longer that of the ULID, and that is found first. With its own
				// ULID, the signature is still wrong.
				want = ErrSubnetPrefix
				own, err := p.Derive(p.SubnetPrefix, p.CollisionCount, 1)
				if err != nil {
					t.Fatal(err)
				}
				wantError(t, p.VerifySignature(own.Addr, v.list(), v.Signature), ErrSignature)
			}
			if v.Expect {
				t.Fatal("not a negative vector")
			}
			wantError(t, p.VerifySignature(ulid, v.list(), v.Signature), want)
			wantError(t, p.VerifyLocators(ulid, v.list(), v.Signature), want)
		})
	}
}

// The example of RFC 3972 appendix A from its beginning: the modifier ends in 9a, for which Hash2
// does not fit; the next modifier does.
func TestAppendixA(t *testing.T) {
	shows.IDs(t, "3972-A-01 3972-4-01 3972-4-03 3972-4-04 3972-4-05 3972-4-06 3972-4-07 3972-4-08 3972-4-10")
	v := appendixA()
	p := &PDS{Modifier: Modifier(v.Modifier), PublicKey: v.PublicKey}
	p.Modifier[15]--
	before, err := p.Hash2()
	if want := "\x43\x6b\x9a\x70\xdb\xfd\xdb\xf1\x92\x6e\x6e\x66\x29\xc0"; err != nil || string(before[:]) != want {
		t.Errorf("Hash2 of the first modifier is %x, %v", before, err)
	}
	var tried uint64
	if err := (Options{Sec: 1, Progress: func(n uint64) { tried = n }, Workers: 1}).search(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if p.Modifier != Modifier(v.Modifier) || tried != 2 {
		t.Errorf("modifier %x after %d hashes", p.Modifier, tried)
	}
	a, err := p.Derive(prefixes(t, "fe80::")[0], 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	pds, err := a.PDS.MarshalBinary()
	if a.Addr != netip.MustParseAddr("fe80::3c4a:5bf6:ffb4:ca6c") || err != nil || !bytes.Equal(pds, v.PDS) {
		t.Errorf("made %v with %x, %v", a.Addr, pds, err)
	}
}
