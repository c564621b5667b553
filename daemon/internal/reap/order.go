// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"net/netip"
	"slices"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
)

// fresh is for how long what one context has found is news to others.
const fresh = 10 * time.Second

// candidate is a locator pair by which a context might send.
type candidate struct {
	engine.Pair
	// broken: one of its locators is said to be.
	broken, transient bool
	// unfit is until when it is remembered that payload does not pass, though
	// Probes may; 0 if it is not.
	unfit time.Duration
	// mismatch: one address is unique local, and the other is not, so that they
	// are not meant for each other (RFC 6724, section 5, rule 6).
	mismatch bool
	policy   int
	// priority and share are those of both locators, as both hosts see them: so
	// they come to the same order.
	priority int
	share    float64
	// primary: they are the ULIDs, which need no header.
	primary bool
	// prefix is how many bits they have in common (RFC 6724, section 5, rule 8).
	prefix int
	// link is the interface of ours, "" if it is not known.
	link string
}

// policies are the ranks of engine.InterfacePolicy.
var policies = [...]int{
	engine.PolicyPreferred: 0, engine.PolicyNormal: 1, engine.PolicyBackup: 2, engine.PolicyMetered: 3, engine.PolicyNever: 4,
}

// compare is negative if a is better than b, by what is said of them. It is 0 if only
// chance could decide.
func (a *candidate) compare(b *candidate) int {
	return cmp.Or(
		compareBool(a.broken, b.broken),
		compareBool(a.unfit != 0, b.unfit != 0),
		cmp.Compare(a.policy, b.policy),
		compareBool(a.transient, b.transient),
		compareBool(a.mismatch, b.mismatch),
		cmp.Compare(a.priority, b.priority),
		cmp.Compare(b.share, a.share),
		compareBool(b.primary, a.primary),
	)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// candidates are the pairs by which a context might send, the best first: our
// locators that the peer knows with those of the peer that are proved (RFC 5534,
// section 4.3). Those that we know to be broken are among them only if there are no
// others, and those of interfaces that are never to be used only if in use.
func (r *Explorer) candidates(s *engine.Session, c *engine.Info) []candidate {
	var list []candidate
	x := r.by[c.ULIDs]
	works := false
	shares := make([]float64, len(c.PeerLocators))
	for i := range c.PeerLocators {
		shares[i] = share(c.ULIDs, c.PeerLocators[i].Address, c.PeerLocators[i].Weight)
	}
	for _, a := range c.LocalLocators {
		l, ok := s.Local(a)
		if !ok {
			continue
		}
		broken := l.Preference.Flags&wire.FlagBroken != 0
		own := share(c.ULIDs, a, l.Preference.Weight)
		for i := range c.PeerLocators {
			p := &c.PeerLocators[i]
			pair := engine.Pair{Local: a, Peer: p.Address}
			if !p.Verified || p.Dropped || l.Policy == engine.PolicyNever && pair != c.Current {
				continue
			}
			if broken && works {
				continue
			}
			if !broken && !works {
				// What was broken before is not needed.
				list, works = list[:0], true
			}
			flags := l.Preference.Flags | p.Flags
			list = append(list, candidate{
				Pair:      pair,
				broken:    flags&wire.FlagBroken != 0,
				unfit:     r.unfit(x, pair, s.Now()),
				transient: flags&wire.FlagTransient != 0,
				mismatch:  a.IsPrivate() != p.Address.IsPrivate(),
				policy:    policies[l.Policy],
				priority:  int(l.Preference.Priority) + int(p.Priority),
				share:     own + shares[i],
				primary:   pair == engine.Pair{Local: c.ULIDs.Local, Peer: c.ULIDs.Peer},
				prefix:    commonPrefix(a, p.Address),
				link:      l.Interface,
			})
		}
	}
	slices.SortFunc(list, func(a, b candidate) int {
		return cmp.Or(a.compare(&b), cmp.Compare(b.prefix, a.prefix), a.Local.Compare(b.Local), a.Peer.Compare(b.Peer))
	})
	return list
}

// share is by how much a context prefers a locator of a weight to others of the same
// priority. It is by chance, the same for both hosts and after a restart, and of several
// locators each is the first as often as its part of all weights (RFC 2782; RFC 5533,
// section 5.15.3): so load is shared by contexts, and none moves to and fro.
func share(u engine.ULIDs, a netip.Addr, weight uint8) float64 {
	if weight == 0 {
		return 0
	}
	first, second := u.Local, u.Peer
	if second.Less(first) {
		first, second = second, first
	}
	b := make([]byte, 0, 3*16+4)
	for _, x := range []netip.Addr{first, second, a} {
		b = append(b, x.AsSlice()...)
	}
	sum := sha256.Sum256(binary.BigEndian.AppendUint32(b, u.FII))
	// Between 0 and 1, neither of which it is.
	x := (float64(binary.BigEndian.Uint64(sum[:])>>11) + 0.5) / (1 << 53)
	return float64(weight) / -math.Log(x)
}

// find is the candidate of a pair, nil if it is none.
func find(list []candidate, p engine.Pair) *candidate {
	for i := range list {
		if list[i].Pair == p {
			return &list[i]
		}
	}
	return nil
}

// choose is the next pair to probe: of those that were not tried, one that somebody else
// has just found to work, or one that differs most from those that were, and is the best of
// them. What has just failed for somebody else goes behind, and before all else what costs
// money. began is since when pairs are tried: what worked before that says nothing of
// networks that have been tried since. False means that all were tried.
func choose(list []candidate, tried []engine.Pair, known *paths, began, now time.Duration) (engine.Pair, bool) {
	var best *candidate
	var bestKey [7]int
	relatives := relativesOf(tried, list)
	peers := map[netip.Addr]bool{}
	for i := range list {
		peers[list[i].Peer] = true
	}
	for i := range list {
		c := &list[i]
		if relatives.pairs[c.Pair] {
			continue
		}
		of := classOf(c.Pair)
		times := relatives.times[of]
		key := [7]int{0, 0, 2, times, relatives.last[of], relatives.kin(c), i}
		switch {
		case c.broken:
			key[0] = 2
		case c.unfit != 0:
			key[0] = 1
		}
		if c.policy == policies[engine.PolicyMetered] {
			key[1] = 1
		}
		v := known.get(c.Pair)
		switch good, pair, ok := known.worked(of); {
		case v.works() && now-v.good <= fresh && (times == 0 || v.good > began):
			key[2] = 0
		case v.fails() && now-v.bad <= fresh:
			key[2] = 3
		case ok && now-good <= fresh && times == 0 && peers[pair.Peer]:
			// Another host in the peer's network is another matter.
			key[2] = 1
		}
		if best == nil || slices.Compare(key[:], bestKey[:]) < 0 {
			best, bestKey = c, key
		}
	}
	if best == nil {
		return engine.Pair{}, false
	}
	return best.Pair, true
}
