// SPDX-License-Identifier: BSD-3-Clause

package cga

import (
	"crypto/sha256"
	"os"
	"testing"

	"shim6/daemon/wire"
	"shim6/tools/conformance/shows"
)

// A set for Sec 2, which took billions of hashes to make. It verifies, and a search from a modifier
// shortly before its own finds it again.
func TestSec2(t *testing.T) {
	shows.IDs(t, "4982-6-03 3972-2-04 3972-4-04 3972-5-08 5535-6-10 4982-5-01 5535-6-01 4982-4.1-01")
	b, err := os.ReadFile("testdata/sec2.pem")
	if err != nil {
		t.Fatal(err)
	}
	set, err := DecodePEM(b)
	if err != nil || len(set) != 2 {
		t.Fatalf("%d addresses, %v", len(set), err)
	}
	for i, a := range set {
		if SecOf(a.Addr) != 2 {
			t.Errorf("Sec %d", SecOf(a.Addr))
		}
		wantError(t, set[1-i].PDS.VerifyHBA(a.Addr), nil)
		hash2, err := a.PDS.Hash2()
		if err != nil || [4]byte(hash2[:]) != [4]byte{} {
			t.Errorf("Hash2 is %x, %v", hash2, err)
		}
		if sec, err := a.PDS.HighestSec(); err != nil || sec != 2 {
			t.Errorf("highest Sec %d, %v", sec, err)
		}
	}
	p := *set[0].PDS
	p.SubnetPrefix = SubnetPrefix{}
	want := p.Modifier
	p.Modifier = before(want, 10000)
	if err := (Options{Sec: 2}).search(t.Context(), &p); err != nil || p.Modifier != want {
		t.Errorf("modifier %x, %v, want %x", p.Modifier, err, want)
	}
	// A modifier that fits only Sec 1 does not verify.
	one := mustHBA(t, 1, eight(t)[:2], Options{Sec: 1})
	wantError(t, one[0].PDS.VerifyCGA(withSec(one[0].Addr, 2)), ErrHash2)
	_, err = one[0].PDS.Derive(eight(t)[0], 0, 2)
	wantError(t, err, ErrHash2)
}

// An address of any Sec is as good as others: there is no least Sec.
func TestSecAlike(t *testing.T) {
	shows.IDs(t, "3972-5-13")
	b, err := os.ReadFile("testdata/sec2.pem")
	if err != nil {
		t.Fatal(err)
	}
	two, err := DecodePEM(b)
	if err != nil {
		t.Fatal(err)
	}
	for sec, set := range [][]Address{
		mustHBA(t, 1, eight(t)[:2], Options{}), mustHBA(t, 1, eight(t)[:2], Options{Sec: 1}), two,
	} {
		if SecOf(set[0].Addr) != uint8(sec) {
			t.Fatalf("Sec %d", SecOf(set[0].Addr))
		}
		list := listOf(7, wire.Locator{Address: set[0].Addr, Method: wire.MethodHBA}, wire.Locator{Address: set[1].Addr, Method: wire.MethodHBA})
		wantError(t, set[0].PDS.VerifyULID(set[0].Addr), nil)
		wantError(t, set[0].PDS.VerifyLocators(set[0].Addr, list, nil), nil)
	}
}

// A Sec has only the meaning that RFC 4982 gives it: an address with a better hash does not verify.
func TestSecMeansOne(t *testing.T) {
	shows.IDs(t, "4982-4.1-02")
	p := mustCGA(t, 5, eight(t)[0], Options{PublicKey: &testKey(t, 1024).PublicKey}).PDS
	octets, err := p.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	for sec := range uint8(8) {
		sum := sha256.Sum256(octets)
		sum[0] &= 0x1c
		addr := withSec(p.SubnetPrefix.addr([8]byte(sum[:])), sec)
		wantError(t, p.VerifyCGA(addr), ErrHash1)
		wantError(t, p.VerifyULID(addr), ErrHash1)
	}
}
