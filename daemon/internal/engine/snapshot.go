// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"net/netip"
	"slices"

	"shim6/daemon/wire"
)

// record is what Persist keeps of c. It shares nothing with c that changes.
func (c *context) record() *Record {
	r := &Record{
		ULIDs:           c.ulids,
		State:           c.state,
		TagLocal:        c.tagLocal,
		TagPeer:         c.tagPeer,
		PeerGeneration:  c.peer.generation,
		PeerListed:      c.peer.listed,
		PeerLocators:    slices.Clone(c.peer.locators),
		PeerPDS:         c.peer.pds,
		PeerKeepalive:   c.peer.keepalive,
		RequestsSeen:    slices.Clone(c.peer.requests),
		LocalGeneration: c.announced.generation,
		LocalLocators:   c.announced.set.locators(),
		LocalPreference: c.announced.set.elements(),
		Uncertain:       c.announced.uncertain,
		Alone:           c.announced.trust == trustRefused,
		Plain:           c.announced.plain,
	}
	if c.state != Established {
		r.Exchange = c.exchange.pair
		r.InitiatorNonce, r.ResponderNonce = c.exchange.nonce, c.exchange.responderNonce
		r.Validator, r.PacketTag = c.exchange.validator, c.exchange.packetTag
	}
	if u := c.announced.update; u != nil {
		r.Update = &UpdateRecord{RequestNonce: u.nonce, Generation: u.generation, Locators: u.set.locators(), Preference: u.set.elements()}
	}
	return r
}

// start adopts the contexts that the kernel has, after a restart.
func (e *Engine) start(ev Start) {
	e.carriers.restore(ev.Carriers, e.now)
	records := make(map[ULIDs]*Record, len(ev.Records))
	for i := range ev.Records {
		records[ev.Records[i].ULIDs] = &ev.Records[i]
	}
	for i := range ev.Contexts {
		k := &ev.Contexts[i]
		r := records[k.ULIDs]
		if r != nil && r.TagLocal == k.TagLocal {
			delete(records, k.ULIDs)
		} else {
			r = nil
		}
		e.adopt(k, r)
	}
	for i := range ev.Records {
		if u := ev.Records[i].ULIDs; records[u] == &ev.Records[i] && e.byULIDs[u] == nil {
			e.emit(Persist{ULIDs: u})
		}
	}
}

// dump compares the contexts with what the kernel has.
func (e *Engine) dump(ev Dump) {
	there := make(map[ULIDs]*KernelContext, len(ev.Contexts))
	for i := range ev.Contexts {
		there[ev.Contexts[i].ULIDs] = &ev.Contexts[i]
	}
	for c := e.first; c != nil; {
		next := c.next
		if k := there[c.ulids]; k == nil || k.TagLocal != c.tagLocal {
			c.kernel.present = false
			e.discard(c, Idle, "the kernel has lost it")
		} else if f := c.differs(k); f != 0 {
			c.kernel.changed |= f
			e.touch(c)
		}
		c = next
	}
	for i := range ev.Contexts {
		if k := &ev.Contexts[i]; e.byULIDs[k.ULIDs] == nil {
			e.adopt(k, nil)
		}
	}
}

// differs returns the fields in which the kernel's copy differs from c. It ignores liveness,
// which the kernel owns.
func (c *context) differs(k *KernelContext) (f Fields) {
	if c.state != k.State {
		f |= FieldState
	}
	if c.hasTagPeer && (!k.HasTagPeer || c.tagPeer != k.TagPeer) {
		f |= FieldTagPeer
	}
	if c.current != k.Locator {
		f |= FieldLocator
	}
	if c.sendTimeout != k.SendTimeout {
		f |= FieldSendTimeout
	}
	if c.peer.keepalive != k.KeepaliveTimeout {
		f |= FieldKeepaliveTimeout
	}
	var peers []netip.Addr
	for i := range c.peer.locators {
		if c.peer.locators[i].Verified {
			peers = append(peers, c.peer.locators[i].Address)
		}
	}
	local := c.announced.set.addresses
	if c.announced.update != nil {
		local = c.announced.update.set.addresses
	}
	if !sameSet(peers, k.LocatorsPeer, c.ulids.Peer) {
		f |= FieldLocatorsPeer
	}
	if !sameSet(local, k.LocatorsLocal, c.ulids.Local) {
		f |= FieldLocatorsLocal
	}
	return f
}

