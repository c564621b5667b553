// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"net/netip"
	"slices"
	"time"

	"shim6/daemon/wire"
)

const (
	// tellAtOnce is how many peers are told of new locators at a time, and tellPause the
	// pause before the next ones. So a host with very many contexts does not send an Update
	// Request for all of them in the same moment.
	tellAtOnce = 256
	tellPause  = 50 * time.Millisecond
	// againPause is the least time between two Update Requests that late acknowledgements
	// cause.
	againPause = time.Second
	// latePause is how long a superseded request may still be on its way after the newer
	// one has arrived.
	latePause = 30 * time.Second
)

// update is an Update Request that waits for its acknowledgement. A context has at most one
// (RFC 5533, section 10.3).
type update struct {
	nonce uint32
	set   *localSet
	// generation is the number by which the peer knows the locators of set once it has
	// acknowledged this.
	generation uint32
	// withList: the message has the list, and not only the preferences.
	withList bool
	// refused: it is our answer to an Error message, and has the list.
	refused bool
	repeat  repeat
	// sent: it was sent at least once.
	sent    bool
	retries uint8
	timer   timer
}

// repeat is whether an Update Request is sent once more after its acknowledgement, under
// another Request Nonce: the peer may get an older request after it.
type repeat uint8

const (
	repeatNever repeat = iota
	// repeatLater: it supersedes an older request, which may still be on its way. So it is
	// repeated after latePause.
	repeatLater
	// repeatAtOnce: the peer has acknowledged an older request meanwhile.
	repeatAtOnce
)

// refresh puts the context in the queue of tellPeers, if its peer knows other locators of
// ours than the present ones.
func (e *Engine) refresh(c *context) {
	if c.state != Established || c.announced.queued || !e.haveLocals {
		return
	}
	s := e.setFor(c)
	if c.knows(s) {
		if c.announced.update == nil {
			c.announced.set = s
		}
		return
	}
	if c.announced.update == nil && s.list == nil {
		// There is no list that the peer would believe.
		c.announced.set, c.announced.uncertain = s, false
		c.kernel.changed |= FieldLocatorsLocal
		c.pending.unsaved = true
		e.touch(c)
		return
	}
	c.announced.queued = true
	e.untold = append(e.untold, c)
}

// knows reports whether the peer knows a set of our locators, or is being told: the timer of
// the update has sent it, or will.
func (c *context) knows(s *localSet) bool {
	if c.announced.update != nil {
		return c.announced.update.set.same(s)
	}
	return c.announced.set.same(s) && !c.announced.uncertain
}

// tellPeers sends the Update Requests that refresh has found to be due.
func (e *Engine) tellPeers() {
	if e.pace.running() || len(e.untold) == 0 {
		return
	}
	if e.now < e.quiet {
		e.timers.start(&e.pace, e.quiet)
		return
	}
	n := 0
	for ; n < len(e.untold) && n < tellAtOnce; n++ {
		c := e.untold[n]
		c.announced.queued = false
		if s := e.setFor(c); !c.gone && c.state == Established && !c.knows(s) {
			e.sendUpdate(c, s, c.announced.uncertain)
		}
	}
	if n == len(e.untold) {
		e.untold = nil
		return
	}
	e.untold = e.untold[n:]
	e.timers.start(&e.pace, e.now+tellPause)
}

// sendUpdate sends an Update Request for a set (RFC 5533, section 10.1). It gives up one that
// was not acknowledged; the new one says again what that one said (section 10.3).
func (e *Engine) sendUpdate(c *context, s *localSet, withList bool) {
	e.makeUpdate(c, s, withList, 0)
}

// makeUpdate is sendUpdate after a delay.
func (e *Engine) makeUpdate(c *context, s *localSet, withList bool, delay time.Duration) {
	told, old := c.announced.set, c.announced.update
	u := &update{nonce: e.random.nonce(), set: s, generation: s.generation, repeat: repeatNever}
	u.withList = withList || !told.beyondULID() || !told.sameList(s) || old != nil && old.withList
	if s.list == nil {
		return
	}
	if !u.withList {
		u.generation = c.announced.generation
	}
	if old != nil || told.incomplete {
		u.repeat = repeatLater
	}
	if old != nil {
		u.refused, u.repeat = old.refused, max(u.repeat, old.repeat)
	}
	e.dropUpdate(c)
	c.announced.update, c.announced.uncertain = u, false
	u.timer = timer{c: c, fire: func(e *Engine, t *timer) {
		if u := t.c.announced.update; u.retries < 32 {
			u.retries++
		}
		e.unacknowledged(t.c, u.retries)
		e.transmitUpdate(t.c)
	}}
	c.kernel.changed |= FieldLocatorsLocal
	c.pending.unsaved = true
	e.touch(c)
	if delay > 0 {
		e.timers.start(&u.timer, e.now+delay)
		return
	}
	e.transmitUpdate(c)
}

