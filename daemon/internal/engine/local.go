// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"bytes"
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"shim6/daemon/cga"
	"shim6/daemon/wire"
)

// Alike reports whether two are the same except for ValidUntil, which every Router
// Advertisement moves.
func (l *LocalLocator) Alike(m *LocalLocator) bool {
	return l.Address == m.Address && l.PDS == m.PDS && l.Key == m.Key && l.Interface == m.Interface &&
		l.Router == m.Router && l.Policy == m.Policy && l.Temporary == m.Temporary && samePreference(l.Preference, m.Preference)
}

// local is an address of this host that can be a ULID, with the locators of contexts that
// have it.
type local struct {
	LocalLocator
	// set is sent to peers in general. trusted is sent to peers in trusted prefixes, without
	// proof, and plain to those that seem not to understand a list with signed locators. They
	// may be the same.
	set, trusted, plain *localSet
}

// localSet is Ls(local) of contexts that have the same local ULID. It never changes. All
// these contexts share it and its generation number, so that one signature serves them all.
type localSet struct {
	generation uint32
	// list is the Locator List, nil if nothing would prove one.
	list *wire.LocatorList
	// preferences are in the order of the list, nil if all locators are equally good.
	preferences    *wire.LocatorPreferences
	pds, signature []byte
	// addresses are the ULID, and those of the list.
	addresses []netip.Addr
	// incomplete: it comes from a Record or the kernel, and lacks what would prove it.
	incomplete bool
}

// single is the set of a host that has only the ULID, or can prove nothing else.
func single(ulid netip.Addr) *localSet { return &localSet{addresses: []netip.Addr{ulid}} }

// beyondULID reports whether the set has locators besides the ULID. Only then must a peer
// that knows no list be told of it.
func (s *localSet) beyondULID() bool { return s.list != nil && len(s.list.Locators) > 1 }

// unproved reports whether a peer that does not trust us would ignore a message with this
// set.
func (s *localSet) unproved() bool { return s.beyondULID() && s.pds == nil }

func (s *localSet) sameList(t *localSet) bool {
	return slices.Equal(s.locators(), t.locators())
}

func (s *localSet) same(t *localSet) bool {
	return s == t || s.sameList(t) && slices.EqualFunc(s.elements(), t.elements(), samePreference)
}

func samePreference(a, b wire.Preference) bool {
	return a.Flags == b.Flags && a.Priority == b.Priority && a.Weight == b.Weight
}

func (s *localSet) locators() []wire.Locator {
	if s.list == nil {
		return nil
	}
	return s.list.Locators
}

func (s *localSet) elements() []wire.Preference {
	if s.preferences == nil {
		return nil
	}
	return s.preferences.Elements
}

// setLocals takes over the addresses of this host, except those that are no longer valid. It
// discards contexts whose ULID is not among them, and tells the other peers of the change.
func (e *Engine) setLocals() {
	old := e.locals
	e.locals = make(map[netip.Addr]*local, len(e.locators))
	e.haveLocals = true
	e.timers.stop(&e.localExpiry)
	var list []LocalLocator
	for _, l := range e.locators {
		switch {
		case !isULID(l.Address) || e.locals[l.Address] != nil || l.ValidUntil != 0 && l.ValidUntil <= e.now:
			continue
		case l.ValidUntil != 0 && (!e.localExpiry.running() || l.ValidUntil < e.localExpiry.at):
			e.timers.start(&e.localExpiry, l.ValidUntil)
		}
		list = append(list, l)
		e.locals[l.Address] = &local{LocalLocator: l}
	}
	slices.SortFunc(list, func(a, b LocalLocator) int { return a.Address.Compare(b.Address) })
	for i := range list {
		e.makeSets(&list[i], list, old[list[i].Address])
	}
	news := !maps.EqualFunc(old, e.locals, func(a, b *local) bool { return a.Alike(&b.LocalLocator) })
	for c := e.first; c != nil; {
		next := c.next
		if e.locals[c.ulids.Local] == nil {
			e.discard(c, Idle, "the local ULID is not valid any more")
		} else {
			e.refresh(c)
			switch {
			case !news:
			case e.canUse(c.current.Local):
				e.doubt(c, HintChanged, "our locators have changed")
			default:
				e.doubt(c, HintLocal, "our locator in use is gone or broken")
			}
		}
		c = next
	}
	e.tellPeers()
}

