// SPDX-License-Identifier: BSD-3-Clause

package cga

// The part of DER (ITU-T X.690) that a PDS needs. encoding/asn1 does not fit a field whose length
// only its DER tells: it accepts octets after the last field of a SEQUENCE, and wants to know the
// contents of a key.

const (
	tagInteger   = 0x02
	tagBitString = 0x03
	tagNull      = 0x05
	tagOID       = 0x06
	tagSequence  = 0x30
)

// oidRSA is rsaEncryption, 1.2.840.113549.1.1.1.
const oidRSA = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"

// readDER splits an element with this tag off b. Lengths are definite, in the shortest form, and
// below 65536: no Shim6 option holds more.
func readDER(b []byte, tag byte) (content, rest []byte, ok bool) {
	if len(b) < 2 || b[0] != tag {
		return nil, nil, false
	}
	n, head := int(b[1]), 2
	switch {
	case n < 0x80:
	case n == 0x81 && len(b) > 2 && b[2] >= 0x80:
		n, head = int(b[2]), 3
	case n == 0x82 && len(b) > 3 && b[2] > 0:
		n, head = int(b[2])<<8|int(b[3]), 4
	default:
		return nil, nil, false
	}
	if n > len(b)-head {
		return nil, nil, false
	}
	return b[head : head+n], b[head+n:], true
}

// readUnsigned splits a non-negative INTEGER off b and returns its octets without leading zeros; 0
// has no octets.
func readUnsigned(b []byte) (n, rest []byte, ok bool) {
	n, rest, ok = readDER(b, tagInteger)
	switch {
	case !ok || len(n) == 0 || n[0] >= 0x80:
		return nil, nil, false
	case n[0] != 0:
		return n, rest, true
	case len(n) > 1 && n[1] < 0x80:
		return nil, nil, false // not the shortest form
	}
	return n[1:], rest, true
}

// appendDER appends an element with this tag. Its content are the parts, together below 65536
// octets.
func appendDER(b []byte, tag byte, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	b = append(b, tag)
	switch {
	case n >= 0x100:
		b = append(b, 0x82, byte(n>>8), byte(n))
	case n >= 0x80:
		b = append(b, 0x81, byte(n))
	default:
		b = append(b, byte(n))
	}
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// publicKeyInfo are the fields of a SubjectPublicKeyInfo.
type publicKeyInfo struct {
	der        []byte // all of it
	oid        []byte // algorithm
	parameters []byte // of the algorithm, "" or one element
	key        []byte // content of the BIT STRING
}

// readPublicKeyInfo splits a SubjectPublicKeyInfo off b. It does not check the contents of the BIT
// STRING: an HBA-only address has a nonce there, and some implementations do not give it the form
// of a key.
func readPublicKeyInfo(b []byte) (info publicKeyInfo, rest []byte, ok bool) {
	outer, rest, ok := readDER(b, tagSequence)
	if !ok {
		return info, nil, false
	}
	info.der = b[:len(b)-len(rest)]
	algorithm, outer, ok := readDER(outer, tagSequence)
	if !ok {
		return info, nil, false
	}
	info.oid, info.parameters, ok = readDER(algorithm, tagOID)
	if !ok || len(info.oid) == 0 {
		return info, nil, false
	}
	if p := info.parameters; len(p) > 0 {
		if _, more, ok := readDER(p, p[0]); !ok || len(more) > 0 {
			return info, nil, false
		}
	}
	key, outer, ok := readDER(outer, tagBitString)
	if !ok || len(key) == 0 || key[0] != 0 || len(outer) > 0 {
		return info, nil, false
	}
	info.key = key[1:]
	return info, rest, true
}
