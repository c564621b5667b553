// SPDX-License-Identifier: BSD-3-Clause

package cga

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"math/big"
	"math/bits"
	"net/netip"

	"shim6/daemon/wire"
)

const (
	// MinKeyBits is the least length of an RSA key that may sign, or be in an address that is made
	// here (RFC 5533 section 16).
	MinKeyBits = 1024
	// DefaultKeyBits is the length of a new key if the user chooses none.
	DefaultKeyBits = 2048
	// MaxNewKeyBits is the greatest length of a key in an address that is made here. PDS and
	// signature must fit into an I2 or I2bis, which has 1280 octets (RFC 5533 section 5.1). A key
	// of 3072 bits leaves room for 10 to 16 locators, depending on the other options; one of 4096
	// bits leaves room for one or none.
	MaxNewKeyBits = 3072
	// MaxKeyBits is the greatest length of a peer's key with which signatures are verified. It
	// limits the time for which a peer can keep this host busy.
	MaxKeyBits = 4096
)

// typeTag is the CGA Message Type tag of Shim6 (RFC 5533 section 5.15.5). It is signed, but not
// sent.
var typeTag = [16]byte{
	0x4a, 0x30, 0x56, 0x62, 0x48, 0x58, 0x57, 0x4b,
	0x36, 0x55, 0x41, 0x6f, 0x50, 0x6a, 0x6d, 0x48,
}

// RSAPublicKey returns the key in p that verifies CGA signatures. The error is ErrKey if the
// algorithm is not rsaEncryption or the key is not an RSAPublicKey (RFC 3972 section 3), if its
// length is not MinKeyBits to MaxKeyBits, or if a Multi-Prefix extension says that it is a nonce
// (RFC 5535 section 4).
func (p *PDS) RSAPublicKey() (*rsa.PublicKey, error) {
	for _, e := range p.Extensions {
		if e.Type != ExtensionMultiPrefix {
			continue
		}
		flags, _, err := p.multiPrefix()
		if err != nil {
			return nil, fmt.Errorf("%w: it may be a nonce: %w", ErrKey, err)
		}
		if flags&(flagP|flagPSwapped) == 0 {
			return nil, fmt.Errorf("%w: the P flag is clear, so it is the nonce of an HBA-only address (RFC 5535 section 5)", ErrKey)
		}
	}
	key, err := parseRSA(p.PublicKey)
	if err != nil {
		return nil, err
	}
	return key, checkKeyBits(key, MaxKeyBits)
}

func checkKeyBits(key *rsa.PublicKey, greatest int) error {
	n := key.N.BitLen()
	if n < MinKeyBits {
		return fmt.Errorf("%w: RSA key of %d bits, where %d is the least (RFC 5533 section 16)", ErrKey, n, MinKeyBits)
	}
	if n > greatest {
		return fmt.Errorf("%w: RSA key of %d bits, where %d is the greatest that is supported", ErrKey, n, greatest)
	}
	return nil
}

// parseRSA reads the SubjectPublicKeyInfo of an RSA key of any length (RFC 3279
// section 2.3.1).
func parseRSA(der []byte) (*rsa.PublicKey, error) {
	info, rest, ok := readPublicKeyInfo(der)
	if !ok || len(rest) > 0 {
		return nil, fmt.Errorf("%w: not a DER-encoded SubjectPublicKeyInfo (RFC 3972 section 3)", ErrKey)
	}
	if string(info.oid) != oidRSA || string(info.parameters) != "\x05\x00" {
		return nil, fmt.Errorf("%w: its algorithm is not rsaEncryption (RFC 3972 section 3)", ErrKey)
	}
	n, e, ok := readRSAPublicKey(info.key)
	if !ok {
		return nil, fmt.Errorf("%w: it is no RSAPublicKey (RFC 3972 section 3)", ErrKey)
	}
	// crypto/rsa takes exponents of up to 31 bits.
	if len(e) > 4 {
		return nil, fmt.Errorf("%w: its public exponent has %d octets, where 4 are supported", ErrKey, len(e))
	}
	var exponent [8]byte
	copy(exponent[8-len(e):], e)
	x := binary.BigEndian.Uint64(exponent[:])
	if bits.Len64(x) > 31 {
		return nil, fmt.Errorf("%w: its public exponent has %d bits, where 31 are supported", ErrKey, bits.Len64(x))
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(x)}, nil
}

// readRSAPublicKey returns the octets of modulus and public exponent.
func readRSAPublicKey(b []byte) (n, e []byte, ok bool) {
	content, rest, ok := readDER(b, tagSequence)
	if !ok || len(rest) > 0 {
		return nil, nil, false
	}
	n, content, ok = readUnsigned(content)
	if !ok {
		return nil, nil, false
	}
	e, content, ok = readUnsigned(content)
	return n, e, ok && len(content) == 0
}

