// SPDX-License-Identifier: BSD-3-Clause

package kernellink

import (
	"errors"
	"io/fs"
	"net/netip"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/wire"
	"shim6/netlink"
)

// Client does requests to the kernel. netlink.Commander is one.
type Client interface {
	NewContext(netlink.ULIDs, uint64, netlink.ContextUpdate) error
	SetContext(netlink.ULIDs, netlink.ContextUpdate) error
	DeleteTagged(netlink.ULIDs, uint64) error
	Contexts() ([]netlink.Context, error)
	SendControl(source, destination netip.Addr, how netlink.Encapsulation, message []byte, length int) error
	SetConfig(netlink.ConfigUpdate) error
}

var _ Client = (*netlink.Commander)(nil)

// New does a ContextNew.
func New(c Client, a engine.ContextNew) error {
	return c.NewContext(netlink.ULIDs(a.Context.ULIDs), uint64(a.Context.TagLocal), update(&a.Context, engine.FieldsAll))
}

// Set does a ContextSet.
func Set(c Client, a engine.ContextSet) error {
	u := update(&a.Context, a.Fields)
	if u == (netlink.ContextUpdate{}) {
		return nil
	}
	return c.SetContext(netlink.ULIDs(a.Context.ULIDs), u)
}

// Delete does a ContextDel. It is no error if the context is gone already, or if there is
// another context with the same ULIDs.
func Delete(c Client, a engine.ContextDel) error {
	err := c.DeleteTagged(netlink.ULIDs(a.ULIDs), uint64(a.TagLocal))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Send does a Send.
func Send(c Client, a engine.Send) error {
	return c.SendControl(a.Source, a.Destination, kernels(a.Encapsulation), a.Message, a.Length)
}

// update has those of the fields that have a value.
func update(k *engine.KernelContext, f engine.Fields) netlink.ContextUpdate {
	var u netlink.ContextUpdate
	has := func(field engine.Fields) bool { return f&field != 0 }
	if has(engine.FieldTagPeer) && k.HasTagPeer {
		u.TagPeer = pointer(uint64(k.TagPeer))
	}
	if has(engine.FieldState) {
		u.State = pointer(netlink.ContextState(k.State))
	}
	if has(engine.FieldLocator) {
		u.LocatorLocal, u.LocatorPeer = address(k.Locator.Local), address(k.Locator.Peer)
		// Native goes without saying, so that a module that knows no other takes it.
		if k.Locator.Encapsulation != engine.Native {
			u.Encapsulation = pointer(kernels(k.Locator.Encapsulation))
		}
	}
	if has(engine.FieldLocatorsLocal) {
		u.LocatorsLocal = pointer(k.LocatorsLocal)
	}
	if has(engine.FieldLocatorsPeer) {
		u.LocatorsPeer = pointer(k.LocatorsPeer)
	}
	if has(engine.FieldInbound) {
		u.InboundLocatorLocal, u.InboundLocatorPeer = address(k.Inbound.Local), address(k.Inbound.Peer)
		if k.Inbound.Encapsulation != engine.Native {
			u.InboundEncapsulation = pointer(kernels(k.Inbound.Encapsulation))
		}
	}
	if has(engine.FieldSendTimeout) {
		u.SendTimeout = duration(k.SendTimeout)
	}
	if has(engine.FieldKeepaliveTimeout) {
		u.KeepaliveTimeout = duration(k.KeepaliveTimeout)
	}
	if has(engine.FieldReapState) && k.ReapState != 0 {
		u.ReapState = pointer(netlink.ReapState(k.ReapState))
	}
	if has(engine.FieldReapTimer) && k.ReapTimer != 0 {
		u.ReapTimer = pointer(netlink.ReapTimer(k.ReapTimer))
	}
	return u
}

func pointer[T any](v T) *T { return &v }

func address(a netip.Addr) *netip.Addr {
	if !a.IsValid() {
		return nil
	}
	return &a
}

// duration is a time in whole milliseconds, as the kernel takes it; nil for 0.
func duration(d time.Duration) *time.Duration {
	if d == 0 {
		return nil
	}
	return pointer(d.Round(time.Millisecond))
}

// errNoTags: contexts without tags can't be adopted, and would be lost.
var errNoTags = errors.New("the kernel does not tell the tags of contexts: that takes CAP_NET_ADMIN in the network namespace")

// Dump reads all contexts. The error is netlink.ErrInterrupted if others have changed them
// meanwhile: try again.
func Dump(c Client) ([]engine.KernelContext, error) {
	list, err := c.Contexts()
	if err != nil {
		return nil, err
	}
	contexts := make([]engine.KernelContext, len(list))
	for i := range list {
		if list[i].TagLocal == nil {
			return nil, errNoTags
		}
		contexts[i] = adopt(&list[i])
	}
	return contexts, nil
}

// kernels is an encapsulation of the engine as the kernel has it, which counts from 1.
func kernels(e engine.Encapsulation) netlink.Encapsulation {
	return netlink.EncapsulationNative + netlink.Encapsulation(e)
}

// encapsulation is the kernel's as the engine has it: the engine counts from 0.
func encapsulation(e netlink.Encapsulation) engine.Encapsulation {
	return engine.Encapsulation(max(e, netlink.EncapsulationNative) - netlink.EncapsulationNative)
}

// adopt is a context as the engine has it.
func adopt(c *netlink.Context) engine.KernelContext {
	k := engine.KernelContext{
		ULIDs:            engine.ULIDs(c.ULIDs),
		TagLocal:         wire.ContextTag(*c.TagLocal),
		State:            engine.State(c.State),
		Locator:          engine.Pair{Local: c.LocatorLocal, Peer: c.LocatorPeer, Encapsulation: encapsulation(c.Encapsulation)},
		LocatorsLocal:    c.LocatorsLocal,
		LocatorsPeer:     c.LocatorsPeer,
		Inbound:          engine.Pair{Local: c.InboundLocatorLocal, Peer: c.InboundLocatorPeer, Encapsulation: encapsulation(c.InboundEncapsulation)},
		SendTimeout:      c.SendTimeout,
		KeepaliveTimeout: c.KeepaliveTimeout,
		ReapState:        engine.ReapState(c.ReapState),
	}
	if c.TagPeer != nil {
		k.TagPeer, k.HasTagPeer = wire.ContextTag(*c.TagPeer), true
	}
	return k
}

// Event makes the engine's event of the kernel's, nil if the engine has no such event. inUse
// says whether a program has a socket that is connected between two ULIDs.
func Event(ev netlink.Event, inUse func(local, peer netip.Addr) bool) engine.Event {
	switch ev := ev.(type) {
	case netlink.ControlEvent:
		return engine.Control{Source: ev.Source, Destination: ev.Destination, Message: ev.Message, Encapsulation: encapsulation(ev.Encapsulation)}
	case netlink.NoContextEvent:
		return engine.NoContext{Source: ev.Source, Destination: ev.Destination, Tag: wire.ContextTag(ev.Tag), Encapsulation: encapsulation(ev.Encapsulation)}
	case netlink.AcquireEvent:
		return engine.Acquire{Local: ev.Local, Peer: ev.Peer}
	case netlink.ReapNotice:
		return engine.Reap{ULIDs: engine.ULIDs(ev.ULIDs), Tag: wire.ContextTag(ev.Tag), Kind: engine.ReapKind(ev.Event),
			Stall: engine.Stall{RTT: ev.RTT, Deviation: ev.Deviation, Retransmits: ev.Retransmits, Length: ev.Length, Progress: ev.Progress}}
	case netlink.ExpireEvent:
		return engine.Expire{
			ULIDs: engine.ULIDs(ev.ULIDs), Tag: wire.ContextTag(ev.Tag), Idle: ev.Idle,
			InUse: inUse(ev.Local, ev.Peer),
		}
	case netlink.SocketEvent:
		return engine.Wish{ULIDs: engine.ULIDs(ev.ULIDs), Standby: ev.Standby, SendTimeout: ev.SendTimeout}
	case netlink.ICMPEvent:
		return engine.ICMP{
			Type: ev.Type, Code: ev.Code, Info: ev.Info,
			Source: ev.Source, Destination: ev.Destination,
			ULIDs: engine.ULIDs(ev.ULIDs), Message: ev.Message, Encapsulation: encapsulation(ev.Encapsulation),
		}
	}
	return nil
}
