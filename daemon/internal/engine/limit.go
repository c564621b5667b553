// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// buckets is how many token buckets there are for prefixes. Prefixes share them, so that
// memory does not grow with the number of senders.
const buckets = 1024

// siteShare: a /48, which is what a provider gives to one customer, may have so many times as
// much as a /64.
const siteShare = 8

// bucket holds tokens, one for each message that may be sent. It holds at most the tokens of
// one second.
type bucket struct {
	tokens float64
	last   time.Duration
}

func (b *bucket) fill(now time.Duration, rate float64) {
	b.tokens = min(rate, b.tokens+rate*(now-b.last).Seconds())
	b.last = now
}

// shares are the buckets of a group of hosts: one for all together, and those of their
// prefixes and sites.
type shares struct {
	total        bucket
	site, prefix [buckets]bucket
}

// limiter limits the answers to packets that prove nothing: for each prefix, and in total.
//
// Sources can be forged. So an attacker that floods has as many prefixes as it likes, and
// could use up the total. Therefore the total is divided. A quarter is for known hosts, which
// have shown before that they are where they say. They share nothing with others. Of the
// answers to I1s, another quarter is for sources that come again: a host that has had no
// answer does, a source that was drawn at random does not. The rest is for all.
type limiter struct {
	limit            Limit
	seed             uint64
	known, strangers *shares
	// remembers: this limiter has a share for strangers that come again. again is that
	// share, and seen knows which strangers come again; it is nil until there are too many
	// strangers.
	remembers bool
	again     bucket
	seen      *seen
}

func newLimiter(r *random, l Limit) *limiter {
	m := &limiter{limit: l, seed: r.Uint64() | 1}
	m.again.tokens = m.reserve()
	return m
}

// sharesOf are the shares of known hosts or of strangers. They are made when they are needed.
func (m *limiter) sharesOf(known bool) *shares {
	s, total := &m.strangers, m.common()
	if known {
		s, total = &m.known, m.reserve()
	}
	if *s == nil {
		*s = &shares{total: bucket{tokens: total}}
		for i := range (*s).prefix {
			(*s).prefix[i].tokens = float64(m.limit.PerPrefix)
			(*s).site[i].tokens = float64(m.limit.PerPrefix * siteShare)
		}
	}
	return *s
}

// reserve is the share of known hosts, in messages a second. Strangers that come again may
// have as much. common is the share of all.
func (m *limiter) reserve() float64 { return max(1, float64(m.limit.Total/4)) }
func (m *limiter) common() float64 {
	reserved := m.reserve()
	if m.remembers {
		reserved *= 2
	}
	return max(1, float64(m.limit.Total)-reserved)
}

// hash mixes n with the secret seed, so that nobody can choose with whom to share a bucket.
func (m *limiter) hash(n uint64) uint64 {
	h := (n ^ m.seed) * 0x9e3779b97f4a7c15
	h ^= h >> 29
	return h * m.seed
}

// bucketsOf are the buckets of an address's /64 and /48, filled up to now.
func (m *limiter) bucketsOf(now time.Duration, a netip.Addr, known bool) (prefix, site *bucket) {
	p := prefixOf(a)
	n := binary.BigEndian.Uint64(p[:])
	s := m.sharesOf(known)
	prefix, site = &s.prefix[m.hash(n)>>54], &s.site[m.hash(n>>16)>>54]
	prefix.fill(now, float64(m.limit.PerPrefix))
	site.fill(now, float64(m.limit.PerPrefix*siteShare))
	return prefix, site
}

// allow reports whether a message may be sent to an address, and counts it. known says that
// the host there is known. A message that the prefix's share forbids takes nothing from the
// total.
func (m *limiter) allow(now time.Duration, a netip.Addr, known bool) bool {
	prefix, site := m.bucketsOf(now, a, known)
	if prefix.tokens < 1 || site.tokens < 1 {
		return false
	}
	total := m.totalFor(now, a, known)
	if total == nil {
		return false
	}
	prefix.tokens--
	site.tokens--
	total.tokens--
	return true
}