// encodeRSA is the SubjectPublicKeyInfo of an RSA key. n and e are the octets of modulus and
// exponent; their first octets must not be zero.
func encodeRSA(n, e []byte) []byte {
	integer := func(b []byte) []byte {
		if b[0] >= 0x80 {
			return appendDER(nil, tagInteger, []byte{0}, b)
		}
		return appendDER(nil, tagInteger, b)
	}
	key := appendDER(nil, tagSequence, integer(n), integer(e))
	algorithm := appendDER(nil, tagSequence, appendDER(nil, tagOID, []byte(oidRSA)), []byte{tagNull, 0})
	return appendDER(nil, tagSequence, algorithm, appendDER(nil, tagBitString, []byte{0}, key))
}

// EncodePublicKey returns the DER-encoded SubjectPublicKeyInfo of an RSA key, as it is in a PDS.
// The error is ErrKey if the length of the key is not MinKeyBits to MaxNewKeyBits.
func EncodePublicKey(key *rsa.PublicKey) ([]byte, error) {
	if key == nil || key.N == nil || key.N.Sign() <= 0 || key.E <= 0 {
		return nil, fmt.Errorf("%w: there is no key", ErrKey)
	}
	if err := checkKeyBits(key, MaxNewKeyBits); err != nil {
		return nil, err
	}
	return encodeRSA(key.N.Bytes(), big.NewInt(int64(key.E)).Bytes()), nil
}

// signedDigest is SHA-1 over the octets that Shim6 signs: the type tag, the Locator List
// Generation, and the locators of the list whose method is CGA, in the list's order (RFC 5533
// section 5.15.5).
func signedDigest(list *wire.LocatorList) [sha1.Size]byte {
	b := binary.BigEndian.AppendUint32(typeTag[:], list.Generation)
	for _, l := range list.Locators {
		if l.Method == wire.MethodCGA {
			a := l.Address.As16()
			b = append(b, a[:]...)
		}
	}
	return sha1.Sum(b)
}

// Sign makes the CGA signature for a Locator List: RSASSA-PKCS1-v1_5 with SHA-1 (RFC 3972 section
// 6) over its generation number and its locators whose method is CGA. The signature is as long as
// the key; the CGA Signature option holds it as it is. Sign needs no random numbers.
//
// p must be the PDS that goes with the message. The error is ErrKey if the key of p may not sign,
// or does not belong to the private key. Use the private key only for signatures (RFC 3972 section
// 7.4).
func (p *PDS) Sign(key *rsa.PrivateKey, list *wire.LocatorList) ([]byte, error) {
	public, err := p.RSAPublicKey()
	if err != nil {
		return nil, err
	}
	if !public.Equal(key.Public()) {
		return nil, fmt.Errorf("%w: the key of the PDS does not belong to the private key", ErrKey)
	}
	digest := signedDigest(list)
	return rsa.SignPKCS1v15(nil, key, crypto.SHA1, digest[:])
}

// VerifySignature verifies a CGA signature for a Locator List by the steps of RFC 3972 section 6.
// It returns nil if p corresponds to the ULID (VerifyULID) and the key in p made the signature. The
// signature covers the locators whose method is CGA.
//
// The signed octets have neither ULID, nonce nor context tag in them (RFC 5533 section 5.15.5): a
// signature is valid in every context of the same key, as long as the same generation number may
// come. Only the checks of context tags and nonces protect against replay.
//
// Errors are those of VerifyULID, ErrKey and ErrSignature.
func (p *PDS) VerifySignature(ulid netip.Addr, list *wire.LocatorList, signature []byte) error {
	if err := p.VerifyULID(ulid); err != nil {
		return err
	}
	key, err := p.signer(signature)
	if err != nil {
		return err
	}
	return verifySigned(key, list, signature)
}

// signer returns the key in p if it may sign. It also makes the checks of the signature that need
// no arithmetic, because anybody can send a wrong signature.
func (p *PDS) signer(signature []byte) (*rsa.PublicKey, error) {
	key, err := p.RSAPublicKey()
	if err != nil {
		return nil, err
	}
	if len(signature) == 0 {
		return nil, fmt.Errorf("%w: the message has no CGA Signature option (RFC 5533 section 5.15.5)", ErrSignature)
	}
	if len(signature) != key.Size() {
		return nil, fmt.Errorf("%w: it has %d octets, and a signature by this key has %d", ErrSignature, len(signature), key.Size())
	}
	return key, nil
}

func verifySigned(key *rsa.PublicKey, list *wire.LocatorList, signature []byte) error {
	digest := signedDigest(list)
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA1, digest[:], signature); err != nil {
		return fmt.Errorf("%w for generation %d (RFC 5533 section 5.15.5): %w", ErrSignature, list.Generation, err)
	}
	return nil
}
