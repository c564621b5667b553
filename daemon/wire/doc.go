// SPDX-License-Identifier: BSD-3-Clause

// Package wire is the format of Shim6: the control messages and options of
// RFC 5533, section 5, and RFC 5534, section 5, and the payload extension
// header. It knows octets, not state: it does no I/O, and has neither a clock
// nor random numbers.
//
// Decode reads a control message into one of the types I1, R1, I2, R2, R1bis,
// I2bis, UpdateRequest, UpdateAcknowledgement, Keepalive, Probe and
// ErrorMessage; Append writes one. What is wrong with a received message is a
// *ProtocolError: it says if the RFC wants an Error message for it, and which.
//
// Appending what Decode has returned gives the octets that it has read: options
// that are not known stay in their place, and reserved bits, padding and the
// like, which a receiver ignores, are kept apart in the message's Residue. In a
// message that is new they are zero.
//
// Names are the RFC's. Octets are counted from 0 at the Next Header field of
// the Shim6 header, and multi-octet fields are in network byte order.
//
// Where the RFC contradicts itself: the P bit is 1 in payload extension headers
// (section 5.1 against section 12), the verification methods are HBA = 1 and
// CGA = 2 (section 5.15.2 against section 17), and an option that is critical
// and not known must be answered (section 12.3 against section 5.15).
package wire