// makeSets makes the sets of a ULID. all are the addresses of the host, and old the last
// sets, nil if there are none.
func (e *Engine) makeSets(ulid *LocalLocator, all []LocalLocator, old *local) {
	l := e.locals[ulid.Address]
	var last local
	if old != nil {
		last = *old
	}
	l.set = e.makeSet(ulid, all, byProof, last.set)
	l.trusted, l.plain = l.set, l.set
	if ulid.PDS == nil && len(e.config.TrustedPrefixes) > 0 {
		l.trusted = e.makeSet(ulid, all, byTrust, last.trusted)
	}
	if l.set.signature != nil {
		l.plain = e.makeSet(ulid, all, byHBA, last.plain)
	}
}

// selection is which locators a set has.
type selection uint8

const (
	// byProof: all that the ULID proves, by HBA or by a signature.
	byProof selection = iota
	// byTrust: all, since the peer trusts their prefixes.
	byTrust
	// byHBA: those that need no signature, without preferences.
	byHBA
)

// method is how a locator of the set of a ULID is proved; 0 if the set does not have it.
func (y selection) method(ulid, l *LocalLocator) wire.VerificationMethod {
	if y == byTrust {
		return wire.MethodHBA
	}
	m := method(ulid, l)
	if y == byHBA && m != wire.MethodHBA {
		return 0
	}
	return m
}

// makeSet makes the set of a ULID, with what proves the locators or, byTrust, without. It
// returns the last one if nothing has changed, and keeps its generation if the locators are
// the same.
func (e *Engine) makeSet(ulid *LocalLocator, all []LocalLocator, y selection, last *localSet) *localSet {
	s := &localSet{list: &wire.LocatorList{}}
	elements := []wire.Preference{}
	add := func(l *LocalLocator, m wire.VerificationMethod) {
		if m != 0 && len(elements) < MaxLocators {
			s.list.Locators = append(s.list.Locators, wire.Locator{Address: l.Address, Method: m})
			elements = append(elements, wire.Preference{Flags: l.Preference.Flags, Priority: l.Preference.Priority, Weight: l.Preference.Weight})
		}
	}
	by := func(l *LocalLocator) wire.VerificationMethod { return y.method(ulid, l) }
	if ulid.PDS != nil || y == byTrust {
		add(ulid, by(ulid))
		for _, l := range byUse(ulid, all, by) {
			add(l.LocalLocator, l.method)
		}
	}
	if len(elements) == 0 {
		s = single(ulid.Address)
	} else if !e.complete(s, ulid, elements, y, last) {
		e.stats.Unprovable++
		s = single(ulid.Address)
	}
	if last != nil && s.same(last) && bytes.Equal(s.pds, last.pds) {
		return last
	}
	return s
}

// proved is a locator, and how it is proved to a peer. method is 0 if it can't be.
type proved struct {
	*LocalLocator
	method  wire.VerificationMethod
	network cga.SubnetPrefix
	// rank is how many locators of the same network are more useful.
	rank int
}

