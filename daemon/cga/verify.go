// SPDX-License-Identifier: BSD-3-Clause

package cga

import (
	"crypto/rsa"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"shim6/daemon/wire"
)

// MaxSec is the greatest Sec that the CGA SEC registry assigns: 0, 1 and 2 stand
// for SHA-1 and 0, 16 and 32 zero bits in Hash2 (RFC 4982 section 6). What the
// others stand for is not known, so nothing is made or verified with them.
const MaxSec = 2

const (
	// hash1Mask leaves out of an interface identifier what Hash1 says
	// nothing of: Sec (bits 0 to 2) and the bits u and g (6 and 7). It is
	// Mask1 of RFC 3972 section 2.
	hash1Mask = 0x1cffffffffffffff
	secShift  = 61
)

// SecOf returns the security parameter of an address, the three leftmost bits of
// its interface identifier (RFC 3972 section 2): 0 to 7.
func SecOf(addr netip.Addr) uint8 { return uint8(interfaceID(addr) >> secShift) }

func interfaceID(addr netip.Addr) uint64 {
	a := addr.As16()
	return binary.BigEndian.Uint64(a[8:])
}

// zeroBits says whether hash2 begins with the zero bits that sec asks for.
func zeroBits(hash2 []byte, sec uint8) bool {
	for _, b := range hash2[:2*sec] {
		if b != 0 {
			return false
		}
	}
	return true
}

// VerifyCGA verifies that addr is the address of p, by the steps of RFC 3972
// section 5, and returns nil if so. A zone of addr is ignored, and so are, as
// that section has it, the bits u and g, and a Sec less than that for which the
// address was made.
//
// Errors are ErrAddress, those of AppendBinary, and, for the step that failed:
// ErrCollisionCount, ErrSubnetPrefix, ErrHash1, ErrSec and ErrHash2. Keys may be
// of any kind and length, for the address alone: see VerifySignature.
func (p *PDS) VerifyCGA(addr netip.Addr) error {
	if !addr.Is6() {
		return fmt.Errorf("%w: %v", ErrAddress, addr)
	}
	// Step 1.
	if err := checkCollisionCount(p.CollisionCount); err != nil {
		return err
	}
	// Step 2.
	if prefix := PrefixOf(addr); prefix != p.SubnetPrefix {
		return fmt.Errorf("%w: %v is not in %v, which is that of the PDS (RFC 3972 section 5 step 2)",
			ErrSubnetPrefix, addr, p.SubnetPrefix)
	}
	// Steps 3 and 6.
	hash1, hash2, err := p.hashes()
	if err != nil {
		return err
	}
	return compare(addr, hash1, hash2)
}

// compare does steps 4, 5 and 7 of RFC 3972 section 5.
func compare(addr netip.Addr, hash1 [8]byte, hash2 [14]byte) error {
	// Step 4.
	id := interfaceID(addr)
	if (id^binary.BigEndian.Uint64(hash1[:]))&hash1Mask != 0 {
		return fmt.Errorf("%w: that of %v is %016x, Hash1 is %x (RFC 3972 section 5 step 4)", ErrHash1, addr, id, hash1)
	}
	// Step 5.
	sec := uint8(id >> secShift)
	if sec > MaxSec {
		return fmt.Errorf("%w: %v has Sec %d, and RFC 4982 section 6 assigns 0, 1 and 2", ErrSec, addr, sec)
	}
	// Step 7.
	if !zeroBits(hash2[:], sec) {
		return fmt.Errorf("%w: %v has Sec %d, Hash2 is %x (RFC 3972 section 5 step 7)", ErrHash2, addr, sec, hash2)
	}
	return nil
}

// HighestSec returns the greatest Sec that the modifier of p fits. Addresses of p
// need not have it: a PDS does not say for which Sec it was made. Errors are
// those of AppendBinary.
func (p *PDS) HighestSec() (uint8, error) {
	hash2, err := p.Hash2()
	if err != nil {
		return 0, err
	}
	for sec := uint8(MaxSec); sec > 0; sec-- {
		if zeroBits(hash2[:], sec) {
			return sec, nil
		}
	}
	return 0, nil
}

// VerifyHBA verifies that addr is in the HBA set of p, by the steps of RFC 5535
// section 7.2, and returns nil if so. Any member's PDS serves for all members.
//
// Errors are ErrAddress, ErrMultiPrefix, ErrNotMember and those of VerifyCGA.
func (p *PDS) VerifyHBA(addr netip.Addr) error {
	if !addr.Is6() {
		return fmt.Errorf("%w: %v", ErrAddress, addr)
	}
	// Step 1.
	_, prefixes, err := p.multiPrefix()
	if err != nil {
		return err
	}
	prefix, err := memberPrefix(prefixes, addr)
	if err != nil {
		return err
	}
	member := *p
	member.SubnetPrefix = prefix
	// Step 2.
	return member.VerifyCGA(addr)
}

// memberPrefix does step 1 of RFC 5535 section 7.2: it returns the prefix of addr, if
// it is among the octets of prefixes.
func memberPrefix(prefixes []byte, addr netip.Addr) (SubnetPrefix, error) {
	prefix := PrefixOf(addr)
	if !isMember(prefixes, prefix) {
		return prefix, fmt.Errorf("%w: the Multi-Prefix extension has no %v, that of %v (RFC 5535 section 7.2 step 1)",
			ErrNotMember, prefix, addr)
	}
	return prefix, nil
}

