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

// MaxSec is the greatest Sec that the CGA SEC registry assigns: 0, 1 and 2 mean SHA-1 with 0, 16
// and 32 zero bits in Hash2 (RFC 4982 section 6). The meaning of the others is not known, so this
// package neither makes nor verifies such addresses.
const MaxSec = 2

const (
	// hash1Mask excludes the bits of an interface identifier that are not from Hash1: Sec (bits 0
	// to 2) and the bits u and g (6 and 7). It is Mask1 of RFC 3972 section 2.
	hash1Mask = 0x1cffffffffffffff
	secShift  = 61
)

// SecOf returns the security parameter of an address, the three leftmost bits of its interface
// identifier (RFC 3972 section 2): 0 to 7.
func SecOf(addr netip.Addr) uint8 { return uint8(interfaceID(addr) >> secShift) }

func interfaceID(addr netip.Addr) uint64 {
	a := addr.As16()
	return binary.BigEndian.Uint64(a[8:])
}

// zeroBits reports whether hash2 begins with the zero bits that sec requires.
func zeroBits(hash2 []byte, sec uint8) bool {
	for _, b := range hash2[:2*sec] {
		if b != 0 {
			return false
		}
	}
	return true
}

// VerifyCGA returns nil if addr is the address of p, by the steps of RFC 3972 section 5. As in that
// section, the bits u and g are ignored, and Sec may be less than the Sec for which the address was
// made. A zone of addr is ignored.
//
// Errors are ErrAddress, those of AppendBinary, and for the step that failed ErrCollisionCount,
// ErrSubnetPrefix, ErrHash1, ErrSec or ErrHash2. For the address alone, a key may be of any kind
// and length: see VerifySignature.
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
		return fmt.Errorf("%w: %v is not in %v, the prefix of the PDS (RFC 3972 section 5 step 2)",
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
		return fmt.Errorf("%w: %v has %016x, Hash1 is %x (RFC 3972 section 5 step 4)", ErrHash1, addr, id, hash1)
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

// HighestSec returns the greatest Sec that the modifier of p fits. An address of p may have a lower
// one: a PDS does not say for which Sec it was made. Errors are those of AppendBinary.
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

// VerifyHBA returns nil if addr is in the HBA set of p, by the steps of RFC 5535 section 7.2. The
// PDS of any member verifies all members.
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

// memberPrefix does step 1 of RFC 5535 section 7.2: it returns the prefix of addr if that is among
// the octets of prefixes.
func memberPrefix(prefixes []byte, addr netip.Addr) (SubnetPrefix, error) {
	prefix := PrefixOf(addr)
	if !isMember(prefixes, prefix) {
		return prefix, fmt.Errorf("%w: the Multi-Prefix extension has no %v, the prefix of %v (RFC 5535 section 7.2 step 1)",
			ErrNotMember, prefix, addr)
	}
	return prefix, nil
}

// members verifies many addresses of one HBA set. Their PDSs differ only in the subnet prefix,
// which Hash2 leaves out. So Hash2 is the same for all members, and each member takes one hash.
type members struct {
	prefixes []byte
	octets   []byte // of the PDS, with the prefix of the member that was verified last
	hash2    [14]byte
}

// members returns the members of the set of p. The collision count of p has been checked. Errors
// are ErrMultiPrefix and those of AppendBinary.
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

// verify is VerifyHBA with m's PDS.
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

// VerifyULID returns nil if p corresponds to the ULID of its sender. RFC 5533 wants this check
// before a PDS is used (sections 7.13, 7.16, 7.20 and 10.4). p may be the PDS of the ULID itself
// or, by RFC 5535 section 8, of another member of its HBA set.
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

// LocatorError says which locator of a list does not verify. Unlike a PDS that is not the ULID's,
// that is an error to tell the peer (RFC 5533 section 10.4).
type LocatorError struct {
	// Index is the place in the list, from 0. If the signature is wrong, it is the place of the
	// first locator that needs the signature. The signature is checked last, and only if the rest
	// of the list is right, because it takes more work than the rest.
	Index int
	Addr  netip.Addr
	// Err is what is wrong.
	Err error
}

// Error names the locator and what is wrong.
func (e *LocatorError) Error() string {
	return fmt.Sprintf("locator %d, %v: %v", e.Index, e.Addr, e.Err)
}

// Unwrap returns Err.
func (e *LocatorError) Unwrap() error { return e.Err }

// VerifyLocators verifies a peer's Locator List, and returns nil if all of it may be used: p
// corresponds to the ULID (VerifyULID); every locator with the method HBA is in the same HBA set as
// the ULID (VerifyHBA); and if there is a locator with the method CGA, the signature verifies
// (VerifySignature). A signature that no locator needs is not checked.
//
// list must not be nil. signature is the contents of the CGA Signature option, nil if the message
// has none.
//
// The result does not say whether a locator can be reached, or whose host is there: send nothing
// but a probe to it until it has answered one (RFC 5533 section 7.2). Nor does it say that the
// locator is an address to which a probe could be sent: the owner of a key can sign for any
// address, and a set may have any prefixes. The caller has to refuse unspecified, loopback,
// multicast, link-local and IPv4-mapped addresses.
//
// Errors are those of VerifyULID, and for the first locator that does not verify a LocatorError. It
// wraps ErrMethod, or an error of VerifyHBA or VerifySignature.
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
			// The ULID must be in the set, too (RFC 5533 section 3). If the PDS lacks its own
			// prefix, VerifyULID has not shown that.
			if set == nil {
				if set, err = p.members(); err == nil {
					err = set.verify(ulid)
				}
			}
			if err == nil {
				err = set.verify(l.Address)
			}
		case wire.MethodCGA:
			// One signature is for all such locators.
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
