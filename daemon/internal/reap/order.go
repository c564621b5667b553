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

// fresh is for how long other contexts act on what one context has found.
const fresh = 10 * time.Second

// candidate is a locator pair by which a context might send.
type candidate struct {
	engine.Pair
	// broken and transient: one of the locators is said to be.
	broken, transient bool
	// unfit is until when it is remembered that payload does not pass, though Probes may; 0 if
	// that is not known.
	unfit time.Duration
	// mismatch: one address is unique local and the other is not, so they are not meant for
	// each other (RFC 6724, section 5, rule 6).
	mismatch bool
	// policy is the rank of our interface's policy, the lower the better.
	policy int
	// priority and share are the sums for both locators, as both hosts see them. So both hosts
	// come to the same order.
	priority int
	share    float64
	// primary: the locators are the ULIDs, and payload needs no header.
	primary bool
	// prefix is how many bits the locators have in common (RFC 6724, section 5, rule 8).
	prefix int
	// link is the interface of our locator, "" if it is not known. router is the one there by
	// which packets leave, invalid if it is not known.
	link   string
	router netip.Addr
}

// policies are the ranks of engine.InterfacePolicy.
var policies = [...]int{
	engine.PolicyPreferred: 0, engine.PolicyNormal: 1, engine.PolicyBackup: 2, engine.PolicyMetered: 3, engine.PolicyNever: 4,
}

// compare is negative if a is better than b, by what is said of their locators. It is 0 if only
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

// candidates are the pairs by which a context might send, the best first: our locators that the
// peer knows, with those of the peer that are proved (RFC 5534, section 4.3). Locators of ours
// that are broken are used only if there are no others. Those of interfaces that are never to be
// used are left out, except the current pair.
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
			if !p.Verified || p.Dropped || l.Policy == engine.PolicyNever && !pair.SamePath(c.Current) {
				continue
			}
			if broken && works {
				continue
			}
			if !broken && !works {
				// The broken ones found so far are not needed.
				list, works = list[:0], true
			}
			pair = r.carrier(s, x, c, pair)
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
				primary:   a == c.ULIDs.Local && p.Address == c.ULIDs.Peer,
				prefix:    commonPrefix(a, p.Address),
				link:      l.Interface,
				router:    l.Router,
			})
		}
	}
	// Stateful routers in front of both hosts let Probes through that cross each other on one
	// pair. So both hosts have the same order, whichever of them is the local one.
	mine, theirs := func(a *candidate) netip.Addr { return a.Local }, func(a *candidate) netip.Addr { return a.Peer }
	if c.ULIDs.Peer.Less(c.ULIDs.Local) {
		mine, theirs = theirs, mine
	}
	slices.SortFunc(list, func(a, b candidate) int {
		return cmp.Or(a.compare(&b), cmp.Compare(b.prefix, a.prefix), mine(&a).Compare(mine(&b)), theirs(&a).Compare(theirs(&b)))
	})
	return list
}

// share is by how much a context prefers a locator of a weight to others of the same priority.
// It depends on chance, but is the same on both hosts and after a restart. Each of several
// locators has the greatest share in as many contexts as its part of all weights (RFC 2782; RFC
// 5533, section 5.15.3). So load is spread by contexts, and none moves to and fro.
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
	// Between 0 and 1, but neither 0 nor 1.
	x := (float64(binary.BigEndian.Uint64(sum[:])>>11) + 0.5) / (1 << 53)
	return float64(weight) / -math.Log(x)
}

// find returns the candidate with the addresses of a pair, nil if there is none.
func find(list []candidate, p engine.Pair) *candidate {
	for i := range list {
		if list[i].SamePath(p) {
			return &list[i]
		}
	}
	return nil
}

// rank is the place of a candidate in the order of choose. Lower values go first, and a field
// decides only if all before it are the same.
type rank struct {
	// defect is 2 if a locator is said to be broken, 1 if payload is remembered not to pass.
	defect int
	// metered is 1 if our interface costs money.
	metered int
	// news is what other contexts have found.
	news int
	// times is how often a pair between the same networks was tried, and last after how many
	// others: so all networks are tried before one is tried again.
	times, last int
	// kin is how much the pair has in common with those that were tried.
	kin int
	// place is the index in the list of candidates, the best first.
	place int
}

// The values of rank.news.
const (
	// pairWorks: another context has just found this pair to work.
	pairWorks = iota
	// networksWork: it has found another pair between the same networks to work.
	networksWork
	noNews
	// pairFails: it has just found this pair not to work.
	pairFails
)

// before reports whether a is to be probed before b.
func (a *rank) before(b *rank) bool {
	switch {
	case a.defect != b.defect:
		return a.defect < b.defect
	case a.metered != b.metered:
		return a.metered < b.metered
	case a.news != b.news:
		return a.news < b.news
	case a.times != b.times:
		return a.times < b.times
	case a.last != b.last:
		return a.last < b.last
	case a.kin != b.kin:
		return a.kin < b.kin
	}
	return a.place < b.place
}

// choose returns the next pair to probe, the first by rank among those that were not tried: one
// that another context has just found to work, or the one that differs most from those that were
// tried, and is the best of them. began is since when pairs are tried: networks that worked
// before that, and were tried since, have no news. False means that all pairs were tried.
func choose(list []candidate, tried []engine.Pair, known *paths, began, now time.Duration) (engine.Pair, bool) {
	var best *candidate
	var first rank
	done := attemptsOf(tried, list)
	peers := map[netip.Addr]bool{}
	for i := range list {
		peers[list[i].Peer] = true
	}
	for i := range list {
		c := &list[i]
		if done.pairs[c.Pair.By(engine.Native)] {
			continue
		}
		of := networksOf(c.Pair)
		k := rank{news: noNews, times: done.times[of], last: done.last[of], kin: done.kin(c), place: i}
		switch {
		case c.broken:
			k.defect = 2
		case c.unfit != 0:
			k.defect = 1
		}
		if c.policy == policies[engine.PolicyMetered] {
			k.metered = 1
		}
		v := known.get(c.Pair)
		switch good, pair, ok := known.worked(of); {
		case v.works() && now-v.good <= fresh && (k.times == 0 || v.good > began):
			k.news = pairWorks
		case v.fails() && now-v.bad <= fresh:
			k.news = pairFails
		case ok && now-good <= fresh && k.times == 0 && peers[pair.Peer]:
			// Only for this peer: another host in its network may have other paths.
			k.news = networksWork
		}
		if best == nil || k.before(&first) {
			best, first = c, k
		}
	}
	if best == nil {
		return engine.Pair{}, false
	}
	return best.Pair, true
}