// transmitUpdate sends the Update Request and waits for the acknowledgement. It does so for
// ever, with pauses that grow up to MaxUpdateTimeout (RFC 5533, section 10.2).
func (e *Engine) transmitUpdate(c *context) {
	u := c.announced.update
	u.sent = true
	m := &wire.UpdateRequest{ReceiverContextTag: c.tagPeer, RequestNonce: u.nonce}
	if u.withList {
		m.Options = appendList(m.Options, u.set)
	}
	if p := u.set.preferences; p != nil {
		m.Options = append(m.Options, &wire.LocatorPreferences{Generation: u.generation, ElementLen: p.ElementLen, Elements: p.Elements})
	} else if !u.withList || c.announced.set.preferences != nil {
		// All are equal now, and the peer must be told so.
		m.Options = append(m.Options, &wire.LocatorPreferences{
			Generation: u.generation, ElementLen: 3, Elements: make([]wire.Preference, len(u.set.list.Locators)),
		})
	}
	m.Options = c.appendTimeout(m.Options)
	e.timers.start(&u.timer, e.now+e.backoff(UpdateTimeout, u.retries, MaxUpdateTimeout))
	p := e.controlPair(c)
	if a, ok := e.elsewhere(c, p.Local); ok && u.retries%2 == 0 {
		p.Local = a
	}
	// Each of two addresses goes both ways.
	e.send(c, e.way(p, u.retries/2), m)
}

