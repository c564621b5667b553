// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"net/netip"

	"shim6/daemon/cga"
	"shim6/daemon/wire"
)

// Verifier proves that locators are those of a peer (RFC 5533, section 7.2). It must not keep
// its arguments.
type Verifier interface {
	// Verify returns nil if pds, the octets of a CGA Parameters data structure, corresponds
	// to the ULID, and if pds and signature prove all locators of list. list is nil if there
	// is none to prove, and signature is nil if the message has none. If a single locator is
	// not proved, the error is a *cga.LocatorError.
	Verify(ulid netip.Addr, pds []byte, list *wire.LocatorList, signature []byte) error
}

// CGAVerifier is the Verifier that uses package cga: HBA (RFC 5535) and CGA (RFC 3972).
type CGAVerifier struct{}

// Verify returns errors of cga.Parse, cga.PDS.VerifyULID and
// cga.PDS.VerifyLocators.
func (CGAVerifier) Verify(ulid netip.Addr, pds []byte, list *wire.LocatorList, signature []byte) error {
	p, err := cga.Parse(pds)
	if err != nil {
		return err
	}
	if list == nil {
		return p.VerifyULID(ulid)
	}
	return p.VerifyLocators(ulid, list, signature)
}
