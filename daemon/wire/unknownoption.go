// SPDX-License-Identifier: BSD-3-Clause

package wire

// UnknownOption is an option that this package does not know, or that the RFC does not list for
// the message that it is in.
type UnknownOption struct {
	// OptionType is the type, at most 32767.
	OptionType OptionType
	// Critical is the C bit. Decode never returns an UnknownOption with C=1: that is an error.
	Critical bool
	// Contents are the contents without the padding.
	Contents []byte
}

// Type returns o.OptionType.
func (o *UnknownOption) Type() OptionType     { return o.OptionType }
func (o *UnknownOption) contentsLen() int     { return len(o.Contents) }
func (o *UnknownOption) reserved() (int, int) { return 0, 0 }

func (o *UnknownOption) appendContents(b []byte) ([]byte, error) {
	return append(b, o.Contents...), nil
}
