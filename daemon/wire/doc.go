// SPDX-License-Identifier: BSD-3-Clause

// Package wire is the format of Shim6: the control messages and options of RFC 5533, section 5,
// and RFC 5534, section 5, and the payload extension header. It knows octets, not state: it does
// no I/O, and has neither a clock nor random numbers.
//
// Decode reads a control message into one of the types I1, R1, I2, R2, R1bis, I2bis,
// UpdateRequest, UpdateAcknowledgement, Keepalive, Probe and ErrorMessage; Append writes one. If a
// received message is wrong, the error is a *ProtocolError: it says whether the RFC wants an Error
// message for it, and which one.
//
// Append writes a decoded message with the same octets again. Unknown options stay in their place.
// Reserved bits, padding and the like, which a receiver ignores, are kept in the message's Residue;
// in a new message they are zero.
//
// All that is known of the types of messages is in one table (type.go), and all that is known of
// the options in another (option.go). A new option takes a constant and a row there, and a file
// with its Go type and decoder.
//
// Names are the RFC's. Octets are counted from 0 at the Next Header field of the Shim6 header, and
// multi-octet fields are in network byte order. Functions may be called by several goroutines; a
// message or an option is for one goroutine at a time.
//
// Where the RFC contradicts itself: the P bit is 1 in payload extension headers (section 5.1
// against section 12), the verification methods are HBA = 1 and CGA = 2 (section 5.15.2 against
// section 17), and an Error message answers an option that is critical and not known (section 12.3
// against section 5.15).
package wire
