// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"net/netip"
	"time"

	"shim6/daemon/wire"
)

// Action is something to do: one of the types of this file. What an action
// refers to is not changed afterwards, and must not be.
type Action interface{ action() }

// Send is a control message to send. It must leave from Source: a peer drops the
// answer that comes from another address (RFC 5533, section 7.11). If it can't be
// sent, that is like a packet lost.
type Send struct {
	Source, Destination netip.Addr
	Type                wire.Type
	// Message is the message with its checksum, from its Next Header on.
	Message []byte
	// Length is how many octets the packet is to have, from the IPv6 header on;
	// 0 for those that the message takes. What is behind the message means nothing
	// (RFC 8200, section 4.7). The kernel makes no packet longer than the path is
	// known to carry.
	Length int
	// Context is the context that the message is about; zero if there is
	// none, as for R1 and R1bis.
	Context ULIDs
}

// Fields are those fields of a KernelContext that a ContextSet is about.
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
	// FieldReapTimer is there for its own sake: to start a timer anew.
	FieldReapTimer

	// FieldsAll are all but FieldReapTimer.
	FieldsAll = FieldReapTimer - 1
)

// KernelContext is what the kernel has of a context, or is to have.
type KernelContext struct {
	ULIDs
	TagLocal wire.ContextTag
	// TagPeer means something if HasTagPeer.
	TagPeer    wire.ContextTag
	HasTagPeer bool
	State      State
	// Locator is the current locator pair: Lp(local) and Lp(peer).
	Locator Pair
	// LocatorsLocal and LocatorsPeer are Ls(local) and Ls(peer). They may or
	// may not have the ULIDs among them.
	LocatorsLocal, LocatorsPeer []netip.Addr
	// Inbound is the pair by which the peer sends.
	Inbound                       Pair
	SendTimeout, KeepaliveTimeout time.Duration
	ReapState                     ReapState
	// ReapTimer is what a ContextSet with FieldReapTimer starts.
	ReapTimer ReapTimer
}

// ReapState is a state of RFC 5534, section 6. The numbers are the kernel's.
type ReapState uint8

const (
	ReapOperational ReapState = iota + 1
	ReapExploring
	ReapInboundOK
)

// ReapTimer is which timer of RFC 5534 the kernel is to start anew. The numbers
// are the kernel's.
type ReapTimer uint8

const (
	ReapTimerNone ReapTimer = iota + 1
	ReapTimerSend
	ReapTimerKeepalive
)

// ContextNew is a context to make in the kernel, with all of FieldsAll that is
// set in it: TagPeer only if HasTagPeer, and times that are not 0.
type ContextNew struct {
	Context KernelContext
}

// ContextSet is a context of the kernel to change. Fields says in what; the rest
// of Context but for its names is how the Engine has it, and not to be set.
type ContextSet struct {
	Context KernelContext
	Fields  Fields
}

// ContextDel is a context to delete from the kernel. That it is gone already is
// no error.
type ContextDel struct {
	ULIDs
	TagLocal wire.ContextTag
}

// Resync asks for a Dump: the kernel seems to have other contexts than the
// Engine.
type Resync struct{}

// Persist is a Record to keep in place of the last one of the same ULIDs, or, if
// Record is nil, a Record to forget. They are for Start. It need not be on disk
// when the next action is done: the state of a context that has no Record, or an
// old one, is made up from what the kernel has.
type Persist struct {
	ULIDs
	Record *Record
}

// StateChange tells that the state of a context has changed, and why.
type StateChange struct {
	ULIDs
	From, To State
	// Why is a few words for people.
	Why string
}

// Note tells of something about a context that is worth a line in a log and that
// a peer can't cause at will.
type Note struct {
	ULIDs
	Text string
}

// Done answers a command.
type Done struct {
	ID uint64
	// ULIDs are the context that the command is about.
	ULIDs
	// Err is nil, or why the command wasn't done.
	Err error
}

func (Send) action()        {}
func (ContextNew) action()  {}
func (ContextSet) action()  {}
func (ContextDel) action()  {}
func (Resync) action()      {}
func (Persist) action()     {}
func (StateChange) action() {}
func (Note) action()        {}
func (Done) action()        {}
