// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"net/netip"
	"time"

	"shim6/daemon/wire"
)

const (
	// noncePeriod is how often the Responder Nonce counts up. All peers get the same nonce,
	// so its age is known without a memory of the peers.
	noncePeriod = 100 * time.Millisecond
	// nonceAge is for how many periods a nonce is recent: ValidatorMinLifetime, and the rest
	// of the period in which it was given.
	nonceAge = uint32(ValidatorMinLifetime/noncePeriod) + 1
	// secretPeriods is for how many periods a secret is used (RFC 5533,
	// section 16.2).
	secretPeriods = 6000
	// validatorLen is the length of a validator in octets: enough of the HMAC against
	// guessing.
	validatorLen = 16
)

// validator makes Responder Validators and checks them. A validator is the HMAC-SHA-256 of
// everything that must be the same in the I2 or I2bis as in the I1 or the packet before (RFC
// 5533, sections 7.10.1 and 7.17.1). Nothing is stored for a peer that gets one.
type validator struct {
	random *random
	base   uint32
	// There are two secrets: a validator is valid for nonceAge after the time of its secret
	// at most. epoch is the number of the newest one.
	epoch  uint32
	secret [2]hash.Hash
	input  []byte
}

func newValidator(r *random) validator {
	v := validator{random: r, base: r.nonce()}
	v.secret[0], v.secret[1] = v.newSecret(), v.newSecret()
	return v
}

func (v *validator) newSecret() hash.Hash {
	var key [32]byte
	for i := 0; i < len(key); i += 8 {
		binary.BigEndian.PutUint64(key[i:], v.random.Uint64())
	}
	return hmac.New(sha256.New, key[:])
}

func periods(now time.Duration) uint32 { return uint32(now / noncePeriod) }

// nonce is the Responder Nonce to give now.
func (v *validator) nonce(now time.Duration) uint32 { return v.base + periods(now) }

// recent reports whether a nonce was given not too long ago, and how many periods ago.
func (v *validator) recent(now time.Duration, nonce uint32) (age uint32, ok bool) {
	age = v.nonce(now) - nonce
	return age, age <= nonceAge && age <= periods(now)
}

// of is the secret of the time at which a recent nonce was given.
func (v *validator) of(now time.Duration, age uint32) hash.Hash {
	// Secrets are replaced here, when they are needed.
	for current := periods(now) / secretPeriods; v.epoch < current; {
		if current-v.epoch > 2 {
			v.epoch = current - 2
		}
		v.epoch++
		v.secret[v.epoch%2] = v.newSecret()
	}
	return v.secret[(periods(now)-age)/secretPeriods%2]
}

// The first octet that is hashed is the purpose of the validator.
const (
	forR1    = 1
	forR1bis = 2
)

// r1 is the validator of an R1. It does not cover the Initiator Nonce, which may be another
// one in the I2 (RFC 5533, section 7.11).
func (v *validator) r1(now time.Duration, age, nonce uint32, p packet, tag wire.ContextTag, u ULIDs) []byte {
	b := append(v.input[:0], forR1)
	b = binary.BigEndian.AppendUint32(b, nonce)
	b = binary.BigEndian.AppendUint64(b, uint64(tag))
	b = appendAddrs(b, p.source, p.destination, u.Local, u.Peer)
	b = binary.BigEndian.AppendUint32(b, u.FII)
	return v.sum(now, age, b)
}

// r1bis is the validator of an R1bis.
func (v *validator) r1bis(now time.Duration, age, nonce uint32, p packet, packetTag wire.ContextTag) []byte {
	b := append(v.input[:0], forR1bis)
	b = binary.BigEndian.AppendUint32(b, nonce)
	b = binary.BigEndian.AppendUint64(b, uint64(packetTag))
	b = appendAddrs(b, p.source, p.destination)
	return v.sum(now, age, b)
}

func (v *validator) sum(now time.Duration, age uint32, b []byte) []byte {
	v.input = b
	h := v.of(now, age)
	h.Reset()
	h.Write(b)
	return h.Sum(make([]byte, 0, sha256.Size))[:validatorLen]
}

func appendAddrs(b []byte, addrs ...netip.Addr) []byte {
	for _, a := range addrs {
		a := a.As16()
		b = append(b, a[:]...)
	}
	return b
}

// valid compares a validator with the one that we would make, in constant time.
func valid(o *wire.ResponderValidator, want []byte) bool {
	return o != nil && hmac.Equal(o.Validator, want)
}
