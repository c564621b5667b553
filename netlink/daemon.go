// SPDX-License-Identifier: BSD-3-Clause

package netlink

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"time"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"shim6/netlink/nlread"
)

// Role is what a daemon's socket is registered for.
type Role int

const (
	// RoleMain is for the events of the host itself: acquire, reap and
	// expire, and, unless there is a socket for them, those from outside.
	// Such a socket is also told of changes of contexts by others, and when
	// the module goes.
	RoleMain Role = iota
	// RoleOutside is for what others can cause at will: control messages,
	// unknown tags and ICMPv6 errors. Those that belong to a context, by
	// its tag and locators, come by RoleMain all the same.
	RoleOutside
)

// ErrOverflow says that events were lost because they were not read fast
// enough. The socket still works; what the kernel has is to be read anew.
var ErrOverflow = errors.New("events of the kernel were lost")

// readBuffer is the socket's room for events, in octets: they come in bursts.
const readBuffer = nlread.MaxBuffer

// Event is something that the kernel tells its daemon: one of the types below.
type Event interface{ event() }

// ControlEvent is a control message that has arrived.
type ControlEvent struct {
	Source, Destination netip.Addr
	Interface           uint32
	// Message is the message from its Next Header field on.
	Message []byte
}

// NoContextEvent is a payload header that has arrived with an unknown tag.
type NoContextEvent struct {
	Source, Destination netip.Addr
	Interface           uint32
	Tag                 uint64
}

// AcquireEvent asks for a context.
type AcquireEvent struct {
	Local, Peer netip.Addr
	// Packets is how many of the ULID pair were counted.
	Packets uint64
}

// ReapNotice tells of the liveness of a context (reap-event).
type ReapNotice struct {
	ULIDs
	Tag   uint64
	Event ReapEvent
	// RTT is the round-trip time that TCP has measured; 0 if the event does not
	// say.
	RTT time.Duration
	// Retransmits is how often the timer of the connection has expired since
	// anything that it has sent was acknowledged, Length how many octets the
	// packet has that it sends, as it leaves, and Progress whether other
	// connections of the context get on.
	Retransmits, Length int
	Progress            bool
}

// ExpireEvent says that a context is quiescent.
type ExpireEvent struct {
	ULIDs
	Tag  uint64
	Idle time.Duration
}

// ICMPEvent is an ICMPv6 error about a packet with a Shim6 header.
type ICMPEvent struct {
	Type, Code uint8
	// Info is the MTU or the pointer.
	Info uint32
	// Source and Destination are those of the packet in error.
	Source, Destination netip.Addr
	// ULIDs is the context of a payload packet, zero for a control message.
	ULIDs
	Tag uint64
	// Message is what there is of a control message.
	Message []byte
}

// ChangeEvent says that another program has changed or made a context.
type ChangeEvent struct{ ULIDs }

// DeleteEvent says that another program has deleted a context.
type DeleteEvent struct{ ULIDs }

// GoneEvent says that the family is gone, and with it every context: the module
// was unloaded.
type GoneEvent struct{}

func (ControlEvent) event()   {}
func (NoContextEvent) event() {}
func (AcquireEvent) event()   {}
func (ReapNotice) event()     {}
func (ExpireEvent) event()    {}
func (ICMPEvent) event()      {}
func (ChangeEvent) event()    {}
func (DeleteEvent) event()    {}
func (GoneEvent) event()      {}

// Events is a registered socket of the namespace's daemon. Its methods are for
// one goroutine, but for Close.
type Events struct {
	conn   *genetlink.Conn
	family genetlink.Family
	// ours are the ports of sockets whose changes are not told.
	ours []uint32
	// early is what was told before the registration was acknowledged.
	early []Event
	queue nlread.Queue[Event]
}

