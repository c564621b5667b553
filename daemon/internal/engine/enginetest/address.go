// SPDX-License-Identifier: BSD-3-Clause

package enginetest

import (
	"context"
	"crypto/rsa"
	"io"
	"math/rand/v2"
	"net/netip"

	"shim6/daemon/cga"
	"shim6/daemon/internal/engine"
)

// Reader makes random octets of random numbers.
type Reader struct{ rand.Source }

// Read fills b. It returns no error.
func (r Reader) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(r.Uint64())
	}
	return len(b), nil
}

// Seed is a source of random numbers that is the same in every run.
func Seed(n uint64) rand.Source { return rand.NewPCG(n, 0x5eed) }

// HBASet are the addresses of an HBA set, one in the /64 of each address of prefixes, in their
// order. If key is not nil they are CGAs of it as well, and have it.
func HBASet(random io.Reader, key *rsa.PrivateKey, prefixes ...netip.Addr) ([]engine.LocalLocator, error) {
	o := cga.Options{Workers: 1}
	if key != nil {
		o.PublicKey = &key.PublicKey
	}
	list := make([]cga.SubnetPrefix, len(prefixes))
	for i, a := range prefixes {
		list[i] = cga.PrefixOf(a)
	}
	set, err := cga.GenerateHBA(context.Background(), random, list, o)
	locals := make([]engine.LocalLocator, len(set))
	for i, a := range set {
		locals[i] = engine.LocalLocator{Address: a.Addr, PDS: a.PDS, Key: key}
	}
	return locals, err
}

// CGA is a CGA of a key in the /64 of an address, which is in no HBA set.
func CGA(random io.Reader, key *rsa.PrivateKey, prefix netip.Addr) (engine.LocalLocator, error) {
	a, err := cga.GenerateCGA(context.Background(), random, cga.PrefixOf(prefix), cga.Options{PublicKey: &key.PublicKey, Workers: 1})
	return engine.LocalLocator{Address: a.Addr, PDS: a.PDS, Key: key}, err
}
