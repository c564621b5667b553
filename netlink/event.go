// SPDX-License-Identifier: BSD-3-Clause

package netlink

import (
	"fmt"
	"net/netip"
	"time"
)

// Event is one thing that the kernel tells its daemon: ControlEvent, NoContextEvent,
// AcquireEvent, ReapNotice, ExpireEvent, ICMPEvent, SocketEvent, ChangeEvent, DeleteEvent or GoneEvent.
type Event interface{ event() }

// ControlEvent is a control message that has arrived.
type ControlEvent struct {
	Source, Destination netip.Addr
	Interface           uint32 // the index of the interface on which it arrived
	// Message is the message from its Next Header field on.
	Message []byte
	// Encapsulation is how it has come.
	Encapsulation Encapsulation
}

// NoContextEvent is a payload header that has arrived with an unknown tag.
type NoContextEvent struct {
	Source, Destination netip.Addr
	Interface           uint32 // the index of the interface on which it arrived
	Tag                 uint64
	Encapsulation       Encapsulation
}

// AcquireEvent asks for a context.
type AcquireEvent struct {
	Local, Peer netip.Addr
	// Packets is how many packets of the ULID pair were counted.
	Packets uint64
}

// ReapNotice tells of the liveness of a context (reap-event).
type ReapNotice struct {
	ULIDs
	Tag   uint64
	Event ReapEvent
	// RTT is the round-trip time that TCP has measured; 0 if the event has none.
	RTT time.Duration
	// Deviation is four times the mean deviation of RTT.
	Deviation time.Duration
	// Retransmits is how often the timer of a TCP connection has expired since the peer last
	// acknowledged something; 0 if the event is not about TCP.
	Retransmits int
	// Length is the octets of the packet that TCP sends again, from the IPv6 header on, as it
	// leaves.
	Length int
	// Progress says that other TCP connections of the context make progress, or did so a
	// second ago.
	Progress bool
}

// ExpireEvent says that a context is quiescent.
type ExpireEvent struct {
	ULIDs
	Tag  uint64
	Idle time.Duration // the time without a packet
}

// ICMPEvent is an ICMPv6 error about a packet with a Shim6 header.
type ICMPEvent struct {
	Type, Code uint8
	// Info is the MTU or the pointer.
	Info uint32
	// Source and Destination are the addresses of the packet in error.
	Source, Destination netip.Addr
	// ULIDs and Tag are the context of a payload packet, zero for a control message.
	ULIDs
	Tag uint64
	// Message is a control message, as much of it as the ICMPv6 error has; nil for a payload
	// packet.
	Message []byte
	// Encapsulation is how the packet in error was carried.
	Encapsulation Encapsulation
}

// SocketEvent says all that programs ask of a ULID pair, by options of their sockets. It comes when
// that changes, and when there is a new context for the pair.
type SocketEvent struct {
	ULIDs
	// Standby: another pair is to be kept in reserve.
	Standby bool
	// SendTimeout is the least that a program asks for (RFC 5534, section 7); 0 if no program does.
	SendTimeout time.Duration
}

// ChangeEvent says that another program has changed or made a context.
type ChangeEvent struct{ ULIDs }

// DeleteEvent says that another program has deleted a context.
type DeleteEvent struct{ ULIDs }

// GoneEvent says that the family is gone, and every context with it: the module was unloaded.
type GoneEvent struct{}

func (ControlEvent) event()   {}
func (NoContextEvent) event() {}
func (AcquireEvent) event()   {}
func (ReapNotice) event()     {}
func (ExpireEvent) event()    {}
func (ICMPEvent) event()      {}
func (SocketEvent) event()    {}
func (ChangeEvent) event()    {}
func (DeleteEvent) event()    {}
func (GoneEvent) event()      {}

// eventFields are the attributes of any event of the set control.
type eventFields struct {
	seen                map[uint16]bool
	source, destination netip.Addr
	ifindex             uint32
	message             []byte
	tag, packets        uint64
	ulids               ULIDs
	reap                ReapEvent
	idle                time.Duration
	icmpType, icmpCode  uint8
	icmpInfo            uint32
	rtt, deviation      time.Duration
	retransmits, length int
	progress, standby   bool
	sendTimeout         time.Duration
	encapsulation       Encapsulation
}