// sameSet compares two lists of locators as sets, without the ULID.
func sameSet(a, b []netip.Addr, ulid netip.Addr) bool {
	norm := func(l []netip.Addr) []netip.Addr {
		l = slices.DeleteFunc(slices.Clone(l), func(a netip.Addr) bool { return a == ulid })
		slices.SortFunc(l, netip.Addr.Compare)
		return slices.Compact(l)
	}
	return slices.Equal(norm(a), norm(b))
}

// adopt makes a context from the kernel's copy k, and from its Record r, which may be nil. It
// sends nothing. The kernel has only proved locators, and sends payload only to probed ones,
// because no other locators are ever given to it.
func (e *Engine) adopt(k *KernelContext, r *Record) {
	if checkULIDs(k.ULIDs) != nil || e.byTag[k.TagLocal] != nil || e.byULIDs[k.ULIDs] != nil {
		return
	}
	if e.haveLocals && e.locals[k.ULIDs.Local] == nil {
		e.emit(ContextDel{k.ULIDs, k.TagLocal})
		e.emit(Persist{ULIDs: k.ULIDs})
		return
	}
	c := &context{
		ulids: k.ULIDs, state: k.State, tagLocal: k.TagLocal, tagPeer: k.TagPeer, hasTagPeer: k.HasTagPeer,
		current: k.Locator, inbound: k.Inbound, sendTimeout: k.SendTimeout,
		exchange: exchange{pair: k.Locator},
		peer:     peerView{keepalive: k.KeepaliveTimeout},
		liveness: liveness{state: k.ReapState},
		kernel:   kernelView{present: true},
		pending:  pending{unsaved: r == nil},
	}
	if c.sendTimeout == 0 {
		c.sendTimeout = e.config.SendTimeout
	}
	// A shorter one was asked for by a program, which may take it back.
	c.wished = c.sendTimeout < min(e.config.SendTimeout, DefaultSendTimeout)
	if c.peer.keepalive == 0 {
		c.peer.keepalive = DefaultSendTimeout
	}
	if c.inbound == (Pair{}) {
		c.inbound = c.ulidPair()
		c.kernel.changed |= FieldInbound
	}
	e.insert(c)
	e.restorePeers(c, k, r)
	e.restoreLocal(c, k, r)
	e.restoreExchange(c, r)
	if c.state.Sends() {
		e.index(c)
		c.pending.established = true
	}
	// The last daemon may have ended after it told the Records, but not yet the kernel.
	c.kernel.changed |= c.differs(k)
	e.quiet = e.now + UpdateTimeout
	e.refresh(c)
	e.tellPeers()
}

func (e *Engine) restorePeers(c *context, k *KernelContext, r *Record) {
	c.peer.locators = []PeerLocator{ulidPeerLocator(c.ulids)}
	if r != nil && (!k.HasTagPeer || r.TagPeer == k.TagPeer) {
		c.peer.generation, c.peer.listed, c.peer.pds = r.PeerGeneration, r.PeerListed, r.PeerPDS
		c.peer.requests = slices.Clone(r.RequestsSeen)
		if len(r.PeerLocators) > 0 && r.PeerLocators[0].Address == c.ulids.Peer {
			c.peer.locators = slices.Clone(r.PeerLocators)
		}
	}
	for _, a := range append(slices.Clone(k.LocatorsPeer), k.Locator.Peer) {
		if l := c.peerLocator(a); l != nil {
			l.Verified = true
		} else {
			c.peer.locators = append(c.peer.locators, PeerLocator{Address: a, Verified: true, Index: -1})
		}
	}
	c.peerLocator(k.Locator.Peer).Probed = true
	c.seeTrust()
}

