// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// buckets is how many token buckets a limiter has. Prefixes share them: memory
// does not grow with the number of those who send.
const buckets = 1024

// bucket holds tokens, one for each message that may be sent, up to what comes
// in a second.
type bucket struct {
	tokens float64
	last   time.Duration
}

func (b *bucket) fill(now time.Duration, rate float64) {
	b.tokens = min(rate, b.tokens+rate*(now-b.last).Seconds())
	b.last = now
}

// limiter limits what is sent in answer to packets that prove nothing: to each
// prefix, and in all.
type limiter struct {
	limit  Limit
	seed   uint64
	total  bucket
	prefix [buckets]bucket
}

func newLimiter(r *random, l Limit) *limiter {
	m := &limiter{limit: l, seed: r.Uint64() | 1}
	m.total.tokens = float64(l.Total)
	for i := range m.prefix {
		m.prefix[i].tokens = float64(l.PerPrefix)
	}
	return m
}

// bucketOf is the bucket of an address's prefix, filled.
func (m *limiter) bucketOf(now time.Duration, a netip.Addr) *bucket {
	p := prefixOf(a)
	// The seed is secret, so nobody can choose to share a bucket.
	h := (binary.BigEndian.Uint64(p[:]) ^ m.seed) * 0x9e3779b97f4a7c15
	h ^= h >> 29
	h *= m.seed
	b := &m.prefix[h>>54]
	b.fill(now, float64(m.limit.PerPrefix))
	return b
}

// allow reports whether a message may be sent to an address, and counts it. What
// the prefix may not send takes nothing from the total.
func (m *limiter) allow(now time.Duration, a netip.Addr) bool {
	b := m.bucketOf(now, a)
	m.total.fill(now, float64(m.limit.Total))
	if b.tokens < 1 || m.total.tokens < 1 {
		return false
	}
	b.tokens--
	m.total.tokens--
	return true
}

// blocked reports whether an address's prefix has spent what it had, and spend has it
// spend. There is no total: or else a few could have all the others blocked.
func (m *limiter) blocked(now time.Duration, a netip.Addr) bool {
	return m.bucketOf(now, a).tokens < 1
}

func (m *limiter) spend(now time.Duration, a netip.Addr) {
	m.bucketOf(now, a).tokens--
}

// limits are those of an Engine. failures are proofs of a prefix that failed, as many
// as there may be Error messages about them.
type limits struct{ r1, r1bis, errors, failures *limiter }

func newLimits(r *random, c Config) limits {
	return limits{newLimiter(r, c.R1), newLimiter(r, c.R1bis), newLimiter(r, c.ErrorMessages), newLimiter(r, c.ErrorMessages)}
}
