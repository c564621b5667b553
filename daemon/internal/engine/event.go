// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"crypto/rsa"
	"net/netip"
	"time"

	"shim6/daemon/cga"
	"shim6/daemon/wire"
)

// Event is something that has happened. The types of this file are all events.
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
	Encapsulation Encapsulation `json:",omitempty"`
}

// Tick says that the time has come which Next has returned. A Tick too early, or without
// need, does no harm.
type Tick struct{}

// Start must be the first event, except that Locators may come before it; the contexts are
// then compared with those. The Engine adopts every context of the kernel, with the Record
// that has its names and local tag, if there is one. It gives up Records of contexts that
// the kernel no longer has, with a Persist for each. It sends nothing.
type Start struct {
	Contexts []KernelContext
	Records  []Record
	// Carriers are the last Learned of each pair of networks.
	Carriers []Carrier
}

// Dump is what the kernel has now. It is handed over whenever kernel and Engine may differ:
// after lost events, and when a Resync asks for it. A context that the kernel lacks is
// discarded, as by ContextGone. A context that only the kernel has is adopted. Fields that
// differ are set again. The dump must have been made after all earlier actions were done.
type Dump struct {
	Contexts []KernelContext
}

// Locators are all addresses of this host. The event is due whenever an address, or a
// property of one, has changed. The Engine tells peers by Update Requests. It discards a
// context whose local ULID is no longer among the addresses (RFC 5533, section 1.5).
type Locators struct {
	Local []LocalLocator
}

// LocalLocator is an address of this host.
type LocalLocator struct {
	Address netip.Addr
	// Preference is what peers are told about the address: Flags, Priority and Weight. A
	// valid address that can't be used now, because its link is down, has wire.FlagBroken
	// and stays in the list, so that contexts with this ULID stay.
	Preference wire.Preference
	// PDS is the CGA Parameters data structure from which the address was made, nil if it
	// is neither HBA nor CGA. Addresses of the same HBA set prove each other.
	PDS *cga.PDS
	// Key signs lists of locators for contexts whose ULID is this address. So peers can be
	// told addresses that are not in its HBA set. It is nil if PDS has no public key, or if
	// peers should not be told such addresses.
	Key *rsa.PrivateKey
	// Interface is the name of the interface that has the address, and Policy that
	// interface's policy. Router is the one there by which packets from the address leave,
	// invalid if it is not known. Peers are not told.
	Interface string
	Router    netip.Addr
	Policy    InterfacePolicy
	// Temporary: the address changes for privacy (RFC 8981). It can be the ULID of a
	// context, and a locator of contexts whose ULID is a temporary address with the same
	// Key; but not of other contexts, whose peers would learn whose it is.
	Temporary bool
	// ValidUntil is when the address stops being valid, by the clock of Handle; 0 for never.
	// From then on the Engine ignores it.
	ValidUntil time.Duration
}

// Control is a control message that has arrived (control-event).
type Control struct {
	// Source and Destination are the addresses of the packet.
	Source, Destination netip.Addr
	// Message is the message from its Next Header on. The Engine does not keep it.
	Message []byte
	// Encapsulation is how it has come.
	Encapsulation Encapsulation
}

// NoContext says that a payload extension header has arrived whose tag the kernel doesn't
// know (no-context-event).
type NoContext struct {
	Source, Destination netip.Addr
	Tag                 wire.ContextTag
	// Encapsulation is how it has come.
	Encapsulation Encapsulation
}

// Acquire says that there is traffic that needs a context (acquire-event).
type Acquire struct {
	Local, Peer netip.Addr
}

// ReapKind is what a Reap event says.
type ReapKind uint8

const (
	// ReapSendTimeout: payload was sent, and nothing was heard for the Send Timeout.
	ReapSendTimeout ReapKind = iota + 1
	// ReapInbound: the first packet came in an Exploring context.
	ReapInbound
	// ReapPayload: payload arrived in I2-SENT or I2BIS-SENT.
	ReapPayload
	// ReapRetransmission: a TCP connection in an Operational context retransmits, or its
	// acknowledgements are late. This is only a hint.
	ReapRetransmission
	// ReapSilence: payload that came steadily in an Operational context has stopped. This is
	// only a hint: the peer's program may have ended.
	ReapSilence
	// ReapResumption: payload came again after a ReapSilence or a ReapUnanswered.
	ReapResumption
	// ReapUnanswered: the peer has not answered payload, though it has until now. This is only
	// a hint, as ReapSilence.
	ReapUnanswered
	// ReapFeedback: a program is not satisfied with the current pair (RFC 6316, section 7.3). This is
	// only a hint.
	ReapFeedback
)

