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
		PeerGeneration:  c.peerGeneration,
		PeerListed:      c.peerListed,
		PeerLocators:    slices.Clone(c.peers),
		PeerPDS:         c.peerPDS,
		PeerKeepalive:   c.keepalive,
		RequestsSeen:    slices.Clone(c.requests),
		LocalGeneration: c.localGeneration,
		LocalLocators:   c.local.locators(),
		LocalPreference: c.local.elements(),
		Uncertain:       c.uncertain,
		Alone:           c.alone,
	}
	if c.state != Established {
		r.Exchange = c.exchange
		r.InitiatorNonce, r.ResponderNonce = c.nonce, c.responderNonce
		r.Validator, r.PacketTag = c.validator, c.packetTag
	}
	if u := c.update; u != nil {
		r.Update = &UpdateRecord{RequestNonce: u.nonce, Generation: u.generation, Locators: u.set.locators(), Preference: u.set.elements()}
	}
	return r
}

// start adopts the contexts that the kernel has, after a restart.
func (e *Engine) start(ev Start) {
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
			c.inKernel = false
			e.discard(c, Idle, "the kernel has lost it")
		} else if f := c.differs(k); f != 0 {
			c.changed |= f
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

// differs is in what the kernel has another context than c, but for its liveness,
// which the kernel knows better.
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
	if c.keepalive != k.KeepaliveTimeout {
		f |= FieldKeepaliveTimeout
	}
	var peers []netip.Addr
	for i := range c.peers {
		if c.peers[i].Verified {
			peers = append(peers, c.peers[i].Address)
		}
	}
	local := c.local.addresses
	if c.update != nil {
		local = c.update.set.addresses
	}
	if !sameSet(peers, k.LocatorsPeer, c.ulids.Peer) {
		f |= FieldLocatorsPeer
	}
	if !sameSet(local, k.LocatorsLocal, c.ulids.Local) {
		f |= FieldLocatorsLocal
	}
	return f
}

// sameSet compares two lists of locators as sets, whether or not they have the ULID
// in them.
func sameSet(a, b []netip.Addr, ulid netip.Addr) bool {
	norm := func(l []netip.Addr) []netip.Addr {
		l = slices.DeleteFunc(slices.Clone(l), func(a netip.Addr) bool { return a == ulid })
		slices.SortFunc(l, netip.Addr.Compare)
		return slices.Compact(l)
	}
	return slices.Equal(norm(a), norm(b))
}

// adopt makes a context of one that the kernel has, with what the Record, if there
// is one, says besides. It sends nothing. The kernel has none but proved locators,
// and payload on none but probed ones, because nothing else was ever given to it.
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
		current: k.Locator, inbound: k.Inbound, exchange: k.Locator,
		sendTimeout: k.SendTimeout, keepalive: k.KeepaliveTimeout, reap: k.ReapState,
		inKernel: true, unsaved: r == nil,
	}
	if c.sendTimeout == 0 {
		c.sendTimeout = e.config.SendTimeout
	}
	if c.keepalive == 0 {
		c.keepalive = DefaultSendTimeout
	}
	if c.inbound == (Pair{}) {
		c.inbound = c.ulidPair()
		c.changed |= FieldInbound
	}
	e.insert(c)
	e.restorePeers(c, k, r)
	e.restoreLocal(c, k, r)
	e.restoreExchange(c, r)
	if c.state.Sends() {
		e.index(c)
		c.tellExplorer = true
	}
	// Between the kernel and the Records the last daemon may have ended.
	c.changed |= c.differs(k)
	e.quiet = e.now + UpdateTimeout
	e.refresh(c)
	e.tellPeers()
}

func (e *Engine) restorePeers(c *context, k *KernelContext, r *Record) {
	c.peers = []PeerLocator{ulidPeerLocator(c.ulids)}
	if r != nil && (!k.HasTagPeer || r.TagPeer == k.TagPeer) {
		c.peerGeneration, c.peerListed, c.peerPDS = r.PeerGeneration, r.PeerListed, r.PeerPDS
		c.requests = slices.Clone(r.RequestsSeen)
		if len(r.PeerLocators) > 0 && r.PeerLocators[0].Address == c.ulids.Peer {
			c.peers = slices.Clone(r.PeerLocators)
		}
	}
	for _, a := range append(slices.Clone(k.LocatorsPeer), k.Locator.Peer) {
		if l := c.peerLocator(a); l != nil {
			l.Verified = true
		} else {
			c.peers = append(c.peers, PeerLocator{Address: a, Verified: true, Index: -1})
		}
	}
	c.peerLocator(k.Locator.Peer).Probed = true
	c.seeTrust()
}

// restoreLocal finds what the peer knows of our locators.
func (e *Engine) restoreLocal(c *context, k *KernelContext, r *Record) {
	if r != nil {
		c.alone = r.Alone
	}
	c.local = e.setFor(c)
	if r != nil {
		c.localGeneration, c.uncertain = r.LocalGeneration, r.Uncertain
		c.local = restoredSet(c.ulids, c.localGeneration, r.LocalLocators, r.LocalPreference)
		if u := r.Update; u != nil && c.state == Established && len(u.Locators) > 0 {
			// The Update Request is sent anew when it is due; by then there
			// may be other locators. Until then it was not acknowledged.
			s := restoredSet(c.ulids, u.Generation, u.Locators, u.Preference)
			c.update = &update{nonce: u.RequestNonce, set: s, generation: u.Generation, withList: true}
			c.update.timer = timer{c: c, fire: func(e *Engine, t *timer) { e.sendUpdate(t.c, e.setFor(t.c), true) }}
			e.timers.start(&c.update.timer, e.now+e.backoff(UpdateTimeout, 0, MaxUpdateTimeout))
		}
	} else {
		// What the peer has been told of them is not known.
		c.local = single(c.ulids.Local)
		c.local.incomplete = true
		for _, a := range k.LocatorsLocal {
			if a != c.ulids.Local {
				c.local.addresses = append(c.local.addresses, a)
			}
		}
		return
	}
	if now := e.setFor(c); c.local.same(now) {
		c.local = now
	}
}

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

// restoreExchange goes on with an exchange, or goes back to where it can be gone on
// from: what has no validator any more can't be finished.
func (e *Engine) restoreExchange(c *context, r *Record) {
	if c.state == Established {
		return
	}
	if r != nil && r.State != Established && r.State != Idle && e.byNonce[r.InitiatorNonce] == nil {
		c.exchange = r.Exchange
		c.nonce, c.responderNonce = r.InitiatorNonce, r.ResponderNonce
		c.validator, c.packetTag = r.Validator, r.PacketTag
		e.byNonce[c.nonce] = c
	} else {
		r = nil
		e.newNonce(c)
	}
	switch {
	case c.state == I2bisSent && (r == nil || r.State != I2bisSent || len(r.Validator) == 0):
		// The peer will send another R1bis.
		e.dropNonce(c)
		c.validator = nil
		e.setState(c, Established, "the exchange was lost")
		return
	case c.state == I2Sent && (r == nil || r.State != I2Sent || len(r.Validator) == 0):
		c.validator, c.exchange = nil, c.ulidPair()
		e.setState(c, I1Sent, "the exchange was lost")
	case c.state != I1Sent && c.state != I2Sent && c.state != I2bisSent:
		e.setState(c, I1Sent, "the exchange was lost")
	}
	e.await(c, I1Timeout)
	// Payload may just have caused one.
	c.resendAt = e.now + I2Timeout
}
