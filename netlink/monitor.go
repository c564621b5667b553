// SPDX-License-Identifier: BSD-3-Clause

package netlink

import (
	"fmt"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"

	"shim6/netlink/nlread"
)

// The multicast groups, which a Monitor can be told by.
const (
	GroupConfig  = groupConfig
	GroupContext = groupContext
	GroupPolicy  = groupPolicy
)

// Notification tells what has changed: exactly one of the pointers is set.
type Notification struct {
	Config  *Config
	Context *Context
	Policy  *Policy
	// Deleted says that the context or the rule is gone.
	Deleted bool
}

// Monitor is told of changes, by whomever they are made. Its methods are for one
// goroutine, but for Close.
type Monitor struct {
	conn   *genetlink.Conn
	family genetlink.Family
	queue  nlread.Queue[Notification]
}

// Watch returns a Monitor of some of the groups. It takes no privilege.
func Watch(options *Options, groups ...string) (*Monitor, error) {
	if options == nil {
		options = &Options{}
	}
	conn, err := genetlink.Dial(&netlink.Config{NetNS: options.NetNS, Strict: true})
	if err != nil {
		return nil, fmt.Errorf("opening a netlink socket: %w", err)
	}
	m, err := newMonitor(conn, groups)
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
	// More room than the limit of the system takes a privilege.
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

// Close ends it; a Receive that waits returns an error.
func (m *Monitor) Close() error { return m.conn.Close() }

// Receive waits for notifications. ErrOverflow says that some were lost after those
// that were returned before; after any other error the Monitor is of no use. Those
// of a newer kernel are passed over, so there may be none.
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

// parseNotification reports false for what it does not know.
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
