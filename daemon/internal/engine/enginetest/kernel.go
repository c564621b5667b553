// SPDX-License-Identifier: BSD-3-Clause

package enginetest

import (
	"fmt"
	"net/netip"
	"slices"

	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
)

// Kernel is what a kernel has of contexts. It has no timers, sends nothing, and keeps to
// what it is told. The zero value is an empty one.
type Kernel struct {
	contexts map[engine.ULIDs]*engine.KernelContext
	byTag    map[wire.ContextTag]*engine.KernelContext
	// byTagPeer are those that have CT(peer), by it.
	byTagPeer map[wire.ContextTag][]*engine.KernelContext
	// order are the contexts, the oldest first, so that runs repeat.
	order []engine.ULIDs
}

// Len is the number of contexts.
func (k *Kernel) Len() int { return len(k.order) }

// Order are the names of the contexts, the oldest first. It is not to be changed, and valid
// until the next change of k.
func (k *Kernel) Order() []engine.ULIDs { return k.order }

// Get is a context, nil if there is none. The caller may change it, except for its names and
// tags.
func (k *Kernel) Get(u engine.ULIDs) *engine.KernelContext { return k.contexts[u] }

// ByTag is the context with a local tag, nil if there is none.
func (k *Kernel) ByTag(tag wire.ContextTag) *engine.KernelContext { return k.byTag[tag] }

// Dump are copies of the contexts, for engine.Start and engine.Dump.
func (k *Kernel) Dump() []engine.KernelContext {
	list := make([]engine.KernelContext, 0, len(k.order))
	for _, u := range k.order {
		list = append(list, *k.contexts[u])
	}
	return list
}

// New makes a context. The error says why the kernel has refused it.
func (k *Kernel) New(a engine.ContextNew) error {
	c := a.Context
	if k.contexts[c.ULIDs] != nil {
		return fmt.Errorf("new context %v, which the kernel has", c.ULIDs)
	}
	if other := k.byTag[c.TagLocal]; other != nil {
		return fmt.Errorf("new context %v has the local tag of %v", c.ULIDs, other.ULIDs)
	}
	if k.contexts == nil {
		k.contexts = make(map[engine.ULIDs]*engine.KernelContext)
		k.byTag = make(map[wire.ContextTag]*engine.KernelContext)
		k.byTagPeer = make(map[wire.ContextTag][]*engine.KernelContext)
	}
	k.contexts[c.ULIDs], k.byTag[c.TagLocal] = &c, &c
	k.indexPeer(&c)
	k.order = append(k.order, c.ULIDs)
	return k.Check(&c)
}

// Set changes the fields of a context that a ContextSet names, except for FieldReapTimer: the
// timers are the caller's. The error says why the kernel has refused it.
func (k *Kernel) Set(a engine.ContextSet) error {
	c, f := k.contexts[a.Context.ULIDs], a.Fields
	if c == nil || c.TagLocal != a.Context.TagLocal {
		return fmt.Errorf("set of context %v, which the kernel lacks", a.Context.ULIDs)
	}
	if f&engine.FieldTagPeer != 0 {
		k.unindexPeer(c)
		c.TagPeer, c.HasTagPeer = a.Context.TagPeer, true
		k.indexPeer(c)
	}
	if f&engine.FieldState != 0 {
		c.State = a.Context.State
	}
	if f&engine.FieldLocator != 0 {
		c.Locator = a.Context.Locator
	}
	if f&engine.FieldLocatorsLocal != 0 {
		c.LocatorsLocal = a.Context.LocatorsLocal
	}
	if f&engine.FieldLocatorsPeer != 0 {
		c.LocatorsPeer = a.Context.LocatorsPeer
	}
	if f&engine.FieldInbound != 0 {
		c.Inbound = a.Context.Inbound
	}
	if f&engine.FieldSendTimeout != 0 {
		c.SendTimeout = a.Context.SendTimeout
	}
	if f&engine.FieldKeepaliveTimeout != 0 {
		c.KeepaliveTimeout = a.Context.KeepaliveTimeout
	}
	if f&engine.FieldReapState != 0 {
		c.ReapState = a.Context.ReapState
	}
	return k.Check(c)
}

// Del deletes a context. That there is none is no error, but a context of another tag with
// the name is one.
func (k *Kernel) Del(a engine.ContextDel) error {
	c := k.contexts[a.ULIDs]
	if c == nil {
		return nil
	}
	if c.TagLocal != a.TagLocal {
		return fmt.Errorf("%v is deleted by another tag", a.ULIDs)
	}
	k.unindexPeer(c)
	delete(k.contexts, a.ULIDs)
	delete(k.byTag, a.TagLocal)
	k.order = slices.DeleteFunc(k.order, func(u engine.ULIDs) bool { return u == a.ULIDs })
	return nil
}

func (k *Kernel) indexPeer(c *engine.KernelContext) {
	if c.HasTagPeer {
		k.byTagPeer[c.TagPeer] = append(k.byTagPeer[c.TagPeer], c)
	}
}

func (k *Kernel) unindexPeer(c *engine.KernelContext) {
	list := slices.DeleteFunc(k.byTagPeer[c.TagPeer], func(x *engine.KernelContext) bool { return x == c })
	if len(list) == 0 {
		delete(k.byTagPeer, c.TagPeer)
	} else {
		k.byTagPeer[c.TagPeer] = list
	}
}

// Clear deletes all contexts.
func (k *Kernel) Clear() { *k = Kernel{} }

// Check has the conditions on which the kernel module accepts a context.
func (k *Kernel) Check(c *engine.KernelContext) error {
	if c.State < engine.I1Sent || c.State > engine.I2bisSent {
		return fmt.Errorf("%v is in %v", c.ULIDs, c.State)
	}
	if !c.HasTagPeer && (c.State >= engine.Established || !c.Locator.SamePath(engine.Pair{Local: c.Local, Peer: c.Peer})) {
		return fmt.Errorf("%v is in %v by %v, without the peer's tag", c.ULIDs, c.State, c.Locator)
	}
	for _, l := range [][]netip.Addr{c.LocatorsLocal, c.LocatorsPeer} {
		if len(l) > engine.MaxLocators {
			return fmt.Errorf("%v has more locators than the kernel takes", c.ULIDs)
		}
		for i := range l {
			if slices.Contains(l[:i], l[i]) {
				return fmt.Errorf("%v has a locator twice: %v", c.ULIDs, l)
			}
		}
	}
	if c.State != engine.Established {
		return nil
	}
	for _, other := range k.byTagPeer[c.TagPeer] {
		if other == c || other.State != engine.Established {
			continue
		}
		if other.Peer == c.Peer || slices.Contains(other.LocatorsPeer, c.Peer) ||
			slices.ContainsFunc(c.LocatorsPeer, func(a netip.Addr) bool { return a == other.Peer || slices.Contains(other.LocatorsPeer, a) }) {
			return fmt.Errorf("context confusion of %v and %v", c.ULIDs, other.ULIDs)
		}
	}
	return nil
}

// Records are what a state file keeps of contexts.
type Records map[engine.ULIDs]engine.Record

// Save does a Persist.
func (r Records) Save(a engine.Persist) {
	if a.Record == nil {
		delete(r, a.ULIDs)
	} else {
		r[a.ULIDs] = *a.Record
	}
}
