// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"shim6/tools/conformance/shows"
)

// The fast sum and the slow one are the same for all octets.
func TestChecksum(t *testing.T) {
	shows.IDs(t, "5533-5.3-08")
	r := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		b := make([]byte, 8*(1+r.IntN(256)))
		for i := range b {
			b[i] = byte(r.Uint32())
			// Words of ones make carries; without such words there are few.
			if r.IntN(4) == 0 {
				b[i] = 0xff
			}
		}
		if got, want := checksum(b), slowSum(b); got != want {
			t.Fatalf("%#04x, want %#04x: % x", got, want, b)
		}
	}
	for _, test := range []struct {
		b    []byte
		want uint16
	}{
		{make([]byte, 8), 0xffff},
		{bytes.Repeat([]byte{0xff}, 8), 0},
		{bytes.Repeat([]byte{0xff}, 2048), 0},
		{octets(t, "8000 8000 0000 0000"), 0xfffe},
		{octets(t, "ffff 0001 0000 0000"), 0xfffe},
		// A carry out of 64 bits.
		{octets(t, "ffff ffff ffff ffff 0000 0000 0000 0001"), 0xfffe},
		{octets(t, "8000 0000 0000 0000 8000 0000 0000 0000"), 0xfffe},
	} {
		if got := checksum(test.b); got != test.want || got != slowSum(test.b) {
			t.Errorf("% x: %#04x, want %#04x", test.b, got, test.want)
		}
	}
}

// The checksum covers neither the octets after the message nor the IPv6 header: the message is
// right anywhere.
func TestChecksumCovers(t *testing.T) {
	shows.IDs(t, "5533-5.3-09 5533-5.3-10")
	b := octets(t, "3b01010040654d4f4efb16e61fb9b0af") // sent by another implementation
	mustDecode(t, b)
	mustDecode(t, append(bytes.Clone(b), "a payload of odd length"...))
	if got := mustAppend(t, mustDecode(t, append(bytes.Clone(b), 1, 2, 3))); !bytes.Equal(got, b) {
		t.Errorf("got % x, want % x", got, b)
	}
}

// In one's complement, a checksum of 0xffff is the same as one of 0.
func TestChecksumOfZero(t *testing.T) {
	// Choose a nonce that makes the sum 0.
	b := mustAppend(t, &I1{InitiatorContextTag: 1})
	sum := slowSum(with(b, 4, 0, 0))
	m := &I1{InitiatorContextTag: 1, InitiatorNonce: uint32(sum)}
	b = mustAppend(t, m)
	if b[4] != 0 || b[5] != 0 {
		t.Fatalf("the checksum is %x: % x", b[4:6], b)
	}
	mustDecode(t, b)
	ones := with(b, 4, 0xff, 0xff)
	if got := mustAppend(t, mustDecode(t, ones)); !bytes.Equal(got, ones) {
		t.Errorf("got % x, want % x", got, ones)
	}
	// If the sum changes, the residue does not spoil it.
	decoded := mustDecode(t, ones).(*I1)
	decoded.InitiatorNonce++
	mustDecode(t, mustAppend(t, decoded))
}
