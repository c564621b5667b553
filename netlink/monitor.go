// SPDX-License-Identifier: BSD-3-Clause

package netlink

import (
	"fmt"

	"github.com/mdlayher/genetlink"

	"shim6/netlink/nlread"
)

// The multicast groups that Watch takes.
const (
	GroupConfig  = groupConfig
	GroupContext = groupContext
	GroupPolicy  = groupPolicy
)

// Notification tells of one change: exactly one of the pointers is set, to the object as it is
// now or, if Deleted, as it was.
type Notification struct {
	Config  *Config
	Context *Context
	Policy  *Policy
	// Deleted says that the context or the policy is gone.
	Deleted bool
}

// Monitor is told of the changes that any program makes. Close is for any goroutine, the other
// methods are for one.
type Monitor struct {
	conn   *genetlink.Conn
	family genetlink.Family
	queue  nlread.Queue[Notification]
}

// Watch returns a Monitor of the groups, such as GroupContext. It takes no privilege, so the
// contexts of notifications have no tags.
func Watch(options *Options, groups ...string) (*Monitor, error) {
	conn, err := options.dial(true)
	if err != nil {
		return nil, err
	}
	m, err := newMonitor(genetlink.NewConn(conn), groups)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return m, nil
}

// newMonitor is Watch on an open connection.
func newMonitor(conn *genetlink.Conn, groups []string) (*Monitor, error) {
	family, err := conn.GetFamily(familyName)
	if err != nil {
		return nil, familyError(err)
	}
	// A buffer beyond the system's limit takes a privilege. Without it more is lost.
	_ = conn.SetReadBuffer(readBuffer)
	ids := map[string]uint32{}
	for _, g := range family.Groups {
		ids[g.Name] = g.ID
	}
	for _, name := range groups {
		id, ok := ids[name]
		if !ok {
			return nil, fmt.Errorf("the kernel has no multicast group %q: is the module older than this program?", name)
		}
		if err := conn.JoinGroup(id); err != nil {
			return nil, fmt.Errorf("joining the multicast group %q: %w", name, err)
		}
	}
	return &Monitor{conn: conn, family: family}, nil
}

// Close closes the socket. A Receive that waits returns an error.
func (m *Monitor) Close() error { return m.conn.Close() }

// Receive waits for notifications. It ignores those of a newer kernel, so there may be none. The
// error ErrOverflow says that some were lost after those that were returned before; after any
// other error the Monitor is of no use.
func (m *Monitor) Receive() ([]Notification, error) {
	list, lost, err := m.queue.Receive(m.conn, m.next)
	if lost {
		return nil, ErrOverflow
	}
	return list, err
}

// next receives one datagram.
func (m *Monitor) next() ([]Notification, error) {
	messages, raw, err := m.conn.Receive()
	if err != nil {
		return nil, fmt.Errorf("receiving the kernel's notifications: %w", err)
	}
	var list []Notification
	for i, msg := range messages {
		if uint16(raw[i].Header.Type) != m.family.ID {
			continue
		}
		n, ok, err := parseNotification(msg)
		if err != nil {
			return list, err
		}
		if ok {
			list = append(list, n)
		}
	}
	return list, nil
}

// parseNotification reads a notification; ok is false for a command that it does not know.
func parseNotification(m genetlink.Message) (n Notification, ok bool, err error) {
	switch m.Header.Command {
	case cmdConfigNtf:
		var c Config
		c, err = parseConfig(m.Data)
		n.Config = &c
	case cmdContextNtf, cmdContextDelNtf:
		var c Context
		c, err = parseContext(m.Data)
		n.Context, n.Deleted = &c, m.Header.Command == cmdContextDelNtf
	case cmdPolicyNtf, cmdPolicyDelNtf:
		var p Policy
		p, err = parsePolicy(m.Data)
		n.Policy, n.Deleted = &p, m.Header.Command == cmdPolicyDelNtf
	default:
		return n, false, nil
	}
	return n, err == nil, err
}