// Register makes a socket the namespace's daemon, until it is closed. There can
// be one for each role; another one is a unix.EBUSY. Changes that were asked for
// by the sockets with the ports of ours are not told.
func Register(options *Options, role Role, ours ...uint32) (*Events, error) {
	if options == nil {
		options = &Options{}
	}
	conn, err := genetlink.Dial(&netlink.Config{NetNS: options.NetNS, Strict: true})
	if err != nil {
		return nil, fmt.Errorf("opening a netlink socket: %w", err)
	}
	e, err := register(conn, role, ours)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return e, nil
}

// register is Register on an open connection.
func register(conn *genetlink.Conn, role Role, ours []uint32) (*Events, error) {
	c, err := newClient(conn)
	if err != nil {
		return nil, err
	}
	// More room than the limit of the system is a privilege of the daemon; a
	// test's connection has no buffer.
	_ = conn.SetReadBuffer(readBuffer)
	e := &Events{conn: conn, family: c.family, ours: ours}
	if role == RoleMain {
		if err := e.join(conn); err != nil {
			return nil, err
		}
	}
	err = e.enrol(role)
	if errors.Is(err, unix.EBUSY) {
		err = fmt.Errorf("%w: is another shim6d running?", err)
	}
	if err != nil {
		return nil, err
	}
	return e, nil
}

// enrol asks for the registration. The groups that are joined already, and the
// request itself, have the kernel tell things before it acknowledges: those are
// kept for Receive.
func (e *Events) enrol(role Role) error {
	enc := newEncoder(controlAttributes)
	enc.Flag(attrControlFromOutside, role == RoleOutside)
	attributes, err := enc.encode()
	if err != nil {
		return err
	}
	sent, err := send(e.conn, e.family.ID, cmdDaemonRegister, netlink.Acknowledge, attributes, controlAttributes)
	if err != nil {
		return err
	}
	for acknowledged := false; !acknowledged; {
		messages, raw, err := e.conn.Receive()
		if err != nil {
			return requestError(err, attributes, controlAttributes)
		}
		for i, r := range raw {
			if r.Header.Sequence == sent.Header.Sequence && r.Header.PID == sent.Header.PID {
				acknowledged = true
				continue
			}
			ev, err := e.parse(messages[i], r.Header)
			if err != nil {
				return err
			}
			if ev != nil {
				e.early = append(e.early, ev)
			}
		}
	}
	return nil
}

// join has the socket told of contexts, and of families that come and go.
func (e *Events) join(conn *genetlink.Conn) error {
	controller, err := conn.GetFamily(controllerName)
	if err != nil {
		return fmt.Errorf("looking for the family %q: %w", controllerName, err)
	}
	for _, g := range slices.Concat(e.family.Groups, controller.Groups) {
		if g.Name == groupContext || g.Name == controllerGroup {
			if err := conn.JoinGroup(g.ID); err != nil {
				return fmt.Errorf("joining the multicast group %q: %w", g.Name, err)
			}
		}
	}
	return nil
}

// The family of families, which every kernel has.
const (
	controllerName      = "nlctrl"
	controllerGroup     = "notify"
	controllerID        = 16
	controllerDelFamily = 2
	controllerFamilyID  = 1
)

// Close ends the registration; a Receive that waits returns an error.
func (e *Events) Close() error { return e.conn.Close() }

// Receive waits for events. ErrOverflow says that some were lost after those that
// were returned before; after any other error the socket is of no use. Events of a
// newer kernel are passed over, so there may be none.
func (e *Events) Receive() ([]Event, error) {
	if early := e.early; early != nil {
		e.early = nil
		return early, nil
	}
	events, lost, err := e.queue.Receive(e.conn, e.next)
	if lost {
		return nil, ErrOverflow
	}
	return events, err
}

// next receives one datagram.
func (e *Events) next() ([]Event, error) {
	messages, raw, err := e.conn.Receive()
	if err != nil {
		return nil, fmt.Errorf("receiving the kernel's events: %w", err)
	}
	var events []Event
	for i, m := range messages {
		ev, err := e.parse(m, raw[i].Header)
		if err != nil {
			return events, err
		}
		if ev != nil {
			events = append(events, ev)
		}
	}
	return events, nil
}

