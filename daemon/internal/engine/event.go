// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"crypto/rsa"
	"net/netip"
	"time"

	"shim6/daemon/cga"
	"shim6/daemon/wire"
)

// Event is something that has happened: one of the types of this file.
type Event interface{ event() }

// ULIDs name a context: the ULID pair and the Forked Instance Identifier, which
// is 0 for the default context (RFC 5533, section 6.1).
type ULIDs struct {
	Local, Peer netip.Addr
	FII         uint32
}

// Pair is a locator pair. The same two addresses with another Encapsulation are another pair.
type Pair struct {
	Local, Peer   netip.Addr
	Encapsulation Encapsulation
}

// Tick says that the time has come that Next has told. One that comes early, or
// for nothing, does no harm.
type Tick struct{}

// Start is the first event but for Locators, which may come before it and then
// is what the contexts are compared with. Every context of the kernel is adopted,
// with the Record that has its names and local tag, if there is one. Records of
// contexts that the kernel has no more are given up, with a Persist for each.
// Nothing is sent.
type Start struct {
	Contexts []KernelContext
	Records  []Record
}

// Dump is what the kernel has now, to be handed over whenever the two may have
// come apart: after lost events, and when a Resync asks for it. A context that
// the kernel lacks is gone, as by ContextGone; one that only the kernel has is
// adopted; what differs is set anew. The dump must have been made after all
// earlier actions were done.
type Dump struct {
	Contexts []KernelContext
}

// Locators are the addresses of this host, all of them, whenever one of them or
// what is said of it has changed. Peers are told by Update Requests. A context
// whose local ULID is not among them any more is discarded (RFC 5533, section
// 1.5).
type Locators struct {
	Local []LocalLocator
}

// LocalLocator is an address of this host.
type LocalLocator struct {
	Address netip.Addr
	// Preference is what peers are told of it: Flags, Priority and Weight. An
	// address that is valid but can't be used now, because its link is
	// down, has wire.FlagBroken and stays in the list: so its ULID lives on.
	Preference wire.Preference
	// PDS is what the address was made with, nil for one that is neither HBA
	// nor CGA. Addresses of the same HBA set vouch for each other.
	PDS *cga.PDS
	// Key signs for the address, as the ULID of a context, that all other
	// addresses in the list are locators as well, whatever they were made
	// with: so those are told that aren't in its HBA set. It is nil if PDS
	// has no public key, or if they are not to be told.
	Key *rsa.PrivateKey
	// Interface is the one that has it, and Policy what is thought of that here. Peers
	// aren't told.
	Interface string
	Policy    InterfacePolicy
	// Temporary: it is one that changes for privacy (RFC 8981). It can be the ULID of a
	// context, but is no locator of others: their peers would know whose it is.
	Temporary bool
	// ValidUntil is when the address stops being valid, by the clock of
	// Handle; 0 if it does not. It is as if left out from then on.
	ValidUntil time.Duration
}

// Control is a control message that has arrived (control-event).
type Control struct {
	// Source and Destination are the addresses of the packet.
	Source, Destination netip.Addr
	// Message is the message from its Next Header on. It is not kept.
	Message []byte
}

// NoContext says that a payload extension header with a tag that the kernel
// doesn't know has arrived (no-context-event).
type NoContext struct {
	Source, Destination netip.Addr
	Tag                 wire.ContextTag
}

// Acquire says that there is traffic for which a context is wanted
// (acquire-event).
type Acquire struct {
	Local, Peer netip.Addr
}

// ReapKind is what a Reap event tells.
type ReapKind uint8

const (
	// ReapSendTimeout: nothing was heard since something was sent, for the
	// Send Timeout.
	ReapSendTimeout ReapKind = iota + 1
	// ReapInbound: the first packet came in an Exploring context.
	ReapInbound
	// ReapPayload: payload arrived in I2-SENT or I2BIS-SENT.
	ReapPayload
	// ReapRetransmission: a TCP connection in an Operational context retransmits,
	// or its acknowledgements are overdue. It is a hint.
	ReapRetransmission
)