// elsewhere is a locator of ours that the peer does not know, for an Update Request while the
// known ones may not work: this host may have moved, though it still has its old addresses.
// The peer answers a request from there by R1bis, as it must for a locator that it does not
// know (RFC 5533, section 10.4), and our I2bis then brings the proof. Every second request
// goes by a locator that the peer knows, since that may work after all.
func (e *Engine) elsewhere(c *context, from netip.Addr) (netip.Addr, bool) {
	if c.liveness.state == ReapOperational || !c.announced.update.withList {
		return netip.Addr{}, false
	}
	for _, a := range c.announced.update.set.addresses {
		if a != from && e.canUse(a) && !slices.Contains(c.announced.set.addresses, a) {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// keep appends n to a list, and drops the oldest entries beyond max.
func keep(l []uint32, n uint32, max int) []uint32 {
	if len(l) >= max {
		l = slices.Delete(l, 0, len(l)-max+1)
	}
	return append(l, n)
}

// dropUpdate gives up the Update Request that waits for its acknowledgement, if there is one.
func (e *Engine) dropUpdate(c *context) {
	if c.announced.update != nil {
		e.timers.stop(&c.announced.update.timer)
		c.announced.update = nil
		c.pending.unsaved = true
	}
}

// receivedUpdateRequest takes over the peer's locators and preferences (RFC 5533, section
// 10.4): either everything that the message says, or nothing.
func (e *Engine) receivedUpdateRequest(p packet, m *wire.UpdateRequest) {
	c := e.receivedTagged(p, m.ReceiverContextTag)
	if c == nil {
		return
	}
	if !c.hasTagPeer {
		// In I2-SENT we could not acknowledge it. The peer will send it again.
		e.stats.Unmatched++
		return
	}
	if e.seenRequest(c, p, m.RequestNonce) {
		return
	}
	o, ok := e.offered(p, m, m.Options, c.ulids.Peer, c)
	if !ok || !e.fitsList(c, p, m, &o) {
		return
	}
	e.takeUpdate(c, &o, m.Options.LocatorPreferences())
	if c.state != Established {
		// The exchange will replace what this message says, perhaps by something older.
		// Without an acknowledgement the peer will say it again.
		return
	}
	// A late I2 must not bring back what it said before this request.
	e.acceptedNow(c)
	c.peer.requests = keep(c.peer.requests, m.RequestNonce, requestsKept)
	e.acknowledge(c, p, m.RequestNonce)
}

// seenRequest reports whether an Update Request was accepted before, and then acknowledges
// it again without taking it over. The newest one comes again if its acknowledgement was
// lost. An older one must not come into force again: anybody could replay it. But perhaps
// it is no replay, and the newest one had overtaken it. So the newest one is acknowledged
// as well, from which the peer learns which is in force.
func (e *Engine) seenRequest(c *context, p packet, nonce uint32) bool {
	i := slices.Index(c.peer.requests, nonce)
	if i < 0 {
		return false
	}
	if newest := len(c.peer.requests) - 1; i < newest {
		e.stats.Replayed++
		e.acknowledge(c, p, c.peer.requests[newest])
	}
	e.acknowledge(c, p, nonce)
	return true
}

// fitsList reports whether the Locator Preferences of an Update Request are about the list
// that the peer has afterwards: that of the message o, or, if it has none, the one that we
// know. It sends the Error message that is due if they are not.
func (e *Engine) fitsList(c *context, p packet, m *wire.UpdateRequest, o *offer) bool {
	l := m.Options.LocatorPreferences()
	if l == nil {
		return true
	}
	generation, listed := c.peer.generation, c.peer.listed
	if o.hasList {
		generation, listed = o.generation, o.listed
	}
	switch {
	case l.Generation != generation:
		e.sendError(p, wire.GenerationMismatch(m, generation))
		return false
	case !l.Fits(listed):
		e.sendError(p, wire.LocatorCountMismatch(m, listed))
		return false
	}
	return true
}

// takeUpdate takes over what an Update Request says. preferences is nil if it has none.
func (e *Engine) takeUpdate(c *context, o *offer, preferences *wire.LocatorPreferences) {
	if o.hasList {
		e.unindex(c)
		e.setPeers(c, o.merge(c))
		c.peer.generation, c.peer.listed = o.generation, o.listed
		if c.state.Sends() {
			e.index(c)
		}
	}
	if preferences != nil {
		prefer(c.peer.locators, preferences)
		if l := c.peerLocator(c.current.Peer); l != nil && l.Flags&wire.FlagBroken != 0 {
			e.doubt(c, HintPeer, "the peer says that its locator in use is broken")
		}
	}
	e.doubt(c, HintChanged, "the peer's locators have changed")
	if o.pds != nil {
		c.peer.pds = o.pds
	}
	if e.trustShown(c, c.ulids.Local) {
		e.refresh(c)
		e.tellPeers()
	}
	if o.hasKeepalive {
		c.setKeepalive(o.keepalive)
	}
	c.pending.unsaved = true
	e.touch(c)
}

func (e *Engine) acknowledge(c *context, p packet, nonce uint32) {
	e.send(c, p.pair(), &wire.UpdateAcknowledgement{ReceiverContextTag: c.tagPeer, RequestNonce: nonce})
}

// receivedUpdateAcknowledgement ends an update (RFC 5533, section 10.5). From now on our new
// locators may be used.
func (e *Engine) receivedUpdateAcknowledgement(p packet, m *wire.UpdateAcknowledgement) {
	c := e.receivedTagged(p, m.ReceiverContextTag)
	if c == nil {
		return
	}
	if c.announced.update == nil || c.announced.update.nonce != m.RequestNonce {
		e.stats.Unmatched++
		e.lateAcknowledgement(c, m.RequestNonce)
		return
	}
	u := c.announced.update
	c.announced.acked.nonce, c.announced.acked.known = u.nonce, true
	c.announced.set, c.announced.generation = u.set, u.generation
	e.dropUpdate(c)
	e.doubt(c, HintChanged, "the peer knows our new locators")
	e.touch(c)
	if u.repeat == repeatLater {
		// The request that it has superseded may arrive after it, and the
		// acknowledgement of that one may get lost.
		e.makeUpdate(c, e.setFor(c), true, latePause)
		return
	}
	e.settle(c, u.repeat == repeatAtOnce)
}

// lateAcknowledgement deals with the acknowledgement of a request that is not the present
// one. That request was superseded, or is from before a restart, or the peer had lost it and
// has got it again. The peer may have got it after the newest one, so the newest one is sent
// again: after its own acknowledgement, since otherwise each would supersede the other for
// ever. The request that was acknowledged last causes nothing.
func (e *Engine) lateAcknowledgement(c *context, nonce uint32) {
	switch {
	case c.announced.acked.known && c.announced.acked.nonce == nonce || c.state != Established:
	case c.announced.update != nil:
		c.announced.update.repeat = repeatAtOnce
	default:
		e.makeUpdate(c, e.setFor(c), true, max(0, c.announced.againAt-e.now))
		c.announced.againAt = e.now + againPause
	}
}

func (e *Engine) refreshCommand(ev Refresh) error {
	c := e.byULIDs[ev.ULIDs]
	if c == nil {
		return errNoContext
	}
	if c.state != Established {
		return stateError(c.state)
	}
	// Whoever gives the command may know that the peer trusts us now.
	if c.announced.trust == trustRefused {
		c.announced.trust = trustUnknown
	}
	c.announced.plain = false
	s := e.setFor(c)
	if s.list == nil {
		return errNothingToTell
	}
	e.sendUpdate(c, s, true)
	return nil
}
