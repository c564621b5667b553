// SPDX-License-Identifier: BSD-3-Clause

package cga

import (
	"bytes"
	"crypto/sha1"
	"fmt"
)

// Modifier is the 128-bit number of a PDS in which addresses of one key differ. The search for
// Hash2 counts it up (RFC 3972 section 3).
type Modifier [16]byte

// The offsets of the fields of a PDS.
const (
	prefixAt         = len(Modifier{})
	collisionCountAt = prefixAt + len(SubnetPrefix{})
	publicKeyAt      = collisionCountAt + 1
)

// MaxCollisionCount is the greatest collision count (RFC 3972 section 3).
const MaxCollisionCount = 2

// PDS is the CGA Parameters data structure (RFC 3972 section 3). Shim6 sends it in the option of
// that name (RFC 5533 section 5.15.4).
type PDS struct {
	Modifier     Modifier
	SubnetPrefix SubnetPrefix
	// CollisionCount is 0 to MaxCollisionCount.
	CollisionCount uint8
	// PublicKey is a DER-encoded SubjectPublicKeyInfo. In an HBA-only address it holds a nonce: see
	// RSAPublicKey.
	PublicKey []byte
	// Extensions are all extension fields, known or not, in their order.
	Extensions []Extension
}

// Parse decodes a PDS, which is the whole of b. AppendBinary of the result returns the same octets.
// The result shares no memory with b. Its collision count is in range. PublicKey has the form of a
// SubjectPublicKeyInfo, but may contain no key. The extension fields are TLVs with any data.
//
// Errors are ErrPDS, ErrCollisionCount and ErrExtension.
func Parse(b []byte) (*PDS, error) {
	if len(b) < publicKeyAt {
		return nil, fmt.Errorf("%w: it has %d octets, where the Public Key begins at octet %d (RFC 3972 section 3)",
			ErrPDS, len(b), publicKeyAt)
	}
	b = bytes.Clone(b)
	p := &PDS{
		Modifier:       Modifier(b[:prefixAt]),
		SubnetPrefix:   SubnetPrefix(b[prefixAt:collisionCountAt]),
		CollisionCount: b[collisionCountAt],
	}
	if err := checkCollisionCount(p.CollisionCount); err != nil {
		return nil, err
	}
	info, rest, ok := readPublicKeyInfo(b[publicKeyAt:])
	if !ok {
		return nil, errPublicKeyInfo
	}
	p.PublicKey = info.der[:len(info.der):len(info.der)]
	var err error
	p.Extensions, err = readExtensions(rest)
	if err != nil {
		return nil, err
	}
	return p, nil
}

var errPublicKeyInfo = fmt.Errorf("%w: its Public Key is not a DER-encoded SubjectPublicKeyInfo (RFC 3972 section 3)", ErrPDS)

func checkCollisionCount(n uint8) error {
	if n > MaxCollisionCount {
		return fmt.Errorf("%w: it is %d, where 0, 1 and 2 are allowed (RFC 3972 section 3)", ErrCollisionCount, n)
	}
	return nil
}

// AppendBinary appends the encoding of p to b. If Parse could not read it, AppendBinary fails with
// Parse's errors.
func (p *PDS) AppendBinary(b []byte) ([]byte, error) {
	if err := checkCollisionCount(p.CollisionCount); err != nil {
		return b, err
	}
	if _, rest, ok := readPublicKeyInfo(p.PublicKey); !ok || len(rest) > 0 {
		return b, errPublicKeyInfo
	}
	b = append(b, p.Modifier[:]...)
	b = append(b, p.SubnetPrefix[:]...)
	b = append(b, p.CollisionCount)
	b = append(b, p.PublicKey...)
	return appendExtensions(b, p.Extensions)
}

// MarshalBinary is AppendBinary to nil.
func (p *PDS) MarshalBinary() ([]byte, error) { return p.AppendBinary(nil) }

// stackOctets is enough for the PDS of a 4096-bit key and 16 prefixes.
const stackOctets = 768

// hashes returns Hash1 and Hash2 (RFC 3972 section 3). Hash1 are the leftmost 64 bits of SHA-1 over
// the PDS. Hash2 are the leftmost 112 bits of SHA-1 over the PDS with 9 zero octets in place of
// subnet prefix and collision count. Both cover all extension fields.
func (p *PDS) hashes() (hash1 [8]byte, hash2 [14]byte, err error) {
	b, err := p.AppendBinary(make([]byte, 0, stackOctets))
	if err != nil {
		return hash1, hash2, err
	}
	sum := sha1.Sum(b)
	hash1 = [8]byte(sum[:])
	clear(b[prefixAt:publicKeyAt])
	sum = sha1.Sum(b)
	return hash1, [14]byte(sum[:]), nil
}

// Hash1 is the hash from which the interface identifier of the address of p is made. Errors are
// those of AppendBinary.
func (p *PDS) Hash1() ([8]byte, error) {
	h, _, err := p.hashes()
	return h, err
}

// Hash2 is the hash that begins with 16*Sec zero bits. Errors are those of AppendBinary.
func (p *PDS) Hash2() ([14]byte, error) {
	_, h, err := p.hashes()
	return h, err
}