func (e *Events) parse(m genetlink.Message, h netlink.Header) (Event, error) {
	if h.Type == controllerID {
		return e.parseController(m)
	}
	if uint16(h.Type) != e.family.ID {
		return nil, nil
	}
	switch m.Header.Command {
	case cmdContextNtf, cmdContextDelNtf:
		if slices.Contains(e.ours, h.PID) {
			return nil, nil
		}
		c, err := parseContext(m.Data)
		if err != nil {
			return nil, err
		}
		if m.Header.Command == cmdContextNtf {
			return ChangeEvent{c.ULIDs}, nil
		}
		return DeleteEvent{c.ULIDs}, nil
	case cmdControlEvent, cmdNoContextEvent, cmdAcquireEvent, cmdReapEvent, cmdExpireEvent, cmdIcmpEvent:
		return parseEvent(m.Header.Command, m.Data)
	}
	return nil, nil
}

func (e *Events) parseController(m genetlink.Message) (Event, error) {
	if m.Header.Command != controllerDelFamily {
		return nil, nil
	}
	var id uint16
	err := decode(m.Data, "family", func(d *decoder) {
		if d.Type() == controllerFamilyID {
			id = d.Uint16()
		}
	})
	if err != nil || id != e.family.ID {
		return nil, err
	}
	return GoneEvent{}, nil
}

// parseEvent reads the attributes of an event. What an event must have, and has
// not, is an error: the kernel and this program don't belong together.
func parseEvent(command uint8, b []byte) (Event, error) {
	var ev struct {
		source, destination netip.Addr
		ifindex             uint32
		message             []byte
		tag, packets        uint64
		ulids               ULIDs
		reap                ReapEvent
		idle                time.Duration
		icmpType, icmpCode  uint8
		icmpInfo            uint32
		rtt                 time.Duration
		retransmits, length int
		progress            bool
	}
	seen := map[uint16]bool{}
	err := decode(b, "event", func(d *decoder) {
		seen[d.Type()] = true
		switch d.Type() {
		case attrControlSource:
			ev.source = d.addr()
		case attrControlDestination:
			ev.destination = d.addr()
		case attrControlIfindex:
			ev.ifindex = d.Uint32()
		case attrControlMessage:
			ev.message = d.Bytes()
		case attrControlTag:
			ev.tag = d.Uint64()
		case attrControlEvent:
			ev.reap = ReapEvent(d.Uint32())
		case attrControlUlidLocal:
			ev.ulids.Local = d.addr()
		case attrControlUlidPeer:
			ev.ulids.Peer = d.addr()
		case attrControlFii:
			ev.ulids.FII = d.Uint32()
		case attrControlPackets:
			ev.packets = d.Uint64()
		case attrControlIdle:
			ev.idle = d.milliseconds()
		case attrControlIcmpType:
			ev.icmpType = d.Uint8()
		case attrControlIcmpCode:
			ev.icmpCode = d.Uint8()
		case attrControlIcmpInfo:
			ev.icmpInfo = d.Uint32()
		case attrControlRtt:
			ev.rtt = time.Duration(d.Uint32()) * time.Microsecond
		case attrControlRetransmits:
			ev.retransmits = int(d.Uint32())
		case attrControlLength:
			ev.length = int(d.Uint32())
		case attrControlProgress:
			ev.progress = d.Flag()
		}
	})
	if err != nil {
		return nil, err
	}
	for _, attr := range eventAttributes[command] {
		if !seen[attr] {
			return nil, fmt.Errorf("the kernel's event lacks %s: is the module older than this program?", controlAttributes[attr])
		}
	}
	switch command {
	case cmdControlEvent:
		return ControlEvent{Source: ev.source, Destination: ev.destination, Interface: ev.ifindex, Message: ev.message}, nil
	case cmdNoContextEvent:
		return NoContextEvent{Source: ev.source, Destination: ev.destination, Interface: ev.ifindex, Tag: ev.tag}, nil
	case cmdAcquireEvent:
		return AcquireEvent{Local: ev.ulids.Local, Peer: ev.ulids.Peer, Packets: ev.packets}, nil
	case cmdReapEvent:
		return ReapNotice{ULIDs: ev.ulids, Tag: ev.tag, Event: ev.reap, RTT: ev.rtt,
			Retransmits: ev.retransmits, Length: ev.length, Progress: ev.progress}, nil
	case cmdExpireEvent:
		return ExpireEvent{ULIDs: ev.ulids, Tag: ev.tag, Idle: ev.idle}, nil
	}
	return ICMPEvent{
		Type: ev.icmpType, Code: ev.icmpCode, Info: ev.icmpInfo,
		Source: ev.source, Destination: ev.destination,
		ULIDs: ev.ulids, Tag: ev.tag, Message: ev.message,
	}, nil
}