// take reads one attribute. It ignores those of a newer kernel.
func (f *eventFields) take(d *decoder) {
	f.seen[d.Type()] = true
	switch d.Type() {
	case attrControlSource:
		f.source = d.addr()
	case attrControlDestination:
		f.destination = d.addr()
	case attrControlIfindex:
		f.ifindex = d.Uint32()
	case attrControlMessage:
		f.message = d.Bytes()
	case attrControlTag:
		f.tag = d.Uint64()
	case attrControlEvent:
		f.reap = ReapEvent(d.Uint32())
	case attrControlUlidLocal:
		f.ulids.Local = d.addr()
	case attrControlUlidPeer:
		f.ulids.Peer = d.addr()
	case attrControlFii:
		f.ulids.FII = d.Uint32()
	case attrControlPackets:
		f.packets = d.Uint64()
	case attrControlIdle:
		f.idle = d.milliseconds64()
	case attrControlIcmpType:
		f.icmpType = d.Uint8()
	case attrControlIcmpCode:
		f.icmpCode = d.Uint8()
	case attrControlIcmpInfo:
		f.icmpInfo = d.Uint32()
	case attrControlRtt:
		f.rtt = time.Duration(d.Uint32()) * time.Microsecond
	case attrControlRttDeviation:
		f.deviation = time.Duration(d.Uint32()) * time.Microsecond
	case attrControlRetransmits:
		f.retransmits = int(d.Uint32())
	case attrControlLength:
		f.length = int(d.Uint32())
	case attrControlProgress:
		f.progress = d.Flag()
	case attrControlStandby:
		f.standby = d.Flag()
	case attrControlSendTimeout:
		f.sendTimeout = d.milliseconds()
	case attrControlEncapsulation:
		f.encapsulation = Encapsulation(d.Uint32())
	}
}

// eventKind is one command of the kernel that is an event of the set control.
type eventKind struct {
	// needs are the attributes without which the event means nothing.
	needs []uint16
	// event makes the event from its attributes.
	event func(*eventFields) Event
}

// eventKinds has a row for each such command.
var eventKinds = map[uint8]eventKind{
	cmdControlEvent: {
		[]uint16{attrControlSource, attrControlDestination, attrControlMessage},
		func(f *eventFields) Event {
			return ControlEvent{Source: f.source, Destination: f.destination, Interface: f.ifindex, Message: f.message,
				Encapsulation: f.encapsulation}
		},
	},
	cmdNoContextEvent: {
		[]uint16{attrControlSource, attrControlDestination, attrControlTag},
		func(f *eventFields) Event {
			return NoContextEvent{Source: f.source, Destination: f.destination, Interface: f.ifindex, Tag: f.tag,
				Encapsulation: f.encapsulation}
		},
	},
	cmdAcquireEvent: {
		[]uint16{attrControlUlidLocal, attrControlUlidPeer},
		func(f *eventFields) Event {
			return AcquireEvent{Local: f.ulids.Local, Peer: f.ulids.Peer, Packets: f.packets}
		},
	},
	cmdReapEvent: {
		[]uint16{attrControlEvent, attrControlUlidLocal, attrControlUlidPeer, attrControlTag},
		func(f *eventFields) Event {
			return ReapNotice{ULIDs: f.ulids, Tag: f.tag, Event: f.reap, RTT: f.rtt, Deviation: f.deviation,
				Retransmits: f.retransmits, Length: f.length, Progress: f.progress}
		},
	},
	cmdExpireEvent: {
		[]uint16{attrControlUlidLocal, attrControlUlidPeer, attrControlTag},
		func(f *eventFields) Event { return ExpireEvent{ULIDs: f.ulids, Tag: f.tag, Idle: f.idle} },
	},
	cmdSocketEvent: {
		[]uint16{attrControlUlidLocal, attrControlUlidPeer},
		func(f *eventFields) Event {
			return SocketEvent{ULIDs: f.ulids, Standby: f.standby, SendTimeout: f.sendTimeout}
		},
	},
	cmdIcmpEvent: {
		[]uint16{attrControlSource, attrControlDestination, attrControlIcmpType, attrControlIcmpCode},
		func(f *eventFields) Event {
			return ICMPEvent{Type: f.icmpType, Code: f.icmpCode, Info: f.icmpInfo,
				Source: f.source, Destination: f.destination, ULIDs: f.ulids, Tag: f.tag, Message: f.message,
				Encapsulation: f.encapsulation}
		},
	},
}

// parseEvent reads the attributes of an event. If it lacks one that it needs, the kernel and
// this program don't belong together: that is an error.
func parseEvent(kind eventKind, b []byte) (Event, error) {
	f := eventFields{seen: map[uint16]bool{}, encapsulation: EncapsulationNative}
	if err := decode(b, "event", f.take); err != nil {
		return nil, err
	}
	for _, attr := range kind.needs {
		if !f.seen[attr] {
			return nil, fmt.Errorf("the kernel's event lacks %s: is the module older than this program?", controlAttributes[attr])
		}
	}
	return kind.event(&f), nil
}