// restoreLocal finds out what the peer knows of our locators.
func (e *Engine) restoreLocal(c *context, k *KernelContext, r *Record) {
	if r != nil && r.Alone {
		c.announced.trust = trustRefused
	}
	c.announced.plain = r != nil && r.Plain
	c.announced.set = e.setFor(c)
	if r != nil {
		c.announced.generation, c.announced.uncertain = r.LocalGeneration, r.Uncertain
		c.announced.set = restoredSet(c.ulids, c.announced.generation, r.LocalLocators, r.LocalPreference)
		if u := r.Update; u != nil && c.state == Established && len(u.Locators) > 0 {
			// The Update Request counts as not acknowledged. When its timer fires,
			// another one with the locators of that time replaces it.
			s := restoredSet(c.ulids, u.Generation, u.Locators, u.Preference)
			c.announced.update = &update{nonce: u.RequestNonce, set: s, generation: u.Generation, withList: true}
			c.announced.update.timer = timer{c: c, fire: func(e *Engine, t *timer) { e.sendUpdate(t.c, e.setFor(t.c), true) }}
			e.timers.start(&c.announced.update.timer, e.now+e.backoff(UpdateTimeout, 0, MaxUpdateTimeout))
		}
	} else {
		// We don't know what the peer was told.
		c.announced.set = single(c.ulids.Local)
		c.announced.set.incomplete = true
		for _, a := range k.LocatorsLocal {
			if a != c.ulids.Local {
				c.announced.set.addresses = append(c.announced.set.addresses, a)
			}
		}
		return
	}
	if now := e.setFor(c); c.announced.set.same(now) {
		c.announced.set = now
	}
}

// restoredSet is a set of our locators as a Record has it, without what proves it.
func restoredSet(u ULIDs, generation uint32, l []wire.Locator, p []wire.Preference) *localSet {
	s := single(u.Local)
	s.incomplete = true
	if len(l) == 0 {
		return s
	}
	s.generation = generation
	s.list = &wire.LocatorList{Generation: generation, Locators: l}
	if len(p) == len(l) {
		s.preferences = preferencesOf(generation, p)
	}
	for _, x := range l {
		if x.Address != u.Local {
			s.addresses = append(s.addresses, x.Address)
		}
	}
	return s
}

// restoreExchange continues an exchange. If its validator is lost it goes back to a state
// from which it can be finished.
func (e *Engine) restoreExchange(c *context, r *Record) {
	if c.state == Established {
		return
	}
	if r != nil && r.State != Established && r.State != Idle && e.byNonce[r.InitiatorNonce] == nil {
		c.exchange.pair = r.Exchange
		c.exchange.nonce, c.exchange.responderNonce = r.InitiatorNonce, r.ResponderNonce
		c.exchange.validator, c.exchange.packetTag = r.Validator, r.PacketTag
		e.byNonce[c.exchange.nonce] = c
	} else {
		r = nil
		e.newNonce(c)
	}
	switch {
	case c.state == I2bisSent && (r == nil || r.State != I2bisSent || len(r.Validator) == 0):
		// The peer will send another R1bis.
		e.dropNonce(c)
		c.exchange.validator = nil
		e.setState(c, Established, "the exchange was lost")
		return
	case c.state == I2Sent && (r == nil || r.State != I2Sent || len(r.Validator) == 0):
		c.exchange.validator, c.exchange.pair = nil, c.ulidPair()
		e.setState(c, I1Sent, "the exchange was lost")
	case c.state != I1Sent && c.state != I2Sent && c.state != I2bisSent:
		e.setState(c, I1Sent, "the exchange was lost")
	}
	e.await(c, I1Timeout)
	// Payload may have caused an I2 or I2bis just before the restart.
	c.exchange.resendAt = e.now + I2Timeout
}