// eventAttributes are what each event has at least.
var eventAttributes = map[uint8][]uint16{
	cmdControlEvent:   {attrControlSource, attrControlDestination, attrControlMessage},
	cmdNoContextEvent: {attrControlSource, attrControlDestination, attrControlTag},
	cmdAcquireEvent:   {attrControlUlidLocal, attrControlUlidPeer},
	cmdReapEvent:      {attrControlEvent, attrControlUlidLocal, attrControlUlidPeer, attrControlTag},
	cmdExpireEvent:    {attrControlUlidLocal, attrControlUlidPeer, attrControlTag},
	cmdIcmpEvent:      {attrControlSource, attrControlDestination, attrControlIcmpType, attrControlIcmpCode},
}

// Commander is the Client of a daemon.
type Commander struct {
	*Client
	port uint32
}

// DialCommander is Dial for a daemon.
func DialCommander(options *Options) (*Commander, error) {
	if options == nil {
		options = &Options{}
	}
	conn, err := netlink.Dial(genetlink.Protocol, &netlink.Config{NetNS: options.NetNS, Strict: true})
	if err != nil {
		return nil, fmt.Errorf("opening a netlink socket: %w", err)
	}
	c, err := newClient(genetlink.NewConn(conn))
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &Commander{Client: c, port: conn.PID()}, nil
}

// Port is by what the kernel knows the socket. Notifications have it that tell
// of what this client has done.
func (c *Commander) Port() uint32 { return c.port }

// SendControl sends a control message, which has its checksum, from an address of
// this host. It returns when the packet has left the stack, or was refused.
func (c *Client) SendControl(source, destination netip.Addr, message []byte, length int) error {
	return c.change(cmdControlSend, controlAttributes, func(e *encoder) {
		e.addr(attrControlSource, source)
		e.addr(attrControlDestination, destination)
		e.Bytes(attrControlMessage, message)
		if length > 0 {
			e.Uint32(attrControlLength, uint32(length))
		}
	})
}

// DeleteTagged is DeleteContext for that context of these ULIDs alone that has a
// local tag. If there is another one, or none, the error is an fs.ErrNotExist.
func (c *Client) DeleteTagged(ulids ULIDs, tagLocal uint64) error {
	return c.change(cmdContextDel, contextAttributes, func(e *encoder) {
		e.ulids(ulids)
		e.Uint64(attrContextTagLocal, tagLocal)
	})
}

// Loaded reports whether the kernel has the family now. Unlike Dial it does not
// make the kernel load the module.
func Loaded(options *Options) (bool, error) {
	if options == nil {
		options = &Options{}
	}
	conn, err := genetlink.Dial(&netlink.Config{NetNS: options.NetNS})
	if err != nil {
		return false, fmt.Errorf("opening a netlink socket: %w", err)
	}
	defer conn.Close()
	return loaded(conn)
}

func loaded(conn *genetlink.Conn) (bool, error) {
	families, err := conn.ListFamilies()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("listing the kernel's families: %w", err)
	}
	return slices.ContainsFunc(families, func(f genetlink.Family) bool { return f.Name == familyName }), nil
}
