// SPDX-License-Identifier: BSD-3-Clause

package cga

import (
	"os"
	"testing"
)

// A set for Sec 2, which took billions of hashes to make: verified, and found again
// from a modifier shortly before that which fits.
//
// Shows: 4982-6-03 3972-2-04 3972-4-04 3972-5-08 5535-6-10 4982-5-01 5535-6-01
func TestSec2(t *testing.T) {
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
	// One that fits Sec 1 alone does not do.
	one := mustHBA(t, 1, eight(t)[:2], Options{Sec: 1})
	wantError(t, one[0].PDS.VerifyCGA(withSec(one[0].Addr, 2)), ErrHash2)
	_, err = one[0].PDS.Derive(eight(t)[0], 0, 2)
	wantError(t, err, ErrHash2)
}
