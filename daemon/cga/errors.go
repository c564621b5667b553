// SPDX-License-Identifier: BSD-3-Clause

package cga

import "errors"

// Errors of this package wrap one of these, and add the value that was found and the rule that it
// breaks.
var (
	// ErrPDS: the octets are not a CGA Parameters data structure (RFC 3972 section 3).
	ErrPDS = errors.New("malformed CGA Parameters data structure")
	// ErrExtension: an extension field is not a TLV, or is too long for one (RFC 4581 section 2).
	ErrExtension = errors.New("malformed extension field")
	// ErrCollisionCount: the collision count is not 0, 1 or 2 (RFC 3972 section 3).
	ErrCollisionCount = errors.New("collision count out of range")
	// ErrAddress: not an IPv6 address.
	ErrAddress = errors.New("not an IPv6 address")
	// ErrSubnetPrefix: the address has another prefix than the PDS (RFC 3972 section 5 step 2).
	ErrSubnetPrefix = errors.New("subnet prefix differs")
	// ErrHash1: the interface identifier is not the PDS's (RFC 3972 section 5 step 4).
	ErrHash1 = errors.New("interface identifier differs from Hash1")
	// ErrHash2: Hash2 has too few leading zero bits for the Sec of the address (RFC 3972 section 5
	// step 7).
	ErrHash2 = errors.New("Hash2 does not begin with 16*Sec zero bits")
	// ErrSec: the CGA SEC registry does not assign this Sec (RFC 4982 section 6).
	ErrSec = errors.New("unassigned Sec value")
	// ErrMultiPrefix: there is no Multi-Prefix extension, or more than one, or a malformed one (RFC
	// 5535 section 5).
	ErrMultiPrefix = errors.New("no usable Multi-Prefix extension")
	// ErrNotMember: the prefix is not in the Multi-Prefix extension (RFC 5535 section 7.2 step 1).
	ErrNotMember = errors.New("prefix is not in the HBA set")
	// ErrPrefixes: these prefixes can't make an HBA set.
	ErrPrefixes = errors.New("unusable list of prefixes")
	// ErrKey: the key is not allowed to sign (RFC 5533 section 16, RFC 5535 section 4).
	ErrKey = errors.New("unusable public key")
	// ErrSignature: there is no signature, or a wrong one (RFC 3972 section 6).
	ErrSignature = errors.New("CGA signature does not verify")
	// ErrMethod: a locator's verification method is neither HBA nor CGA (RFC 5533 section 5.15.2).
	ErrMethod = errors.New("unknown verification method")
)
