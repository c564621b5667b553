// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"fmt"
	"net/netip"
	"slices"

	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
)

// Protection is where a context could go if the path between the networks of its current pair
// failed. Whether the other pairs work only a Probe can tell.
type Protection struct {
	// Pairs counts the pairs between other networks. Local and Peer count the networks of each
	// host in those pairs and the current one.
	Pairs, Local, Peer int
	// LackLocal and LackPeer say why a host has only one network; "" if it has more. If all of
	// ours are by one router, LackLocal says that.
	LackLocal, LackPeer string
	// Why says why there is no context that can send; "" if there is one.
	Why string
}

// Protected reports whether there is another pair.
func (p Protection) Protected() bool { return p.Pairs > 0 }

// String is the sentence that users are told.
func (p Protection) String() string {
	switch {
	case p.Why != "" && p.LackLocal != "":
		return "not protected: " + p.Why + "; and " + p.LackLocal
	case p.Why != "":
		return "not protected: " + p.Why
	case !p.Protected():
		return "not protected: " + p.LackLocal + ", and " + p.LackPeer
	}
	return fmt.Sprintf("protected by %s, of %s and %s", count(p.Pairs, "other pair"), ofNetworks(p.Local, "here", p.LackLocal), ofNetworks(p.Peer, "there", p.LackPeer))
}

func ofNetworks(n int, where, lack string) string {
	text := count(n, "network") + " " + where
	if lack != "" {
		text += " (" + lack + ")"
	}
	return text
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// Protection tells where a context could go, by what is known of addresses. Those that are
// broken or unproved do not count.
func (r *Explorer) Protection(s *engine.Session) Protection {
	c := s.Info()
	return r.protection(s, &c)
}

func (r *Explorer) protection(s *engine.Session, c *engine.Info) Protection {
	if s.Ignored() {
		return Protection{Local: 1, Peer: 1, Why: engine.ProofIgnored.String()}
	}
	current := sitesOf(c.Current)
	local, peer := map[uint64]bool{current.local: true}, map[uint64]bool{current.peer: true}
	var p Protection
	hops := map[hop]bool{}
	if l, ok := s.Local(c.Current.Local); ok {
		hops[hop{l.Interface, l.Router}] = true
	}
	for _, x := range r.candidates(s, c) {
		at := sitesOf(x.Pair)
		if x.broken || x.mismatch || x.unfit != 0 || at == current {
			continue
		}
		p.Pairs++
		local[at.local], peer[at.peer] = true, true
		hops[x.hop()] = true
	}
	if p.Local = len(local); p.Local == 1 {
		p.LackLocal = ourLack(s, c)
	} else if len(hops) == 1 {
		p.LackLocal = oneRouter(hops)
	}
	if p.Peer = len(peer); p.Peer == 1 {
		p.LackPeer = peerLack(c)
	}
	return p
}

// Unprotected is what is known of a ULID pair without a context that can send. locals are our
// locators. Whatever the peer will answer, our ULID must prove another one, unless peers trust it.
func Unprotected(state engine.State, o engine.Obstacle, ulid netip.Addr, trusted bool, locals []engine.LocalLocator) Protection {
	var p Protection
	at := slices.IndexFunc(locals, func(l engine.LocalLocator) bool { return l.Address == ulid })
	switch {
	case o != engine.NoObstacle:
		p.Why = o.String()
	case state == engine.NoSupport:
		p.Why = noShim6
	case state == engine.EFailed:
		p.Why = unanswering
	case state != engine.Idle:
		p.Why = notYet
	case at < 0:
		p.Why = noLocator
	default:
		p.Why = noContext
	}
	switch {
	case at < 0:
	case locals[at].PDS == nil && !trusted:
		p.LackLocal = unproved(&locals[at])
	case !slices.ContainsFunc(locals, func(l engine.LocalLocator) bool { return !sameSite(l.Address, ulid) }):
		p.LackLocal = oneProvider
	}
	return p
}

// oneRouter says that nothing is left if the only router fails; "" if no router is known.
func oneRouter(hops map[hop]bool) string {
	for h := range hops {
		if h.router.IsValid() {
			return fmt.Sprintf("all by one router, %s on %s", h.router, h.link)
		}
	}
	return ""
}

// unproved says why a ULID of ours proves no other address.
func unproved(ulid *engine.LocalLocator) string {
	if ulid.Temporary {
		return temporaryULID
	}
	return foreignULID
}

// ourLack says why none of our locators is of use beside the current one.
func ourLack(s *engine.Session, c *engine.Info) string {
	ulid, _ := s.Local(c.ULIDs.Local)
	others, broken := 0, 0
	for _, a := range c.LocalLocators {
		l, ok := s.Local(a)
		if !ok || sameSite(a, c.Current.Local) {
			continue
		}
		if others++; l.Preference.Flags&wire.FlagBroken != 0 || l.Policy == engine.PolicyNever {
			broken++
		}
	}
	switch {
	case others > 0 && others == broken:
		return ourBroken
	case others > 0:
		return ourUnfit
	case ulid.PDS == nil && (ulid.Temporary || len(c.LocalLocators) < 2):
		return unproved(&ulid)
	}
	return oneProvider
}

// peerLack says why none of the peer's locators is of use beside the current one.
func peerLack(c *engine.Info) string {
	others, broken := 0, 0
	for i := range c.PeerLocators {
		l := &c.PeerLocators[i]
		if sameSite(l.Address, c.Current.Peer) {
			continue
		}
		if others++; !l.Verified || l.Dropped || l.Flags&wire.FlagBroken != 0 {
			broken++
		}
	}
	switch {
	case others > 0 && others == broken:
		return theirBroken
	case others > 0:
		return theirUnfit
	}
	if len(c.PeerLocators) > 1 {
		return theirOne
	}
	// A peer whose ULID proves nothing can't tell of others.
	return theirUnknown
}
