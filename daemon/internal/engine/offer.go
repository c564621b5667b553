// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"shim6/daemon/cga"
	"shim6/daemon/wire"
)

// offer is what an I2, I2bis, R2 or Update Request says about its sender, verified.
type offer struct {
	// hasList: the message has a Locator List. listed is its length.
	hasList    bool
	generation uint32
	listed     int
	// locators are the part of the list that we keep.
	locators  []PeerLocator
	pds       []byte
	keepalive time.Duration
	// hasKeepalive: the message has the Keepalive Timeout. Otherwise it is the default.
	hasKeepalive bool
	// preferences are those of the message if they are for its list, otherwise nil.
	preferences *wire.LocatorPreferences
}

// offered verifies what a message says about its sender, whose ULID is ulid. c is the
// context, nil if there is none. It returns false if the message must not be processed any
// further, and has then sent the Error message that is due.
func (e *Engine) offered(p packet, m wire.Message, options wire.Options, ulid netip.Addr, c *context) (offer, bool) {
	o := offer{keepalive: DefaultSendTimeout}
	if t := options.KeepaliveTimeout(); t != nil && t.Seconds > 0 {
		o.keepalive, o.hasKeepalive = time.Duration(t.Seconds)*time.Second, true
	}
	list := options.LocatorList()
	if e.limits.failures.blocked(e.now, p.source, e.known(p.source)) {
		// To verify proofs costs more than anything else, and the proofs of this prefix
		// have failed.
		e.stats.Limited++
		return o, false
	}
	failed, err := e.prove(m, options, ulid, c)
	if err != nil {
		if failed < 0 && p.source == ulid && ofAnother(err) {
			e.translated(p.destination, ulid, c)
		}
		e.limits.failures.spend(e.now, p.source, e.known(p.source))
		e.stats.Unverified++
		if failed >= 0 {
			e.sendError(p, wire.VerificationFailed(m, failed))
		}
		return o, false
	}
	if pds := options.CGAParameterDataStructure(); pds != nil {
		o.pds = pds.PDS
	}
	if list == nil {
		return o, true
	}
	o.hasList, o.generation, o.listed = true, list.Generation, len(list.Locators)
	if l := options.LocatorPreferences(); l != nil && l.Generation == list.Generation && l.Fits(o.listed) {
		o.preferences = l
	}
	for i, l := range list.Locators {
		// Duplicates: the first wins. Over the limit: later entries are dropped, but
		// never the ULID.
		if o.find(l.Address) == nil && (len(o.locators) < MaxLocators-1 || l.Address == ulid) {
			o.locators = append(o.locators, PeerLocator{Address: l.Address, Method: l.Method, Verified: true, Index: i})
		}
	}
	return o, true
}

// errUnproved: a list of locators has nothing that could prove it, or has an address in it that can't
// be a peer's.
var errUnproved = errors.New("locators are not proved")

// prove returns nil if the PDS in a message is that of the ULID, and all locators of its
// list are proved to be the peer's (RFC 5533, section 7.2). Otherwise failed is the index of
// the locator that is not proved, -1 if the failure is not about a single one.
func (e *Engine) prove(m wire.Message, options wire.Options, ulid netip.Addr, c *context) (failed int, err error) {
	var pds, signature []byte
	if o := options.CGAParameterDataStructure(); o != nil {
		pds = o.PDS
	}
	if o := options.CGASignature(); o != nil {
		signature = o.Signature
	}
	list := options.LocatorList()
	trusted := e.trusted(ulid)
	if list != nil {
		// We never accept one of our own addresses as a peer's locator, even if it is
		// signed.
		if i := slices.IndexFunc(list.Locators, func(l wire.Locator) bool {
			return !isULID(l.Address) || l.Address != ulid && e.locals[l.Address] != nil
		}); i >= 0 {
			return i, errUnproved
		}
		// A list of trusted locators needs no proof.
		if !slices.ContainsFunc(list.Locators, func(l wire.Locator) bool {
			return l.Address != ulid && !(trusted && e.trusted(l.Address))
		}) {
			list = nil
		}
	}
	switch {
	case trusted && list == nil, pds == nil && list == nil:
		return -1, nil
	case pds == nil && c != nil && c.peer.pds != nil:
		// The peer has sent its PDS before (RFC 5533, section 10.1).
		pds = c.peer.pds
	case pds == nil:
		return slices.IndexFunc(list.Locators, func(l wire.Locator) bool { return l.Address != ulid }), errUnproved
	}
	err = e.config.Verifier.Verify(ulid, pds, list, signature)
	var le *cga.LocatorError
	if errors.As(err, &le) {
		return le.Index, err
	}
	return -1, err
}

