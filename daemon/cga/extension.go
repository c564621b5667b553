// SPDX-License-Identifier: BSD-3-Clause

package cga

import (
	"encoding/binary"
	"fmt"
)

// ExtensionMultiPrefix is the Extension Type of the Multi-Prefix extension
// (RFC 5535 section 10).
const ExtensionMultiPrefix = 0x0012

// extensionHeader is how many octets of an extension come before its data.
const extensionHeader = 4

// Extension is an extension field of a PDS (RFC 4581 section 2). Fields of an unknown type are kept
// and hashed, and otherwise ignored (RFC 3972 section 3).
type Extension struct {
	Type uint16
	// Data is the Extension Data, at most 65535 octets.
	Data []byte
}

// readExtensions reads extension fields without copying their data.
func readExtensions(b []byte) ([]Extension, error) {
	var list []Extension
	for len(b) > 0 {
		if len(b) < extensionHeader {
			return nil, fmt.Errorf("%w: %d octets are left, too few for a type and a length (RFC 4581 section 2)",
				ErrExtension, len(b))
		}
		t, n := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		b = b[extensionHeader:]
		if n > len(b) {
			return nil, fmt.Errorf("%w: extension %#04x says that it has %d octets of data where %d are left (RFC 4581 section 2)",
				ErrExtension, t, n, len(b))
		}
		list = append(list, Extension{Type: t, Data: b[:n:n]})
		b = b[n:]
	}
	return list, nil
}

// appendExtensions appends extension fields as they are in a PDS.
func appendExtensions(b []byte, list []Extension) ([]byte, error) {
	for _, e := range list {
		if len(e.Data) > 0xffff {
			return b, fmt.Errorf("%w: extension %#04x has %d octets of data, where 65535 are allowed (RFC 4581 section 2)",
				ErrExtension, e.Type, len(e.Data))
		}
		b = binary.BigEndian.AppendUint16(b, e.Type)
		b = binary.BigEndian.AppendUint16(b, uint16(len(e.Data)))
		b = append(b, e.Data...)
	}
	return b, nil
}

// MultiPrefix is the Multi-Prefix extension of RFC 5535 section 5.
type MultiPrefix struct {
	// PublicKey is the P flag: the Public Key field holds a public key, not a nonce.
	PublicKey bool
	// Prefixes are Prefix[1] to Prefix[n]. Their order is hashed.
	Prefixes []SubnetPrefix
	// Misplaced says that a reserved bit is set where an earlier implementation, LinShim6, has the
	// P flag. Such a key may sign, too. Misplaced is never encoded.
	Misplaced bool
}

const (
	// multiPrefixFlags is how many octets come before the prefixes.
	multiPrefixFlags = 4
	flagP            = 1 << 31
	// flagPSwapped is where the P flag is if a little-endian host writes the word in its own byte
	// order, as LinShim6 does. It is a reserved bit: its only effect is that such a key may sign
	// (see docs/decisions.md).
	flagPSwapped = 1 << 7
)

// Extension encodes m, with the reserved bits zero.
func (m MultiPrefix) Extension() Extension {
	var flags uint32
	if m.PublicKey {
		flags = flagP
	}
	data := make([]byte, 0, multiPrefixFlags+len(SubnetPrefix{})*len(m.Prefixes))
	data = binary.BigEndian.AppendUint32(data, flags)
	for _, p := range m.Prefixes {
		data = append(data, p[:]...)
	}
	return Extension{Type: ExtensionMultiPrefix, Data: data}
}

// MultiPrefix returns the Multi-Prefix extension of p. It ignores the reserved bits, except for
// Misplaced. Its errors are ErrMultiPrefix.
func (p *PDS) MultiPrefix() (MultiPrefix, error) {
	flags, data, err := p.multiPrefix()
	if err != nil {
		return MultiPrefix{}, err
	}
	m := MultiPrefix{PublicKey: flags&flagP != 0, Misplaced: flags&flagPSwapped != 0}
	for ; len(data) > 0; data = data[8:] {
		m.Prefixes = append(m.Prefixes, SubnetPrefix(data[:8]))
	}
	return m, nil
}

// multiPrefix returns the flags and the octets of the prefixes.
func (p *PDS) multiPrefix() (flags uint32, prefixes []byte, err error) {
	found := 0
	var data []byte
	for _, e := range p.Extensions {
		if e.Type == ExtensionMultiPrefix {
			found, data = found+1, e.Data
		}
	}
	switch {
	case found == 0:
		return 0, nil, fmt.Errorf("%w: the PDS has no extension %#04x, so its address is in no HBA set (RFC 5535 section 4)",
			ErrMultiPrefix, ExtensionMultiPrefix)
	case found > 1:
		return 0, nil, fmt.Errorf("%w: the PDS has %d of them, where RFC 5535 section 5 allows one", ErrMultiPrefix, found)
	case len(data) < multiPrefixFlags || (len(data)-multiPrefixFlags)%8 != 0:
		return 0, nil, fmt.Errorf("%w: its length of %d octets is not 4 + 8*n (RFC 5535 section 5)", ErrMultiPrefix, len(data))
	}
	return binary.BigEndian.Uint32(data), data[multiPrefixFlags:], nil
}

// isMember reports whether prefix is among the octets of prefixes.
func isMember(prefixes []byte, prefix SubnetPrefix) bool {
	for ; len(prefixes) > 0; prefixes = prefixes[8:] {
		if SubnetPrefix(prefixes[:8]) == prefix {
			return true
		}
	}
	return false
}
