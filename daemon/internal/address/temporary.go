// SPDX-License-Identifier: BSD-3-Clause

package address

import (
	"encoding/binary"
	"io"
	"net/netip"
	"slices"
	"time"

	"shim6/daemon/cga"
	"shim6/daemon/config"
)

// This file is about addresses that change for privacy (RFC 8981) and are protected all the same.

// Temporary is an Identity for the new connections of a day. It has a key of its own: peers see
// the public key, and would know by it that two addresses are of one host. All its addresses
// become deprecated together, and then serve only the sessions that have begun with them.
type Temporary struct {
	*Identity
	// PreferredUntil and ValidUntil are by the clock of State.Now.
	PreferredUntil, ValidUntil time.Duration
}

const (
	// maxTemporary is how many Temporaries there are. If more are in use, the sessions of the
	// oldest end.
	maxTemporary = 16
	// maxMoves is how many Temporaries there may be for a host that moves to get another one
	// before its day is over. If it moves more often, it goes on with the newest.
	maxMoves = 8
	// regenAdvance is how long before the end of its preferred lifetime a Temporary is
	// replaced. It is REGEN_ADVANCE (RFC 8981, section 3.8), which is five seconds, and the
	// time that a small machine takes to make a key.
	regenAdvance = time.Minute
	// extension is by how much the valid lifetime is extended while a context has one of the
	// addresses as its ULID, and extendAdvance how long before its end.
	extension     = time.Hour
	extendAdvance = 10 * time.Minute
)

// Lifetimes are TEMP_PREFERRED_LIFETIME and TEMP_VALID_LIFETIME (RFC 8981, section 3.8).
type Lifetimes struct{ Preferred, Valid time.Duration }

// DefaultLifetimes are those of RFC 8981.
var DefaultLifetimes = Lifetimes{24 * time.Hour, 48 * time.Hour}

const (
	// leastPreferred is the least preferred lifetime, since each rotation makes a key.
	leastPreferred = 10 * time.Minute
	// mostValid is the longest lifetime: a year is as good as for ever.
	mostValid = 365 * 24 * time.Hour
)

// Within are the shorter ones of two Lifetimes.
func (l Lifetimes) Within(m Lifetimes) Lifetimes {
	return Lifetimes{min(l.Preferred, m.Preferred), min(l.Valid, m.Valid)}
}

// Begin returns a Temporary that begins now. Its preferred lifetime is shorter by a random time,
// DESYNC_FACTOR, of at most 0.4 of it: nobody is to tell hosts by the hour at which they change
// their addresses.
func (l Lifetimes) Begin(random io.Reader, now time.Duration, i *Identity) (Temporary, error) {
	preferred := min(max(l.Preferred, leastPreferred), mostValid)
	valid := min(max(l.Valid, preferred), mostValid)
	var b [8]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return Temporary{}, err
	}
	mostDesync := uint64(preferred * 2 / 5)
	desync := time.Duration(binary.NativeEndian.Uint64(b[:]) % (mostDesync + 1))
	return Temporary{Identity: i, PreferredUntil: now + preferred - desync, ValidUntil: now + valid}, nil
}

// Current returns those of a list that are still needed, the oldest first: those whose lifetime
// has not ended, and those of which contexts have an address as their ULID. It extends the
// lifetime of the latter. changed reports whether the result is another list.
func Current(list []Temporary, now time.Duration, used map[netip.Addr]bool) (current []Temporary, changed bool) {
	for _, t := range list {
		switch {
		case t.ValidUntil > now+extendAdvance:
		case t.inUse(used):
			t.ValidUntil = now + extension
			changed = true
		case t.ValidUntil <= now:
			changed = true
			continue
		}
		current = append(current, t)
	}
	for len(current) > maxTemporary {
		// The newest is for new connections. Of the others the oldest goes that nobody needs.
		at := slices.IndexFunc(current[:len(current)-1], func(t Temporary) bool { return !t.inUse(used) })
		at = max(0, at)
		current, changed = slices.Delete(current, at, at+1), true
	}
	return current, changed
}

// inUse reports whether one of the addresses is used.
func (t *Temporary) inUse(used map[netip.Addr]bool) bool {
	return slices.ContainsFunc(t.Sets, func(set []cga.Address) bool {
		return slices.ContainsFunc(set, func(a cga.Address) bool { return used[a.Addr] })
	})
}

// newest is what new connections use, nil if they use none.
func (s *State) newest() *Temporary {
	if n := len(s.Temporaries); n > 0 && s.Config.Addresses.Source == config.SourceTemporary {
		return &s.Temporaries[n-1]
	}
	return nil
}

// rotates reports whether there should be another Temporary. A host that has moved to other
// networks gets one, so that nobody can follow it (RFC 8981, section 3.6).
func (s *State) rotates(prefixes []Prefix) bool {
	newest := s.newest()
	switch {
	case s.Config.Addresses.Source != config.SourceTemporary || len(prefixes) == 0:
		return false
	case newest == nil || newest.PreferredUntil-regenAdvance <= s.Now:
		return true
	}
	here := slices.ContainsFunc(prefixes, func(p Prefix) bool {
		_, _, ok := newest.Address(p.Prefix)
		return ok
	})
	return !here && len(s.Temporaries) < maxMoves
}

// owner is whose addresses are planned.
type owner struct {
	*Identity
	// index is that of State.Temporaries, -1 for State.Identity.
	index int
	// preferredUntil and validUntil bound the lifetimes of the addresses; 0 is no bound.
	preferredUntil, validUntil time.Duration
	// adds: addresses that are not there are added. Otherwise they only stay.
	adds bool
}

// owners are the Identity and the Temporaries. rotates says that the newest is about to be
// replaced.
func (s *State) owners(rotates bool) []owner {
	list := []owner{{Identity: s.Identity, index: -1, adds: true}}
	newest := s.newest()
	for i := range s.Temporaries {
		t := &s.Temporaries[i]
		o := owner{Identity: t.Identity, index: i, preferredUntil: t.PreferredUntil, validUntil: t.ValidUntil}
		o.adds = t == newest && !rotates || t.inUse(s.Used)
		if newest == nil {
			// The configuration has changed. The sessions go on.
			o.preferredUntil = min(o.preferredUntil, s.Now)
		}
		// 0 would be no bound.
		o.preferredUntil = max(1, o.preferredUntil)
		list = append(list, o)
	}
	return list
}

// bounded is a prefix with the lifetimes that an owner's address in it has.
func (o *owner) bounded(p Prefix) Prefix {
	p.PreferredUntil, p.ValidUntil = sooner(p.PreferredUntil, o.preferredUntil), sooner(p.ValidUntil, o.validUntil)
	return p
}

// sooner is the first of two ends of lifetimes, 0 for never.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// nextTemporary is when the Temporaries need another look, 0 for never.
func (s *State) nextTemporary() (at time.Duration) {
	if t := s.newest(); t != nil && t.PreferredUntil-regenAdvance > s.Now {
		at = t.PreferredUntil - regenAdvance
	}
	for i := range s.Temporaries {
		t := &s.Temporaries[i]
		at = sooner(at, t.ValidUntil)
		if next := t.ValidUntil - extendAdvance; next > s.Now {
			at = sooner(at, next)
		}
	}
	return at
}