// members verifies many addresses of one HBA set. Their PDSs differ in the subnet
// prefix alone, which Hash2 leaves out: so it is that of all of them, and each takes
// one hash.
type members struct {
	prefixes []byte
	octets   []byte // of a PDS whose prefix is that of who was verified last
	hash2    [14]byte
}

// members returns what verifies the members of the set of p, whose collision count
// has been checked. Errors are ErrMultiPrefix and those of AppendBinary.
func (p *PDS) members() (*members, error) {
	_, prefixes, err := p.multiPrefix()
	if err != nil {
		return nil, err
	}
	octets, err := p.MarshalBinary()
	if err != nil {
		return nil, err
	}
	m := &members{prefixes: prefixes, octets: octets}
	clear(octets[prefixAt:publicKeyAt])
	sum := sha1.Sum(octets)
	m.hash2 = [14]byte(sum[:])
	octets[collisionCountAt] = p.CollisionCount
	return m, nil
}

// verify does what VerifyHBA does.
func (m *members) verify(addr netip.Addr) error {
	if !addr.Is6() {
		return fmt.Errorf("%w: %v", ErrAddress, addr)
	}
	prefix, err := memberPrefix(m.prefixes, addr)
	if err != nil {
		return err
	}
	copy(m.octets[prefixAt:], prefix[:])
	sum := sha1.Sum(m.octets)
	return compare(addr, [8]byte(sum[:]), m.hash2)
}

// VerifyULID verifies that p corresponds to the ULID of who sent it, as RFC
// 5533 wants before a PDS is made use of (sections 7.13, 7.16, 7.20 and 10.4),
// and returns nil if so. It takes p to be of the ULID itself or, as RFC 5535
// section 8 has it, of another member of its HBA set.
//
// Errors are those of VerifyCGA and VerifyHBA.
func (p *PDS) VerifyULID(ulid netip.Addr) error {
	err := p.VerifyCGA(ulid)
	if !errors.Is(err, ErrSubnetPrefix) {
		return err
	}
	if hba := p.VerifyHBA(ulid); !errors.Is(hba, ErrMultiPrefix) {
		return hba
	}
	return err
}

// LocatorError says which locator of a list does not verify. That is, unlike a
// PDS that is not that of the ULID, something to tell the peer of (RFC 5533
// section 10.4).
type LocatorError struct {
	// Index is the place in the list, from 0. If the signature is what is
	// wrong, it is that of the first locator that needs it. Whether it is,
	// is found out last, and only if nothing else is wrong with the list:
	// that takes more work than all else.
	Index int
	Addr  netip.Addr
	// Err says what is wrong.
	Err error
}

func (e *LocatorError) Error() string {
	return fmt.Sprintf("locator %d, %v: %v", e.Index, e.Addr, e.Err)
}

func (e *LocatorError) Unwrap() error { return e.Err }

// VerifyLocators verifies a peer's Locator List, and returns nil if all of it
// may be used: p corresponds to the ULID (VerifyULID), every locator with the
// method HBA is in the same HBA set as the ULID (VerifyHBA), and if there is one
// with the method CGA, the signature verifies (VerifySignature). A signature that
// no locator needs is not looked at.
//
// list must not be nil; signature is what the CGA Signature option holds, nil if
// the message has none.
//
// It says nothing about whether a locator can be reached, nor who is there: send
// it nothing but a probe before it has answered one (RFC 5533 section 7.2). Nor
// does it say that it is an address of which that could be asked: whoever has a
// key can sign for any, and a set may have any prefixes. The caller has to refuse
// unspecified, loopback, multicast, link-local and IPv4-mapped addresses.
//
// Errors are those of VerifyULID, and for the first locator that does not verify
// a LocatorError, which wraps ErrMethod, or an error of VerifyHBA or
// VerifySignature.
func (p *PDS) VerifyLocators(ulid netip.Addr, list *wire.LocatorList, signature []byte) error {
	if err := p.VerifyULID(ulid); err != nil {
		return err
	}
	var (
		set    *members
		key    *rsa.PublicKey
		signed int // the first locator that needs the signature
	)
	for i, l := range list.Locators {
		var err error
		switch l.Method {
		case wire.MethodHBA:
			// The ULID must be of the set as well (RFC 5533 section 3),
			// which a PDS that lacks its own prefix does not show.
			if set == nil {
				if set, err = p.members(); err == nil {
					err = set.verify(ulid)
				}
			}
			if err == nil {
				err = set.verify(l.Address)
			}
		case wire.MethodCGA:
			// One signature is for all of them.
			if key == nil {
				key, err = p.signer(signature)
				signed = i
			}
		default:
			err = fmt.Errorf("%w: it is the %v, not HBA or CGA (RFC 5533 section 5.15.2)", ErrMethod, l.Method)
		}
		if err != nil {
			return &LocatorError{Index: i, Addr: l.Address, Err: err}
		}
	}
	if key == nil {
		return nil
	}
	if err := verifySigned(key, list, signature); err != nil {
		return &LocatorError{Index: signed, Addr: list.Locators[signed].Address, Err: err}
	}
	return nil
}
