// SPDX-License-Identifier: BSD-3-Clause

package cga

import (
	"bytes"
	"context"
	"crypto/rsa"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"slices"
)

const (
	// extendedModifierBits is the length of the nonce that an HBA-only address has in place of a
	// key (RFC 5535 section 6).
	extendedModifierBits = 384
	// maxPrefixes is how many prefixes fit into an extension field.
	maxPrefixes = (0xffff - multiPrefixFlags) / 8
)

// extendedModifierExponent is the public exponent that goes with the nonce. RFC 5535 leaves it
// open: it is hashed, but never used.
var extendedModifierExponent = []byte{0x01, 0x00, 0x01}

// Address is an address that was made here, and the PDS that verifies it.
type Address struct {
	Addr netip.Addr
	PDS  *PDS
}

// Options are optional inputs for making addresses.
type Options struct {
	// Sec is the security parameter, 0 to MaxSec. To make an address takes about 2^(16*Sec) hashes.
	// To forge one takes 2^(16*Sec) times as many as for a Sec of 0.
	Sec uint8
	// PublicKey is the key to which the addresses are bound, of MinKeyBits to MaxNewKeyBits. A CGA
	// must have one; HBAs without one are HBA-only.
	PublicKey *rsa.PublicKey
	// Extensions are further extension fields. They come after the Multi-Prefix extension, which
	// must not be among them.
	Extensions []Extension
	// Workers is how many goroutines search; 0 means one for each processor. It does not change the
	// result.
	Workers int
	// Progress, if not nil, is called every few milliseconds of the search for a modifier, with the
	// number of hashes made. The goroutine that called GenerateCGA or GenerateHBA calls it.
	Progress func(hashes uint64)
}

// GenerateCGA makes a CGA-only address by the steps of RFC 3972 section 4, with collision count 0.
// It reads 16 octets of random, for the modifier.
//
// Errors are ErrSec, ErrKey, ErrExtension, the reader's, and that of ctx, which ends the search.
func GenerateCGA(ctx context.Context, random io.Reader, prefix SubnetPrefix, o Options) (Address, error) {
	if o.PublicKey == nil {
		return Address{}, fmt.Errorf("%w: a CGA is bound to a key, and there is none (RFC 3972 section 4)", ErrKey)
	}
	p, err := o.start(random, nil)
	if err != nil {
		return Address{}, err
	}
	if err := o.search(ctx, p); err != nil {
		return Address{}, err
	}
	return p.Derive(prefix, 0, o.Sec)
}

// GenerateHBA makes the HBA set of one or more different prefixes by the steps of RFC 5535 section
// 6, with collision count 0. It returns one address for each prefix, in the order of the prefixes,
// which is hashed as well. With a public key the addresses are also CGAs. It reads 16 octets of
// random, for the modifier, and without a public key 48 more, for the extended modifier.
//
// Other prefixes make another set, in which all addresses are new.
//
// Errors are ErrPrefixes and those of GenerateCGA.
func GenerateHBA(ctx context.Context, random io.Reader, prefixes []SubnetPrefix, o Options) ([]Address, error) {
	if len(prefixes) == 0 || len(prefixes) > maxPrefixes {
		return nil, fmt.Errorf("%w: there are %d, where 1 to %d fit the Multi-Prefix extension (RFC 5535 section 5)",
			ErrPrefixes, len(prefixes), maxPrefixes)
	}
	seen := make(map[SubnetPrefix]bool)
	for _, p := range prefixes {
		if seen[p] {
			return nil, fmt.Errorf("%w: %v is there twice", ErrPrefixes, p)
		}
		seen[p] = true
	}
	// Step 1.
	multi := MultiPrefix{PublicKey: o.PublicKey != nil, Prefixes: prefixes}.Extension()
	p, err := o.start(random, &multi)
	if err != nil {
		return nil, err
	}
	// Steps 3 and 4.
	if err := o.search(ctx, p); err != nil {
		return nil, err
	}
	// Steps 5 and 6.
	return p.deriveSet(prefixes, 0, o.Sec)
}

// start returns a PDS with everything except the prefix, and with a modifier to begin the search
// with.
func (o Options) start(random io.Reader, multi *Extension) (*PDS, error) {
	if err := checkSec(o.Sec); err != nil {
		return nil, err
	}
	p := new(PDS)
	if multi != nil {
		p.Extensions = append(p.Extensions, *multi)
	}
	for _, e := range o.Extensions {
		if e.Type == ExtensionMultiPrefix {
			return nil, fmt.Errorf("%w: the Multi-Prefix extension is made from the prefixes, not given", ErrExtension)
		}
		p.Extensions = append(p.Extensions, e)
	}
	if _, err := io.ReadFull(random, p.Modifier[:]); err != nil {
		return nil, fmt.Errorf("random numbers for the modifier: %w", err)
	}
	var err error
	if o.PublicKey != nil {
		p.PublicKey, err = EncodePublicKey(o.PublicKey)
		return p, err
	}
	nonce := make([]byte, extendedModifierBits/8)
	if _, err := io.ReadFull(random, nonce); err != nil {
		return nil, fmt.Errorf("random numbers for the extended modifier: %w", err)
	}
	// The nonce must also be a key of 384 bits: RFC 3972 section 3 wants at least so many of an RSA
	// key, and verifiers may insist.
	nonce[0] |= 0x80
	p.PublicKey = encodeRSA(nonce, extendedModifierExponent)
	return p, nil
}

