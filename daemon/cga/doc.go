// SPDX-License-Identifier: BSD-3-Clause

// Package cga makes and verifies the addresses by which Shim6 proves that a locator belongs to its
// sender: Cryptographically Generated Addresses (CGA, RFC 3972, with the extension fields of RFC
// 4581 and the Sec values of RFC 4982) and Hash-Based Addresses (HBA, RFC 5535). It also has the
// CGA signature of RFC 5533 section 5.15.5.
//
// An address of either kind has a CGA Parameters data structure ([PDS]); the interface identifier
// is a hash of it. A CGA is bound to the public key in its PDS. That key may sign for locators of
// any kind. An HBA is bound to the set of prefixes in its [MultiPrefix] extension, and so to the
// other addresses of the set. An address may be both (RFC 5535 section 4):
//
//	            Public Key field      Multi-Prefix extension    made by
//	CGA-only    RSA key               none                      [GenerateCGA]
//	CGA/HBA     RSA key               P flag set                [GenerateHBA]
//	HBA-only    384-bit random nonce  P flag clear              [GenerateHBA]
//
// A receiver of a peer's locators calls [PDS.VerifyLocators], which verifies each locator by its
// method.
//
// The package does no input or output, has no clock and no state. Random numbers come from a reader
// of the caller. All values are in network byte order. No function panics on octets of a peer, and
// the work that such octets can cause is bounded.
package cga
