// SPDX-License-Identifier: BSD-3-Clause

package wire

import (
	"errors"
	"fmt"
)

// ErrorCode is the 7-bit code of an Error message (RFC 5533, section 5.14).
type ErrorCode uint8

// The codes of RFC 5533, table 2.
const (
	// CodeUnknownType: the type of the message is not known.
	CodeUnknownType ErrorCode = 0
	// CodeCriticalOption: a critical option is not known.
	CodeCriticalOption ErrorCode = 1
	// CodeVerification: a locator's verification method has failed.
	CodeVerification ErrorCode = 2
	// CodeGeneration: the Locator List Generation is out of sync.
	CodeGeneration ErrorCode = 3
	// CodeLocatorCount: the number of locators in a Locator Preferences
	// option is wrong.
	CodeLocatorCount ErrorCode = 4
)

// Codes 120 to 127 are for debugging. These are this implementation's own, for messages that the
// RFC wants discarded silently. Section 5.14 allows to send these codes while a problem is looked
// for.
const (
	// CodeDebugLength: a length is wrong, or the message is cut short.
	CodeDebugLength ErrorCode = 120
	// CodeDebugChecksum: the checksum is wrong.
	CodeDebugChecksum ErrorCode = 121
	// CodeDebugValue: a field has a value that means nothing.
	CodeDebugValue ErrorCode = 122
	// CodeDebugDuplicate: an option is there twice.
	CodeDebugDuplicate ErrorCode = 123
	// CodeDebugAddress: an address of the packet is multicast or unspecified. There is no answer
	// to it, not even for debugging.
	CodeDebugAddress ErrorCode = 124
	// CodeDebugKind: a payload extension header in place of a control message, a control message
	// in place of a payload extension header, or an S bit of 1, as in HIP.
	CodeDebugKind ErrorCode = 125
)

// String is the meaning of the code, or the number and what the registry (RFC 5533, section 17)
// says of it.
func (c ErrorCode) String() string {
	switch c {
	case CodeUnknownType:
		return "unknown message type"
	case CodeCriticalOption:
		return "critical option not recognized"
	case CodeVerification:
		return "locator verification method failed"
	case CodeGeneration:
		return "Locator List Generation out of sync"
	case CodeLocatorCount:
		return "error in the number of locators"
	}
	class := "unassigned"
	if c.debugging() {
		class = "debugging"
	} else if c > 127 {
		class = "impossible"
	}
	return fmt.Sprintf("%s error code %d", class, uint8(c))
}

// debugging reports whether the code is one of those for debugging.
func (c ErrorCode) debugging() bool { return c >= 120 && c <= 127 }

// ProtocolError says what is wrong with a received message.
type ProtocolError struct {
	// Code is the Error Code. A code of 120 to 127 means that the message is to be discarded
	// without an answer, because RFC 5533 says so or says nothing.
	Code ErrorCode
	// Pointer is where the error is, in octets from the start of the Shim6 header. The Pointer of
	// an Error message counts from the IPv6 header before that: NewErrorMessage adds its octets.
	Pointer int
	// Type is the type of the message, 0 if it has none.
	Type Type
	// Reason is a clause for people, without a period.
	Reason string
}

// fail makes a ProtocolError.
func fail(t Type, code ErrorCode, pointer int, format string, args ...any) *ProtocolError {
	return &ProtocolError{Code: code, Pointer: pointer, Type: t, Reason: fmt.Sprintf(format, args...)}
}

// Error names the message, the reason and the octet.
func (e *ProtocolError) Error() string {
	if e.Type == 0 {
		return fmt.Sprintf("Shim6: %s (octet %d)", e.Reason, e.Pointer)
	}
	return fmt.Sprintf("Shim6 %s: %s (octet %d)", e.Type, e.Reason, e.Pointer)
}

// Answer reports whether the RFC wants an Error message as the answer. It wants none for messages
// that are to be discarded silently, and never one for an Error message.
func (e *ProtocolError) Answer() bool { return !e.Code.debugging() && e.Type != TypeError }

// ErrTooLong is in the error of Append if the message would be longer than is allowed. Without some
// locators it would be shorter (RFC 5533, section 5.1).
var ErrTooLong = errors.New("too long")