// Reap tells of the liveness of a context (reap-event).
type Reap struct {
	ULIDs
	Tag  wire.ContextTag
	Kind ReapKind
	// Stall is what TCP says, with a ReapRetransmission.
	Stall
}

// Stall is what is known of a TCP connection that waits for its peer.
type Stall struct {
	// RTT is the round-trip time that TCP has measured; 0 if it is not known.
	RTT time.Duration
	// Retransmits is how often its timer has expired since anything that it has
	// sent was acknowledged; 0 as well if the connection is not made yet.
	Retransmits int
	// Length is how many octets the packet has that it sends, from the IPv6
	// header on, as it leaves; 0 if that is not known.
	Length int
	// Progress: other connections of the context get on.
	Progress bool
}

// Expire says that a context is quiescent (expire-event).
type Expire struct {
	ULIDs
	Tag  wire.ContextTag
	Idle time.Duration
	// InUse says that a ULP is known that may use the context, such as an
	// open socket that is connected to the peer's ULID. It is then kept (RFC
	// 5533, section 9).
	InUse bool
}

// ICMP is an ICMPv6 error about a packet of a context or about a control message
// (icmp-event). It is a hint, and for an I1 perhaps the news that the peer has no
// Shim6.
type ICMP struct {
	Type, Code uint8
	Info       uint32
	// Source and Destination are the addresses of the packet in error, which
	// this host has sent.
	Source, Destination netip.Addr
	// ULIDs is the context of a payload packet; zero if that is not known.
	ULIDs
	// Message is the Shim6 header in the packet in error, and what follows.
	// It may be cut short anywhere. It is not kept.
	Message []byte
}

// ContextGone says that somebody else has deleted a context from the kernel
// (context-del-ntf). There must be none for what the Engine itself deletes.
type ContextGone struct {
	ULIDs
	// Tag is the context's local tag; another context of the same name
	// is left alone. MaxContextTag+1 stands for any.
	Tag wire.ContextTag
}

// ContextRefused says that the kernel has refused ContextNew or ContextSet. The
// context is then given up, and deleted from the kernel if it was there.
type ContextRefused struct {
	ULIDs
	Err error
}

// Open is the command to make a context. A Done answers it: with an error if the
// context can't be begun. How it goes on, States tell.
type Open struct {
	ID uint64
	ULIDs
	// Pair, if not zero, is the locator pair by which to send I1, in place
	// of the ULIDs. The peer's locator must be its ULID or in a trusted
	// prefix: nothing proves another one before it has answered.
	Pair Pair
	// Force begins even while a hold-down would have it wait.
	Force bool
}

// Close is the command to discard a context. The peer isn't told: it will learn
// of it by R1bis (RFC 5533, sections 1.5 and 9). A Done answers it.
type Close struct {
	ID uint64
	ULIDs
}

// Refresh is the command to send the peer the whole locator list and its
// preferences, though nothing has changed. A Done answers it.
type Refresh struct {
	ID uint64
	ULIDs
}

// Use is the command to send payload by a locator pair from now on, until that fails. A
// Done answers it: when the peer has said that a Probe has come by the pair, which may
// take a while, or with an error if it has not in time.
type Use struct {
	ID uint64
	ULIDs
	Pair Pair
}

func (Tick) event()           {}
func (Start) event()          {}
func (Dump) event()           {}
func (Locators) event()       {}
func (Control) event()        {}
func (NoContext) event()      {}
func (Acquire) event()        {}
func (Reap) event()           {}
func (Expire) event()         {}
func (ICMP) event()           {}
func (ContextGone) event()    {}
func (ContextRefused) event() {}
func (Open) event()           {}
func (Close) event()          {}
func (Refresh) event()        {}
func (Use) event()            {}