// totalFor is the share of the total from which a message to an address is taken, nil if none
// has a token.
func (m *limiter) totalFor(now time.Duration, a netip.Addr, known bool) *bucket {
	common := &m.sharesOf(false).total
	common.fill(now, m.common())
	if known {
		m.known.total.fill(now, m.reserve())
		if m.known.total.tokens >= 1 {
			return &m.known.total
		}
	}
	if common.tokens >= 1 {
		return common
	}
	if known || !m.remembers {
		return nil
	}
	if m.seen == nil {
		m.seen = newSeen(now)
	}
	p := prefixOf(a)
	m.again.fill(now, m.reserve())
	if m.seen.again(now, m.hash(binary.BigEndian.Uint64(p[:]))) && m.again.tokens >= 1 {
		return &m.again
	}
	return nil
}

// blocked reports whether the prefix of an address has spent its tokens. spend takes one.
// There is no total here: otherwise a few prefixes could get all others blocked.
func (m *limiter) blocked(now time.Duration, a netip.Addr, known bool) bool {
	prefix, _ := m.bucketsOf(now, a, known)
	return prefix.tokens < 1
}

func (m *limiter) spend(now time.Duration, a netip.Addr, known bool) {
	prefix, _ := m.bucketsOf(now, a, known)
	prefix.tokens--
}

const (
	// seenPeriod is the least time for which a source is remembered, and half of the longest
	// one. A host that has no answer sends its I1 again after 6 seconds at most, and then
	// after 12.
	seenPeriod = 8 * time.Second
	// seenBits is how many bits stand for the sources of a period. Each source has two. A
	// hundred thousand sources a second fill a tenth of the bits in one period. Then one new
	// source in thirty is mistaken for one that comes again.
	seenBits = 1 << 24
)

// seen knows which sources have sent lately. It takes 4 MiB.
type seen struct {
	began         time.Duration
	fresh, before *[seenBits / 64]uint64
}

func newSeen(now time.Duration) *seen {
	return &seen{began: now, fresh: new([seenBits / 64]uint64), before: new([seenBits / 64]uint64)}
}

// again reports whether a source has sent lately, and notes that it sends now.
func (s *seen) again(now time.Duration, hash uint64) bool {
	if age := now - s.began; age >= seenPeriod {
		s.fresh, s.before = s.before, s.fresh
		clear(s.fresh[:])
		if age >= 2*seenPeriod {
			clear(s.before[:])
		}
		s.began = now
	}
	was := true
	for range 2 {
		i := hash % seenBits
		word, bit := i/64, uint64(1)<<(i%64)
		was = was && (s.fresh[word]|s.before[word])&bit != 0
		s.fresh[word] |= bit
		hash >>= 32
	}
	return was
}

const (
	// provenSlots is how many prefixes are remembered whose hosts have proved to be where
	// they say, and provenTime for how long.
	provenSlots = 4096
	provenTime  = time.Hour
	// provenLuck: one prefix in so many takes the slot of another before that one's time is
	// over.
	provenLuck = 8
)

// proven remembers prefixes whose hosts have completed an exchange. A prefix whose slot
// another one has must wait until that one's time is over, unless it is lucky. So an attacker
// that has very many prefixes drives others out only slowly.
type proven [provenSlots]struct {
	prefix prefix
	until  time.Duration
}

func (m *limiter) slot(p prefix) int { return int(m.hash(binary.BigEndian.Uint64(p[:])) >> 52) }

// limits are the limits of an Engine. failures limits the failed proofs of a prefix, to as
// many as there may be Error messages about them.
type limits struct {
	r1, r1bis, errors, failures *limiter
	proven                      proven
}

func newLimits(r *random, c Config) *limits {
	l := &limits{r1: newLimiter(r, c.R1), r1bis: newLimiter(r, c.R1bis), errors: newLimiter(r, c.ErrorMessages), failures: newLimiter(r, c.ErrorMessages)}
	l.r1.remembers = true
	return l
}

// known reports whether the host at an address is no stranger: its prefix has contexts, or has
// completed an exchange lately.
func (e *Engine) known(a netip.Addr) bool {
	p := prefixOf(a)
	if e.perPrefix[p] > 0 {
		return true
	}
	s := &e.limits.proven[e.limits.r1.slot(p)]
	return s.prefix == p && s.until > e.now
}

// proved notes that the host at an address has proved to be where it says.
func (e *Engine) proved(a netip.Addr) {
	p := prefixOf(a)
	s := &e.limits.proven[e.limits.r1.slot(p)]
	if s.prefix == p || s.until <= e.now || e.random.Uint64()%provenLuck == 0 {
		s.prefix, s.until = p, e.now+provenTime
	}
}