// search replaces the modifier of p by one that fits o.Sec.
func (o Options) search(ctx context.Context, p *PDS) error {
	// Prefix and collision count are still zero, as in Hash2.
	input, err := p.MarshalBinary()
	if err != nil {
		return err
	}
	workers := o.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	p.Modifier, err = search(ctx, input, o.Sec, workers, o.Progress)
	return err
}

func checkSec(sec uint8) error {
	if sec > MaxSec {
		return fmt.Errorf("%w: it is %d, and RFC 4982 section 6 assigns 0, 1 and 2", ErrSec, sec)
	}
	return nil
}

// Derive makes the address with another prefix or collision count, and everything else as in p (RFC
// 3972 section 4 steps 4 to 9). Use it when the prefix of a CGA changes; when duplicate address
// detection finds an address taken, see Regenerate. There is no search, so sec must not be more
// than the Sec for which the modifier of p was found. The result shares memory with p.
//
// Errors are ErrSec, ErrCollisionCount, ErrHash2 if the modifier does not fit sec, ErrNotMember if
// p is of an HBA set without the prefix, ErrMultiPrefix and those of AppendBinary.
func (p *PDS) Derive(prefix SubnetPrefix, collisionCount, sec uint8) (Address, error) {
	if err := checkSec(sec); err != nil {
		return Address{}, err
	}
	for _, e := range p.Extensions {
		if e.Type != ExtensionMultiPrefix {
			continue
		}
		_, prefixes, err := p.multiPrefix()
		if err != nil {
			return Address{}, err
		}
		if !isMember(prefixes, prefix) {
			return Address{}, fmt.Errorf("%w: the Multi-Prefix extension has no %v, and adding it would change the whole set (RFC 5535 section 6)",
				ErrNotMember, prefix)
		}
	}
	derived := *p
	derived.SubnetPrefix, derived.CollisionCount = prefix, collisionCount
	hash1, hash2, err := derived.hashes()
	if err != nil {
		return Address{}, err
	}
	if !zeroBits(hash2[:], sec) {
		return Address{}, fmt.Errorf("%w: the modifier was not found for Sec %d, Hash2 is %x (RFC 3972 section 4 step 3)", ErrHash2, sec, hash2)
	}
	id := binary.BigEndian.Uint64(hash1[:])&hash1Mask | uint64(sec)<<secShift
	binary.BigEndian.PutUint64(hash1[:], id)
	return Address{Addr: prefix.addr(hash1), PDS: &derived}, nil
}

func (p *PDS) deriveSet(prefixes []SubnetPrefix, collisionCount, sec uint8) ([]Address, error) {
	set := make([]Address, 0, len(prefixes))
	for _, prefix := range prefixes {
		a, err := p.Derive(prefix, collisionCount, sec)
		if err != nil {
			return nil, err
		}
		set = append(set, a)
	}
	return set, nil
}

// Regenerate makes the addresses of a set again with another collision count. Use it when duplicate
// address detection finds one of them taken. All members of an HBA set change together (RFC 5535
// section 6 step 6.4). A CGA is a set of one address.
//
// The error is ErrPrefixes if set has some members of an HBA set, but not all. It is
// ErrCollisionCount for a count above MaxCollisionCount: give up after three collisions (RFC 3972
// section 4 step 8). Other errors are those of Derive.
func Regenerate(set []Address, collisionCount uint8) ([]Address, error) {
	if err := checkWhole(set); err != nil {
		return nil, err
	}
	out := make([]Address, 0, len(set))
	for _, a := range set {
		again, err := a.PDS.Derive(a.PDS.SubnetPrefix, collisionCount, SecOf(a.Addr))
		if err != nil {
			return nil, err
		}
		out = append(out, again)
	}
	return out, nil
}

// checkWhole returns an error if some of the addresses are in an HBA set, and set is not exactly
// that HBA set.
func checkWhole(set []Address) error {
	at := slices.IndexFunc(set, func(a Address) bool {
		_, err := a.PDS.MultiPrefix()
		return err == nil
	})
	if at < 0 {
		return nil
	}
	one := set[at].PDS
	there := make(map[SubnetPrefix]bool)
	for _, a := range set {
		if !one.sameSet(a.PDS) {
			return fmt.Errorf("%w: %v and %v are not of one HBA set", ErrPrefixes, set[at].Addr, a.Addr)
		}
		there[a.PDS.SubnetPrefix] = true
	}
	m, err := one.MultiPrefix()
	if err != nil {
		return err
	}
	for _, p := range m.Prefixes {
		if !there[p] {
			return fmt.Errorf("%w: the member in %v is missing, and all members of an HBA set change together (RFC 5535 section 6 step 6.4)",
				ErrPrefixes, p)
		}
	}
	return nil
}

// sameSet reports whether p and q differ only as members of one set do.
func (p *PDS) sameSet(q *PDS) bool {
	return p.Modifier == q.Modifier && p.CollisionCount == q.CollisionCount && bytes.Equal(p.PublicKey, q.PublicKey) &&
		slices.EqualFunc(p.Extensions, q.Extensions, func(a, b Extension) bool {
			return a.Type == b.Type && bytes.Equal(a.Data, b.Data)
		})
}

// Members returns the addresses of the HBA set of p, in the order of the Multi-Prefix extension.
// sec is a Sec that the modifier of p fits. Errors are ErrMultiPrefix and those of Derive.
func (p *PDS) Members(sec uint8) ([]Address, error) {
	m, err := p.MultiPrefix()
	if err != nil {
		return nil, err
	}
	return p.deriveSet(m.Prefixes, p.CollisionCount, sec)
}
