// SPDX-License-Identifier: BSD-3-Clause

package wire

import "slices"

// Residue are the bits of a received message that a receiver must ignore, and to which a sender
// gives a fixed value: reserved bits, padding, the C bit of an option that is known, a Next Header
// other than 59. It belongs to the message that Decode has returned: leave it nil in a new one. The
// residue of an option stays with the message, so an option that is put into a new message is clean
// there.
type Residue struct {
	// header are the bits of the fixed part that differ from what a sender writes.
	header [32]byte
	// allOnes says that the checksum was 0xffff in place of 0.
	allOnes bool
	options []optionResidue
}

// optionResidue is the residue of one option.
type optionResidue struct {
	index    int // the option's among the message's options
	option   Option
	critical bool   // the C bit is 1, though the option is known
	reserved []byte // the reserved octets within the contents, nil if they are 0
	padding  []byte // the padding at the end, nil if it is 0
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

// restore puts the residue back into the fixed part of a message. It writes only bits that are
// reserved in the layout, so that the residue of a message of another type changes no field.
func (r *Residue) restore(l *layout, b []byte) {
	if r == nil {
		return
	}
	b[0] ^= r.header[0]
	for _, o := range l.reserved {
		b[o.at] |= r.header[o.at] & o.bits
	}
}

// ones reports whether a checksum of 0 was written as 0xffff, which is the same number in one's
// complement.
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

// optionResidueOf returns the residue of an option with these octets, false if there is none. It
// keeps contents and padding.
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
	// An option that was changed since may have other lengths. Then its octets stay 0.
	if from, to := r.option.reserved(); to-from == len(r.reserved) {
		copy(b[optionHeaderLen+from:], r.reserved)
	}
	if p := b[optionHeaderLen+n:]; len(p) == len(r.padding) {
		copy(p, r.padding)
	}
}

// zero reports whether all octets are 0.
func zero(b []byte) bool { return !slices.ContainsFunc(b, func(o byte) bool { return o != 0 }) }
