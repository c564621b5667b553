// SPDX-License-Identifier: BSD-3-Clause

package netlink

import (
	"errors"
	"fmt"
	"slices"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"shim6/netlink/nlread"
)

// Role says which events a daemon's socket is registered for.
type Role int

const (
	// RoleMain is for the events of the host itself: acquire, reap and expire. It also gets
	// the events of RoleOutside as long as no socket has that role. Such a socket is told,
	// too, when another program changes a context, and when the module goes.
	RoleMain Role = iota
	// RoleOutside is for what others can cause at will: control messages, unknown tags and
	// ICMPv6 errors. Those that belong to a context, by its tag and locators, come by
	// RoleMain all the same.
	RoleOutside
)

// ErrOverflow says that events were lost because they were not read fast enough. The socket
// still works; the kernel's state is to be read again.
var ErrOverflow = errors.New("events of the kernel were lost")

// readBuffer is the socket's room for events, in octets: they come in bursts.
const readBuffer = nlread.MaxBuffer

// Events is a registered socket of the namespace's daemon. Close is for any goroutine, the
// other methods are for one.
type Events struct {
	conn   *genetlink.Conn
	family genetlink.Family
	// ours are the ports of the sockets whose changes Receive does not return.
	ours []uint32
	// early are the events that came before the registration was acknowledged.
	early []Event
	queue nlread.Queue[Event]
}

// Register makes a socket the namespace's daemon until it is closed. Each role is for one
// socket at a time: if there is one already, the error is a unix.EBUSY. Receive does not
// return changes that sockets with the ports in ours have asked for.
func Register(options *Options, role Role, ours ...uint32) (*Events, error) {
	conn, err := options.dial(true)
	if err != nil {
		return nil, err
	}
	e, err := register(genetlink.NewConn(conn), role, ours)
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
	// A buffer beyond the system's limit takes a privilege, which the daemon has. The
	// connection of a test has no buffer, so an error does not matter.
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

// join makes the socket a member of the groups that tell of contexts, and of families that
// come and go.
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

// enrol asks for the registration. The socket is in its groups by now, and the registration
// takes effect before it is acknowledged: events that come meanwhile are kept for Receive.
func (e *Events) enrol(role Role) error {
	r, err := newRequest(cmdDaemonRegister, netlink.Acknowledge, controlAttributes, func(enc *encoder) {
		enc.Flag(attrControlFromOutside, role == RoleOutside)
	})
	if err != nil {
		return err
	}
	sent, err := r.send(e.conn, e.family.ID)
	if err != nil {
		return err
	}
	for acknowledged := false; !acknowledged; {
		messages, raw, err := e.conn.Receive()
		if err != nil {
			return requestError(err, r)
		}
		for i, m := range raw {
			if m.Header.Sequence == sent.Header.Sequence && m.Header.PID == sent.Header.PID {
				acknowledged = true
				continue
			}
			ev, err := e.parse(messages[i], m.Header)
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

// Close ends the registration. A Receive that waits returns an error.
func (e *Events) Close() error { return e.conn.Close() }

// Receive waits for events. It ignores events of a newer kernel, so there may be none. The
// error ErrOverflow says that some were lost after those that were returned before; after any
// other error the socket is of no use.
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

// parse returns the event of a message, nil if the message is to be ignored.
func (e *Events) parse(m genetlink.Message, h netlink.Header) (Event, error) {
	switch uint16(h.Type) {
	case controllerID:
		gone, err := familyGone(m, e.family.ID)
		if !gone {
			return nil, err
		}
		return GoneEvent{}, nil
	case e.family.ID:
	default:
		return nil, nil
	}
	if kind, ok := eventKinds[m.Header.Command]; ok {
		return parseEvent(kind, m.Data)
	}
	if m.Header.Command != cmdContextNtf && m.Header.Command != cmdContextDelNtf || slices.Contains(e.ours, h.PID) {
		return nil, nil
	}
	c, err := parseContext(m.Data)
	switch {
	case err != nil:
		return nil, err
	case m.Header.Command == cmdContextDelNtf:
		return DeleteEvent{c.ULIDs}, nil
	}
	return ChangeEvent{c.ULIDs}, nil
}

// Commander is the Client of a daemon: its changes can be told from those of others.
type Commander struct {
	*Client
	port uint32
}

// DialCommander is Dial for a daemon.
func DialCommander(options *Options) (*Commander, error) {
	conn, err := options.dial(true)
	if err != nil {
		return nil, err
	}
	c, err := newClient(genetlink.NewConn(conn))
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &Commander{Client: c, port: conn.PID()}, nil
}

// Port is the number by which the kernel knows the socket. Notifications of changes that this
// client has asked for have it; it is for Register.
func (c *Commander) Port() uint32 { return c.port }
