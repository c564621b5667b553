// SPDX-License-Identifier: BSD-3-Clause

package wire

import "encoding/binary"

// ForkedInstanceIdentifier is the Forked Instance Identifier option (RFC 5533, section 5.15.7).
type ForkedInstanceIdentifier struct {
	// FII tells apart the contexts of one ULID pair.
	FII uint32
}

// ForkedInstanceIdentifier returns the Forked Instance Identifier option.
func (o Options) ForkedInstanceIdentifier() *ForkedInstanceIdentifier {
	return find[*ForkedInstanceIdentifier](o)
}

// FII is the Forked Instance Identifier, 0 if the option is not there: the default of RFC 5533,
// section 12.4.
func (o Options) FII() uint32 {
	if f := o.ForkedInstanceIdentifier(); f != nil {
		return f.FII
	}
	return 0
}

// fiiLen is the Length of a Forked Instance Identifier option.
const fiiLen = 4

// Type returns OptionForkedInstanceIdentifier.
func (o *ForkedInstanceIdentifier) Type() OptionType     { return OptionForkedInstanceIdentifier }
func (o *ForkedInstanceIdentifier) contentsLen() int     { return fiiLen }
func (o *ForkedInstanceIdentifier) reserved() (int, int) { return 0, 0 }

func decodeForkedInstanceIdentifier(_ Type, c []byte, _ int) (Option, *ProtocolError) {
	return &ForkedInstanceIdentifier{FII: binary.BigEndian.Uint32(c)}, nil
}

func (o *ForkedInstanceIdentifier) appendContents(b []byte) ([]byte, error) {
	return binary.BigEndian.AppendUint32(b, o.FII), nil
}
