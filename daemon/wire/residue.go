// SPDX-License-Identifier: BSD-3-Clause

package wire

import "slices"

// Residue is what a received message had where a receiver must not look, and a
// sender writes zero: reserved bits, padding, the C bit of an option that is
// known, a Next Header other than 59. It belongs to the message that it came
// with: leave it nil in a new one. It follows the options that it came with, so
// an option that is put into a new message takes nothing along.
type Residue struct {
	// header is to be added to the fixed part, modulo 2.
	header [32]byte
	// allOnes says that the checksum was 0xffff where 0 is meant.
	allOnes bool
	options []optionResidue
}

// optionResidue is the residue of an option.
type optionResidue struct {
	index    int // among the message's options
	option   Option
	critical bool   // C is 1, though the option is known
	reserved []byte // reserved octets within the contents
	padding  []byte // at the end
}

// residueOf returns the residue of a message, nil if there is none.
func residueOf(l *layout, b []byte, options []optionResidue) *Residue {
	r := Residue{
		allOnes: b[checksumAt] == 0xff && b[checksumAt+1] == 0xff,
		options: options,
	}
	r.header[0] = b[0] ^ NoNextHeader
	for _, o := range l.reserved {
		r.header[o.at] = b[o.at] & o.bits
	}
	if r.header == [32]byte{} && !r.allOnes && r.options == nil {
		return nil
	}
	return &r
}

// restore puts the residue back into the fixed part of a message. The bits of
// the layout are taken, so that the residue of a message of another type leaves
// fields alone.
func (r *Residue) restore(l *layout, b []byte) {
	if r == nil {
		return
	}
	b[0] ^= r.header[0]
	for _, o := range l.reserved {
		b[o.at] |= r.header[o.at] & o.bits
	}
}

// ones reports whether a checksum of 0 was written as 0xffff, which is the same
// number in one's complement.
func (r *Residue) ones() bool { return r != nil && r.allOnes }

// of returns the residue of the option at an index, nil if there is none.
func (r *Residue) of(index int, o Option) *optionResidue {
	if r == nil {
		return nil
	}
	i := slices.IndexFunc(r.options, func(k optionResidue) bool { return k.index == index && k.option == o })
	if i < 0 {
		return nil
	}
	return &r.options[i]
}

// optionResidueOf returns the residue of an option with these octets, false if
// there is none.
func optionResidueOf(index int, o Option, critical bool, contents, padding []byte) (optionResidue, bool) {
	from, to := o.reserved()
	r := optionResidue{index: index, option: o, critical: critical}
	if !zero(contents[from:to]) {
		r.reserved = contents[from:to]
	}
	if !zero(padding) {
		r.padding = padding
	}
	return r, r.critical || r.reserved != nil || r.padding != nil
}

// restore puts the residue back into an option, whose contents have n octets.
func (r *optionResidue) restore(b []byte, n int) {
	if r == nil {
		return
	}
	if r.critical {
		b[1] |= 1
	}
	// What has changed since may have no room for what was there.
	if from, to := r.option.reserved(); to-from == len(r.reserved) {
		copy(b[optionHeaderLen+from:], r.reserved)
	}
	if p := b[optionHeaderLen+n:]; len(p) == len(r.padding) {
		copy(p, r.padding)
	}
}

// zero reports whether all octets are 0.
func zero(b []byte) bool { return !slices.ContainsFunc(b, func(o byte) bool { return o != 0 }) }