// byUse are the locators of a ULID, the most useful first: if there is no room for all, the
// last ones are left out. One locator of each network comes before a second one of any
// network. Within a network, locators that need no signature come first, and among equals
// those that are not transient.
func byUse(ulid *LocalLocator, all []LocalLocator, by func(*LocalLocator) wire.VerificationMethod) []proved {
	var list []proved
	for i := range all {
		if l := &all[i]; l.Address != ulid.Address && ulid.goesWith(l) {
			list = append(list, proved{LocalLocator: l, method: by(l), network: cga.PrefixOf(l.Address)})
		}
	}
	costs := func(l proved) (n int) {
		if l.method != wire.MethodHBA {
			n += 2
		}
		if l.Preference.Flags&wire.FlagTransient != 0 {
			n++
		}
		return n
	}
	slices.SortFunc(list, func(a, b proved) int { return cmp.Or(costs(a)-costs(b), a.Address.Compare(b.Address)) })
	seen := map[cga.SubnetPrefix]int{cga.PrefixOf(ulid.Address): 1}
	for i := range list {
		list[i].rank = seen[list[i].network]
		seen[list[i].network]++
	}
	slices.SortFunc(list, func(a, b proved) int { return cmp.Or(a.rank-b.rank, a.Address.Compare(b.Address)) })
	return list
}

// goesWith reports whether peers that know us by a ULID may learn of another address. They see
// the public key of the ULID. So temporary addresses go with those of the same key alone, which
// was made for them; and stable ones with stable ones, whatever their keys.
func (l *LocalLocator) goesWith(other *LocalLocator) bool {
	if l.Temporary && l.PDS != nil {
		return other.Temporary && other.Key == l.Key
	}
	return !other.Temporary
}

// complete adds the rest to a set that has a list. It leaves out the last locators until every
// message has room for the list (RFC 5533, section 5.1). It returns false if there is no such
// set.
func (e *Engine) complete(s *localSet, ulid *LocalLocator, elements []wire.Preference, y selection, last *localSet) bool {
	if y != byTrust {
		pds, err := ulid.PDS.MarshalBinary()
		if err != nil {
			return false
		}
		s.pds = pds
	}
	if needsSignature(s.list) {
		// It has the length of the real signature.
		s.signature = make([]byte, ulid.Key.Size())
	}
	for !s.fits() {
		if len(s.list.Locators) == 1 {
			return false
		}
		s.list.Locators = s.list.Locators[:len(s.list.Locators)-1]
	}
	if last != nil && s.sameList(last) && bytes.Equal(s.pds, last.pds) {
		s.list, s.generation, s.signature = last.list, last.generation, last.signature
	} else {
		if y == byHBA {
			// It is another list than the whole one.
			s.list.Generation = e.locals[ulid.Address].set.generation + 1
		} else {
			s.list.Generation = e.random.nonce()
		}
		s.generation, s.signature = s.list.Generation, nil
		if needsSignature(s.list) {
			signature, err := ulid.PDS.Sign(ulid.Key, s.list)
			if err != nil {
				return false
			}
			s.signature = signature
		}
	}
	if y != byHBA {
		s.preferences = preferencesOf(s.generation, elements[:len(s.list.Locators)])
	}
	s.addresses = []netip.Addr{ulid.Address}
	for _, l := range s.list.Locators {
		if l.Address != ulid.Address {
			s.addresses = append(s.addresses, l.Address)
		}
	}
	return true
}

// preferencesOf are the preferences to tell the peer, nil if all locators are equally good.
func preferencesOf(generation uint32, elements []wire.Preference) *wire.LocatorPreferences {
	if !slices.ContainsFunc(elements, func(p wire.Preference) bool { return !samePreference(p, wire.Preference{}) }) {
		return nil
	}
	return &wire.LocatorPreferences{Generation: generation, ElementLen: 3, Elements: elements}
}

func needsSignature(l *wire.LocatorList) bool {
	return slices.ContainsFunc(l.Locators, func(l wire.Locator) bool { return l.Method == wire.MethodCGA })
}

