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

// Codes 120 to 127 are for debugging. These are this implementation's own, for
// what the RFC wants discarded without a word; section 5.14 allows to send them
// instead while a problem is looked for.
const (
	// CodeDebugLength: a length is wrong, or the message is cut short.
	CodeDebugLength ErrorCode = 120
	// CodeDebugChecksum: the checksum is wrong.
	CodeDebugChecksum ErrorCode = 121
	// CodeDebugValue: a field has a value that means nothing.
	CodeDebugValue ErrorCode = 122
	// CodeDebugDuplicate: an option is there twice.
	CodeDebugDuplicate ErrorCode = 123
	// CodeDebugAddress: an address of the packet is multicast or
	// unspecified. Not even for debugging is there an answer to it.
	CodeDebugAddress ErrorCode = 124
	// CodeDebugKind: a payload extension header in place of a control
	// message or the other way round, or the S bit is 1, as in HIP.
	CodeDebugKind ErrorCode = 125
)

// String is what the code means, or the number and what the registry (RFC 5533,
// section 17) says of it.
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
	// Code is the Error Code. One of 120 to 127 means that RFC 5533, or the
	// want of any rule, has the message discarded without an answer.
	Code ErrorCode
	// Pointer is the offset in octets, from the start of the Shim6 header,
	// of what is wrong. It is not yet the Pointer of an Error message, which
	// counts from the IPv6 header before: NewErrorMessage adds that.
	Pointer int
	// Type is the type of the message, 0 if it has none.
	Type Type
	// Reason is a sentence for people.
	Reason string
}

// fail makes a ProtocolError.
func fail(t Type, code ErrorCode, pointer int, format string, args ...any) *ProtocolError {
	return &ProtocolError{Code: code, Pointer: pointer, Type: t, Reason: fmt.Sprintf(format, args...)}
}

// Error says which message, what is wrong, and at which octet.
func (e *ProtocolError) Error() string {
	if e.Type == 0 {
		return fmt.Sprintf("Shim6: %s (octet %d)", e.Reason, e.Pointer)
	}
	return fmt.Sprintf("Shim6 %s: %s (octet %d)", e.Type, e.Reason, e.Pointer)
}

// Answer reports whether the RFC wants an Error message for what is wrong. It
// does not for what is to be discarded silently, and never for an Error message.
func (e *ProtocolError) Answer() bool { return !e.Code.debugging() && e.Type != TypeError }

// ErrTooLong is in the error of Append if the message would be longer than is
// allowed. Leaving out locators makes it shorter (RFC 5533, section 5.1).
var ErrTooLong = errors.New("too long")
