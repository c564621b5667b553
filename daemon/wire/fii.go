// SPDX-License-Identifier: BSD-3-Clause

package wire

import "encoding/binary"

// ForkedInstanceIdentifier is the Forked Instance Identifier option (RFC 5533,
// section 5.15.7).
type ForkedInstanceIdentifier struct {
	// FII tells apart the contexts of one ULID pair.
	FII uint32
}

// fiiLen is the Length of a Forked Instance Identifier option.
const fiiLen = 4

// Type returns OptionForkedInstanceIdentifier.
func (o *ForkedInstanceIdentifier) Type() OptionType     { return OptionForkedInstanceIdentifier }
func (o *ForkedInstanceIdentifier) contentsLen() int     { return fiiLen }
func (o *ForkedInstanceIdentifier) reserved() (int, int) { return 0, 0 }

func (o *ForkedInstanceIdentifier) appendContents(b []byte) ([]byte, error) {
	return binary.BigEndian.AppendUint32(b, o.FII), nil
}