// find is the offered locator with an address, nil if there is none.
func (o *offer) find(a netip.Addr) *PeerLocator {
	for i := range o.locators {
		if o.locators[i].Address == a {
			return &o.locators[i]
		}
	}
	return nil
}

// peers is Ls(peer) after an I2, I2bis or R2 from source. Without a list it is the ULID and
// source, which the caller has found to be the peer's.
func (o *offer) peers(c *context, source netip.Addr) []PeerLocator {
	if o.hasList && o.find(source) == nil && c.isPeer(source) && source != c.ulids.Peer {
		// source is the peer's, though not in its list. The exchange uses it.
		o.locators = append(o.locators, PeerLocator{Address: source, Verified: true, Index: -1})
	}
	if !o.hasList && source != c.ulids.Peer {
		o.locators = []PeerLocator{{Address: source, Verified: true, Index: -1}}
	}
	peers := o.merge(c)
	prefer(peers, o.preferences)
	return peers
}

// merge is Ls(peer) with the offered locators in place of the old ones. The ULID is always in
// it, and the first. A locator that was probed stays probed.
func (o *offer) merge(c *context) []PeerLocator {
	peers := make([]PeerLocator, 1, len(o.locators)+1)
	peers[0] = ulidPeerLocator(c.ulids)
	for _, l := range o.locators {
		if old := c.peerLocator(l.Address); old != nil {
			l.Probed = old.Probed
		}
		if l.Address == c.ulids.Peer {
			l.Probed = true
			peers[0] = l
		} else if len(peers) < MaxLocators {
			peers = append(peers, l)
		}
	}
	return peers
}

// setPeers replaces Ls(peer). If the peer has dropped the locator in use, it is kept until
// the Explorer has found another one (RFC 5533, section 10.4). The caller calls unindex
// before setPeers, and index after it.
func (e *Engine) setPeers(c *context, peers []PeerLocator) {
	if !slices.ContainsFunc(peers, func(l PeerLocator) bool { return l.Address == c.current.Peer }) {
		if l := c.peerLocator(c.current.Peer); l != nil && c.hasTagPeer && c.state.Sends() {
			d := *l
			d.Dropped, d.Index = true, -1
			peers = append(peers, d)
			e.note(c, "the peer has dropped its locator "+d.Address.String()+", which is in use")
			e.doubt(c, HintPeer, "the peer has dropped the locator in use")
		}
	}
	if !sameAddresses(c.peer.locators, peers) {
		c.kernel.changed |= FieldLocatorsPeer
	}
	c.peer.locators = peers
	c.pending.unsaved = true
	e.touch(c)
}

// dropUnused forgets locators that the peer has dropped and that are no longer in use.
func (e *Engine) dropUnused(c *context) {
	if !slices.ContainsFunc(c.peer.locators, func(l PeerLocator) bool { return l.Dropped && l.Address != c.current.Peer }) {
		return
	}
	e.unindex(c)
	c.peer.locators = slices.DeleteFunc(slices.Clone(c.peer.locators), func(l PeerLocator) bool { return l.Dropped && l.Address != c.current.Peer })
	c.kernel.changed |= FieldLocatorsPeer
	c.pending.unsaved = true
	e.index(c)
}

func sameAddresses(a, b []PeerLocator) bool {
	return slices.EqualFunc(a, b, func(x, y PeerLocator) bool { return x.Address == y.Address && x.Verified == y.Verified })
}

// prefer takes over the preferences that the peer has told; p may be nil.
func prefer(peers []PeerLocator, p *wire.LocatorPreferences) {
	for i := range peers {
		l := &peers[i]
		if p == nil || l.Index < 0 || l.Index >= len(p.Elements) {
			l.Flags, l.Priority, l.Weight = 0, 0, 0
			continue
		}
		x := p.Elements[l.Index]
		l.Flags, l.Priority, l.Weight = x.Flags, x.Priority, x.Weight
	}
}
