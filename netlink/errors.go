// SPDX-License-Identifier: BSD-3-Clause

package netlink

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"

	"github.com/mdlayher/netlink"
)

// headers is how many octets of a request come before its attributes: the netlink header and the
// generic netlink header.
const headers = 16 + 4

// Error is the kernel's answer to a request that it refuses.
type Error struct {
	// Err is the errno; errors.Is compares it with fs.ErrPermission, fs.ErrNotExist and the
	// like.
	Err error
	// Message is the kernel's own sentence, "" if there is none.
	Message string
	// Attribute is the name of the attribute that the kernel objects to, "" if it names none.
	Attribute string
}

// Error is the kernel's sentence or the text of the errno, with the attribute before it.
func (e *Error) Error() string {
	s := e.Message
	if s == "" {
		s = e.Err.Error()
	}
	if e.Attribute != "" {
		s = e.Attribute + ": " + s
	}
	if errors.Is(e.Err, fs.ErrPermission) {
		s += " (it takes CAP_NET_ADMIN in the network namespace: run it as root)"
	}
	return s
}

// Unwrap returns the errno.
func (e *Error) Unwrap() error { return e.Err }

// familyError explains why the family could not be found.
func familyError(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &Error{
			Err:     fs.ErrNotExist,
			Message: fmt.Sprintf("the kernel has no family %q: load the module with 'modprobe shim6'", familyName),
		}
	}
	return fmt.Errorf("looking for the family %q: %w", familyName, err)
}

// requestError makes an Error of the kernel's answer to a request. Other errors are returned as
// they are.
func requestError(err error, r request) error {
	var op *netlink.OpError
	if !errors.As(err, &op) {
		return err
	}
	return &Error{
		Err:       op.Err,
		Message:   op.Message,
		Attribute: attributeAt(r.attributes, op.Offset-headers, r.names),
	}
}

// attributeAt names the attribute that contains the octet at offset. If that attribute is nested,
// it names the outer one.
func attributeAt(b []byte, offset int, names []string) string {
	for at := 0; at+4 <= len(b); {
		length := int(binary.NativeEndian.Uint16(b[at:]))
		kind := int(binary.NativeEndian.Uint16(b[at+2:]) &^ (netlink.Nested | netlink.NetByteOrder))
		if length < 4 {
			return ""
		}
		if offset >= at && offset < at+length {
			if kind < len(names) {
				return names[kind]
			}
			return ""
		}
		at += (length + 3) &^ 3
	}
	return ""
}
