// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"net/netip"
	"time"

	"shim6/daemon/wire"
)

// Action is something to do. The types of this file are all actions. The slices and pointers
// in an action are shared: neither the Engine nor the caller changes what they refer to.
type Action interface{ action() }

// Send is a control message to send. It must leave from Source, since a peer drops an answer
// from another address (RFC 5533, section 7.11). A message that can't be sent counts as
// lost.
type Send struct {
	Source, Destination netip.Addr
	// Encapsulation is how it is to be carried.
	Encapsulation Encapsulation
	Type          wire.Type
	// Message is the message with its checksum, from its Next Header on.
	Message []byte
	// Length is how long the packet should be, in octets from the IPv6 header on; 0 for as
	// long as the message needs. The octets after the message mean nothing (RFC 8200,
	// section 4.7). The kernel makes no packet longer than the path is known to carry.
	Length int
	// Context is the context that the message belongs to. It is zero if there is none, as
	// for R1 and R1bis.
	Context ULIDs
}

// Fields are the fields of a KernelContext that a ContextSet changes.
type Fields uint16

const (
	FieldTagPeer Fields = 1 << iota
	FieldState
	// FieldLocator is the current locator pair, both sides.
	FieldLocator
	FieldLocatorsLocal
	FieldLocatorsPeer
	// FieldInbound is the pair by which the peer sends, both sides.
	FieldInbound
	FieldSendTimeout
	FieldKeepaliveTimeout
	FieldReapState
	// FieldReapTimer is no property of the context. It starts a timer again.
	FieldReapTimer

	// FieldsAll are all but FieldReapTimer.
	FieldsAll = FieldReapTimer - 1
)

// KernelContext is what the kernel has of a context, or should have.
type KernelContext struct {
	ULIDs
	TagLocal wire.ContextTag
	// TagPeer is valid if HasTagPeer.
	TagPeer    wire.ContextTag
	HasTagPeer bool
	State      State
	// Locator is the current locator pair: Lp(local) and Lp(peer).
	Locator Pair
	// LocatorsLocal and LocatorsPeer are Ls(local) and Ls(peer), with or without the ULIDs.
	LocatorsLocal, LocatorsPeer []netip.Addr
	// Inbound is the pair by which the peer sends.
	Inbound                       Pair
	SendTimeout, KeepaliveTimeout time.Duration
	ReapState                     ReapState
	// ReapTimer is the timer that a ContextSet with FieldReapTimer starts.
	ReapTimer ReapTimer
}

// ReapState is a state of RFC 5534, section 6. The numbers are the kernel's.
type ReapState uint8

const (
	ReapOperational ReapState = iota + 1
	ReapExploring
	ReapInboundOK
)

// ReapTimer is the timer of RFC 5534 that the kernel should start again. The numbers are the
// kernel's.
type ReapTimer uint8

const (
	ReapTimerNone ReapTimer = iota + 1
	ReapTimerSend
	ReapTimerKeepalive
)

// ContextNew is a context to make in the kernel, with all fields of FieldsAll that are set:
// TagPeer only if HasTagPeer, and times that are not 0.
type ContextNew struct {
	Context KernelContext
}

// ContextSet is a context of the kernel to change. Only Fields are to be set. The other
// fields of Context, except its names and TagLocal, have the Engine's values or are nil.
type ContextSet struct {
	Context KernelContext
	Fields  Fields
}

// ContextDel is a context to delete from the kernel. It is no error if the context is gone
// already.
type ContextDel struct {
	ULIDs
	TagLocal wire.ContextTag
}

// Resync asks for a Dump, because the kernel seems to have other contexts than the Engine.
type Resync struct{}

// Persist is a Record to keep, for Start, in place of the last one of the same ULIDs. If
// Record is nil, the last one is to be forgotten. The Record need not be on disk before the
// next action is done: Start can do without a Record, or with an old one, since the kernel
// has the rest.
type Persist struct {
	ULIDs
	Record *Record
}

// Learned is a Carrier to keep, for Start, in place of the last one of the same networks. One
// that is not kept costs a context half a second.
type Learned struct {
	Carrier
}

// StateChange says that the state of a context has changed, and why.
type StateChange struct {
	ULIDs
	From, To State
	// Why is a short text for people.
	Why string
}

// Note is something about a context that is worth a line in a log. No peer can cause Notes
// as often as it likes.
type Note struct {
	ULIDs
	Text string
}

// Done answers a command.
type Done struct {
	ID uint64
	// ULIDs name the context that the command was about.
	ULIDs
	// Err is nil if the command was done, and otherwise says why not.
	Err error
}

func (Send) action()        {}
func (ContextNew) action()  {}
func (ContextSet) action()  {}
func (ContextDel) action()  {}
func (Resync) action()      {}
func (Persist) action()     {}
func (Learned) action()     {}
func (StateChange) action() {}
func (Note) action()        {}
func (Done) action()        {}
