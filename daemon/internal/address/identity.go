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
	// sec costs us less than a tenth of a second, and costs an attacker 65536 times as much
	// as 0 would.
	sec = 1
	// maxSets is how many sets are remembered, unless more are in use: in that many places
	// a travelling host has the same addresses as last time.
	maxSets = 64
	// maxSetPrefixes is how many prefixes are in one set. The PDS of each address has all of
	// them, and must leave room in a message: for all of the set's locators, or for half of
	// them and a signature.
	maxSetPrefixes = 16
)

// Identity is a key, and the addresses that were made with it: HBA sets that are CGAs as well
// (RFC 5535, section 4). The prefixes that are known at one time are in one set, if there are
// not too many. Prefixes that come later are in further sets, for which the key signs (RFC
// 5533, section 5.15.5). An Identity is never changed.
type Identity struct {
	Key  *rsa.PrivateKey
	Sets [][]cga.Address
}

// Address returns the address in a prefix, and the index of its set. The newest set counts.
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

// New returns an Identity that has a key and no addresses yet. To make the key takes a second,
// or many on a small machine.
func New(random io.Reader) (*Identity, error) {
	key, err := rsa.GenerateKey(random, cga.DefaultKeyBits)
	if err != nil {
		return nil, err
	}
	return &Identity{Key: key}, nil
}

// Extend returns an Identity that has sets of further prefixes, too: one set if they fit. If
// there are too many sets it forgets the oldest, but none with a prefix that is in use (see
// InUse), since the address in it would have to go. It takes the time of a search for each
// set, and of New if i is nil.
func (i *Identity) Extend(ctx context.Context, random io.Reader, prefixes, inUse []cga.SubnetPrefix) (*Identity, error) {
	if i == nil {
		var err error
		if i, err = New(random); err != nil {
			return nil, err
		}
	}
	next := &Identity{Key: i.Key, Sets: slices.Clone(i.Sets)}
	// One worker leaves the other processors to the host.
	o := cga.Options{Sec: sec, PublicKey: &next.Key.PublicKey, Workers: 1}
	for some := range slices.Chunk(prefixes, maxSetPrefixes) {
		set, err := cga.GenerateHBA(ctx, random, some, o)
		if err != nil {
			return nil, err
		}
		next.Sets = append(next.Sets, set)
	}
	// The new sets are about to be used.
	next.forget(slices.Concat(inUse, prefixes))
	return next, nil
}

// forget leaves out the oldest sets if there are too many, but none that is in use.
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

// InUse are the prefixes whose addresses an Identity must not forget: the known ones, and those
// of our addresses on links or kept for contexts.
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

// ErrTaken says that another host has addresses of a set with every collision count.
var ErrTaken = errors.New("three times another host has had the address (RFC 3972, section 4, step 8)")

// Collide returns an Identity in which a set has the next collision count, and so other
// addresses (RFC 5535, section 6, step 6.4).
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

// Renew returns an Identity in which a set has addresses that have nothing in common with those
// before, for the same prefixes. It takes the time of a search.
func (i *Identity) Renew(ctx context.Context, random io.Reader, set int) (*Identity, error) {
	var prefixes []cga.SubnetPrefix
	for _, a := range i.Sets[set] {
		prefixes = append(prefixes, a.PDS.SubnetPrefix)
	}
	fresh, err := cga.GenerateHBA(ctx, random, prefixes, cga.Options{Sec: sec, PublicKey: &i.Key.PublicKey, Workers: 1})
	if err != nil {
		return nil, err
	}
	next := &Identity{Key: i.Key, Sets: slices.Clone(i.Sets)}
	next.Sets[set] = fresh
	return next, nil
}
