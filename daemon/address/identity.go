// SPDX-License-Identifier: BSD-3-Clause

package address

import (
	"context"
	"crypto/rsa"
	"errors"
	"io"
	"slices"

	"shim6/daemon/cga"
)

const (
	// sec costs less than a tenth of a second, and an attacker 65536 times as
	// much as 0 would.
	sec = 1
	// maxSets is how many sets are remembered: of as many places has a
	// wandering host the same addresses as last time.
	maxSets = 64
)

// Identity is a key, and the addresses that were made with it: HBA sets that are
// CGAs as well (RFC 5535, section 4). The prefixes that are known at one time are in
// one set; for what comes later there are further sets, which the key vouches for by
// its signature (RFC 5533, section 5.15.5). It is not changed once it is made.
type Identity struct {
	Key  *rsa.PrivateKey
	Sets [][]cga.Address
}

// Address returns the address in a prefix, and its set, which is the newest one.
func (i *Identity) Address(p cga.SubnetPrefix) (a cga.Address, set int, ok bool) {
	if i == nil {
		return a, 0, false
	}
	for n, s := range slices.Backward(i.Sets) {
		for _, a := range s {
			if a.PDS.SubnetPrefix == p {
				return a, n, true
			}
		}
	}
	return a, 0, false
}

// New returns an Identity that has a key and no addresses yet. It takes the time of
// the making of a key, which is a second or, on a small machine, many.
func New(random io.Reader) (*Identity, error) {
	key, err := rsa.GenerateKey(random, cga.DefaultKeyBits)
	if err != nil {
		return nil, err
	}
	return &Identity{Key: key}, nil
}

// Extend returns an Identity that has a set of some prefixes, too. It takes the time
// of a search, and of New if i is nil.
func (i *Identity) Extend(ctx context.Context, random io.Reader, prefixes []cga.SubnetPrefix) (*Identity, error) {
	if i == nil {
		var err error
		if i, err = New(random); err != nil {
			return nil, err
		}
	}
	next := &Identity{Key: i.Key, Sets: slices.Clone(i.Sets)}
	// One worker: whatever the host does may have the other processors.
	set, err := cga.GenerateHBA(ctx, random, prefixes, cga.Options{Sec: sec, PublicKey: &next.Key.PublicKey, Workers: 1})
	if err != nil {
		return nil, err
	}
	next.Sets = append(next.Sets, set)
	next.Sets = next.Sets[max(0, len(next.Sets)-maxSets):]
	return next, nil
}

// ErrTaken says that the addresses of a set are taken, with every collision count.
var ErrTaken = errors.New("three times another host has had the address (RFC 3972, section 4, step 8)")

// Collide returns an Identity in which a set has the next collision count: all of
// its addresses are others (RFC 5535, section 6, step 6.4).
func (i *Identity) Collide(set int) (*Identity, error) {
	count := i.Sets[set][0].PDS.CollisionCount
	if count >= cga.MaxCollisionCount {
		return nil, ErrTaken
	}
	again, err := cga.Regenerate(i.Sets[set], count+1)
	if err != nil {
		return nil, err
	}
	next := &Identity{Key: i.Key, Sets: slices.Clone(i.Sets)}
	next.Sets[set] = again
	return next, nil
}