// Reap says something about the liveness of a context (reap-event).
type Reap struct {
	ULIDs
	Tag  wire.ContextTag
	Kind ReapKind
	// Stall is what TCP says. Only a ReapRetransmission has it.
	Stall
}

// Stall describes a TCP connection that waits for its peer.
type Stall struct {
	// RTT is the round-trip time that TCP has measured; 0 if it is not known.
	RTT time.Duration
	// Deviation is four times the mean deviation of RTT (RFC 6298).
	Deviation time.Duration
	// Retransmits is how often the retransmission timer has expired since the last
	// acknowledgement. It is 0 as long as the connection is not established.
	Retransmits int
	// Length is the length in octets of the packet that TCP sends, from the IPv6 header on,
	// as it leaves the host; 0 if that is not known.
	Length int
	// Progress: other connections of the context make progress.
	Progress bool
}

// Expire says that a context is quiescent (expire-event).
type Expire struct {
	ULIDs
	Tag  wire.ContextTag
	Idle time.Duration
	// InUse: a ULP may use the context, for example an open socket that is connected to the
	// peer's ULID. The context is then kept (RFC 5533, section 9).
	InUse bool
}

// ICMP is an ICMPv6 error about a packet of a context or about a control message
// (icmp-event). It is only a hint, except that an error about an I1 may say that the peer has
// no Shim6.
type ICMP struct {
	Type, Code uint8
	Info       uint32
	// Source and Destination are the addresses of the packet in error. This host has sent
	// that packet.
	Source, Destination netip.Addr
	// ULIDs is the context of a payload packet; zero if that is not known.
	ULIDs
	// Message is the Shim6 header in the packet in error, and the octets after it. It may
	// end anywhere. The Engine does not keep it.
	Message []byte
	// Encapsulation is how the packet in error was carried.
	Encapsulation Encapsulation
}

// ContextGone says that somebody else has deleted a context from the kernel
// (context-del-ntf). There must be no ContextGone for contexts that the Engine itself
// deletes.
type ContextGone struct {
	ULIDs
	// Tag is the context's local tag. A context of the same name with another tag stays.
	// MaxContextTag+1 stands for any tag.
	Tag wire.ContextTag
}

// ContextRefused says that the kernel has refused ContextNew or ContextSet. The Engine then
// gives the context up, and deletes it from the kernel if it was there.
type ContextRefused struct {
	ULIDs
	Err error
}

// Open is the command to make a context. A Done answers it, with an error if the context
// can't be begun. Later StateChanges report how the exchange goes on.
type Open struct {
	ID uint64
	ULIDs
	// Pair, if not zero, is the locator pair by which to send I1, in place of the ULIDs. The
	// peer's locator must be its ULID or in a trusted prefix: before the peer has answered,
	// nothing proves another one.
	Pair Pair
	// Force begins the context even during a hold-down.
	Force bool
}

// Close is the command to discard a context. The peer isn't told. It will learn of it by
// R1bis (RFC 5533, sections 1.5 and 9). A Done answers the command.
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

// Use is the command to send payload by a locator pair from now on, until that pair fails. A
// Done answers it when the peer has said that a Probe has arrived by the pair, which may take
// a while. If the peer does not say so in time, the Done has an error.
type Use struct {
	ID uint64
	ULIDs
	Pair Pair
}

// ProbeAll is the command to probe all locator pairs of a context, so that an operator sees which of
// them work. A Done answers it when that has begun.
type ProbeAll struct {
	ID uint64
	ULIDs
}

// Doubt is the command to ask the current pair of a context, because somebody outside has a reason to
// doubt it. A Done answers it when that has begun.
type Doubt struct {
	ID uint64
	ULIDs
}

// Wish says all that the sockets of a ULID pair ask for (socket-event). It comes when that has
// changed, and when there is a new context.
type Wish struct {
	ULIDs
	// Standby: another locator pair is to be kept in reserve (RFC 6316, section 6.3).
	Standby bool
	// SendTimeout is the least Send Timeout that a socket asks for (RFC 6316, section 6.12), from 10 s to
	// 100 s; 0 if no socket does.
	SendTimeout time.Duration
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
func (ProbeAll) event()       {}
func (Doubt) event()          {}
func (Wish) event()           {}
