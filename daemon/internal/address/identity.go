// SPDX-License-Identifier: BSD-3-Clause

package address

import (
	"context"
	"crypto/rsa"
	"errors"
	"io"
	"slices"

	"shim6/daemon/cga"
	"shim6/daemon/locator"
)

const (
	// sec costs less than a tenth of a second, and an attacker 65536 times as
	// much as 0 would.
	sec = 1
	// maxSets is how many sets are remembered, unless more are in use: of as
	// many places has a wandering host the same addresses as last time.
	maxSets = 64
	// maxSetPrefixes is how many prefixes are in one set. The PDS of each address
	// has all of them, and must leave room in a message: with so many, for all of
	// the set's locators, or for half as many and a signature.
	maxSetPrefixes = 16
)

// Identity is a key, and the addresses that were made with it: HBA sets that are
// CGAs as well (RFC 5535, section 4). The prefixes that are known at one time are in
// one set, if there are not too many; for what comes later there are further sets,
// which the key vouches for by its signature (RFC 5533, section 5.15.5). It is not
// changed once it is made.
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

// Extend returns an Identity that has sets of some prefixes, too: one if they fit. Of
// too many sets the oldest are forgotten, but none with a prefix that is in use (see
// InUse), since its address would have to go. It takes the time of a search for each
// set, and of New if i is nil.
func (i *Identity) Extend(ctx context.Context, random io.Reader, prefixes, inUse []cga.SubnetPrefix) (*Identity, error) {
	if i == nil {
		var err error
		if i, err = New(random); err != nil {
			return nil, err
		}
	}
	next := &Identity{Key: i.Key, Sets: slices.Clone(i.Sets)}
	// One worker: whatever the host does may have the other processors.
	o := cga.Options{Sec: sec, PublicKey: &next.Key.PublicKey, Workers: 1}
	for some := range slices.Chunk(prefixes, maxSetPrefixes) {
		set, err := cga.GenerateHBA(ctx, random, some, o)
		if err != nil {
			return nil, err
		}
		next.Sets = append(next.Sets, set)
	}
	// What is new is about to be used.
	next.forget(slices.Concat(inUse, prefixes))
	return next, nil
}

// forget leaves out the oldest of too many sets, of those that are not in use.
func (i *Identity) forget(inUse []cga.SubnetPrefix) {
	sets := i.Sets
	excess := len(sets) - maxSets
	i.Sets = nil
	for _, set := range sets {
		used := slices.ContainsFunc(set, func(a cga.Address) bool { return slices.Contains(inUse, a.PDS.SubnetPrefix) })
		if excess > 0 && !used {
			excess--
			continue
		}
		i.Sets = append(i.Sets, set)
	}
}

// InUse are the prefixes of which an Identity must not forget the addresses: those
// that are known, and those of addresses of ours that are there, be it on a link or
// kept for contexts.
func InUse(known []Prefix, t *locator.Table) []cga.SubnetPrefix {
	var list []cga.SubnetPrefix
	for _, p := range known {
		list = append(list, p.Prefix)
	}
	for _, a := range t.Assigned() {
		if a.Protocol == locator.Protocol {
			list = append(list, cga.PrefixOf(a.Address))
		}
	}
	return list
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