// fits reports whether the longest message with this set, an I2bis, is not too long.
func (s *localSet) fits() bool {
	m := &wire.I2bis{Options: wire.Options{
		&wire.ResponderValidator{Validator: make([]byte, maxValidator)},
		&wire.ULIDPair{Sender: s.list.Locators[0].Address, Receiver: s.list.Locators[0].Address},
		&wire.ForkedInstanceIdentifier{},
		&wire.KeepaliveTimeout{},
		s.list,
		&wire.LocatorPreferences{ElementLen: 3, Elements: make([]wire.Preference, len(s.list.Locators))},
	}}
	if s.pds != nil {
		m.Options = append(m.Options, &wire.CGAParameterDataStructure{PDS: s.pds})
	}
	if s.signature != nil {
		m.Options = append(m.Options, &wire.CGASignature{Signature: s.signature})
	}
	_, err := wire.Append(nil, m)
	return err == nil
}

// method is how l can be proved to a peer that knows us by ulid; 0 if it can't be.
func method(ulid, l *LocalLocator) wire.VerificationMethod {
	if ulid.PDS == nil {
		return 0
	}
	if ulid.PDS.VerifyHBA(l.Address) == nil && ulid.PDS.VerifyHBA(ulid.Address) == nil {
		return wire.MethodHBA
	}
	if ulid.Key != nil && ulid.PDS.VerifyULID(ulid.Address) == nil {
		return wire.MethodCGA
	}
	return 0
}

// localSet is what the peer of a context with the names u should be told first.
func (e *Engine) localSet(u ULIDs) *localSet {
	l := e.locals[u.Local]
	switch {
	case l == nil:
		return single(u.Local)
	case e.trusted(u.Peer):
		return l.trusted
	}
	return l.set
}

// setFor is what the peer of a context should be told now.
func (e *Engine) setFor(c *context) *localSet {
	if l := e.locals[c.ulids.Local]; l != nil {
		switch {
		case c.announced.plain:
			return l.plain
		case c.announced.trust == trustRefused:
			return l.set
		}
	}
	return e.localSet(c.ulids)
}

// canUse reports whether we have an address and it is not broken.
func (e *Engine) canUse(a netip.Addr) bool {
	l := e.locals[a]
	return l != nil && l.Preference.Flags&wire.FlagBroken == 0
}

// controlPair is the pair by which messages of an established context are sent: the current
// one, unless our side of it is gone. The peer accepts messages from any locator of ours
// that it knows. If none of those is left, because this host has moved, elsewhere finds the
// source of the Update Request that tells the new ones.
func (e *Engine) controlPair(c *context) Pair {
	p := c.current
	if e.canUse(p.Local) {
		return p
	}
	known := c.announced.set.addresses
	if c.announced.update != nil {
		known = slices.Concat(known, c.announced.update.set.addresses)
	}
	if i := slices.IndexFunc(known, e.canUse); i >= 0 {
		p.Local = known[i]
	}
	return p
}

// appendSet appends the options that tell Ls(local) in a message that makes or renews the
// context.
func (c *context) appendSet(o wire.Options, s *localSet) wire.Options {
	if s.beyondULID() {
		o = appendList(o, s)
		if s.preferences != nil {
			o = append(o, s.preferences)
		}
	}
	return c.appendTimeout(o)
}

// appendList appends a Locator List, and everything that is needed to verify it.
func appendList(o wire.Options, s *localSet) wire.Options {
	o = append(o, s.list)
	if s.pds != nil {
		o = append(o, &wire.CGAParameterDataStructure{PDS: s.pds})
	}
	if s.signature != nil {
		o = append(o, &wire.CGASignature{Signature: s.signature})
	}
	return o
}

// appendTimeout appends the context's Send Timeout, unless it is the default, which the peer
// assumes (RFC 5534, section 4.1) if it was never told another one.
func (c *context) appendTimeout(o wire.Options) wire.Options {
	if c.sendTimeout == DefaultSendTimeout && !c.wished {
		return o
	}
	return append(o, &wire.KeepaliveTimeout{Seconds: uint16((c.sendTimeout + 999_999_999) / 1_000_000_000)})
}
