// SPDX-License-Identifier: BSD-3-Clause

package locator

import (
	"errors"
	"fmt"

	"github.com/jsimonetti/rtnetlink/v2"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"shim6/netlink/nlread"
)

// ErrOverflow says that messages were lost because they were not read fast enough. Dump again.
var ErrOverflow = errors.New("messages of rtnetlink were lost")

// groups tell of links, neighbours, IPv6 addresses, routes and rules, of the prefixes that routers
// announce, and of which router has announced which.
const groups = unix.RTMGRP_LINK | unix.RTMGRP_NEIGH | unix.RTMGRP_IPV6_IFADDR | unix.RTMGRP_IPV6_ROUTE |
	unix.RTMGRP_IPV6_PREFIX | 1<<(unix.RTNLGRP_IPV6_RULE-1) | 1<<(unix.RTNLGRP_ND_USEROPT-1)

// readBuffer is the socket's room for messages in octets. Messages come in bursts.
const readBuffer = 1 << 20

// Watcher is told by rtnetlink of what happens, in the network namespace of the
// thread that made it.
type Watcher struct {
	events, requests *netlink.Conn
	queue            nlread.Queue[netlink.Message]
}

// Watch returns a Watcher, which tells everything that happens from now on.
func Watch() (*Watcher, error) {
	events, err := netlink.Dial(unix.NETLINK_ROUTE, &netlink.Config{Groups: groups})
	if err != nil {
		return nil, fmt.Errorf("opening a socket of rtnetlink: %w", err)
	}
	requests, err := netlink.Dial(unix.NETLINK_ROUTE, &netlink.Config{Strict: true})
	if err != nil {
		events.Close()
		return nil, fmt.Errorf("opening a socket of rtnetlink: %w", err)
	}
	// More room than the system's limit needs a privilege. With less room there are more
	// dumps.
	_ = events.SetReadBuffer(readBuffer)
	return &Watcher{events: events, requests: requests}, nil
}

// Close ends the Watcher. A Receive that waits returns an error.
func (w *Watcher) Close() error { return errors.Join(w.events.Close(), w.requests.Close()) }

// Receive waits for messages. ErrOverflow says that some were lost after those that were
// returned before. After any other error the Watcher is of no use. One goroutine may call
// Receive; any may call Close.
func (w *Watcher) Receive() ([]netlink.Message, error) {
	messages, lost, err := w.queue.Receive(w.events, w.events.Receive)
	switch {
	case lost:
		return nil, ErrOverflow
	case err != nil:
		return nil, fmt.Errorf("receiving from rtnetlink: %w", err)
	}
	return messages, nil
}

// Dump reads everything that a Table is made of.
func (w *Watcher) Dump() ([]netlink.Message, error) {
	var all []netlink.Message
	for _, r := range []struct {
		kind netlink.HeaderType
		what rtnetlink.Message
	}{
		{unix.RTM_GETLINK, &rtnetlink.LinkMessage{}},
		{unix.RTM_GETADDR, &rtnetlink.AddressMessage{Family: unix.AF_INET6}},
		{unix.RTM_GETNEIGH, &rtnetlink.NeighMessage{Family: unix.AF_INET6}},
	} {
		m, err := w.dump(r.kind, r.what)
		if err != nil {
			return nil, err
		}
		all = append(all, m...)
	}
	routes, err := w.Routes()
	return append(all, routes...), err
}

// Routes reads the routes.
func (w *Watcher) Routes() ([]netlink.Message, error) {
	return w.dump(unix.RTM_GETROUTE, &rtnetlink.RouteMessage{Family: unix.AF_INET6})
}

func (w *Watcher) dump(kind netlink.HeaderType, what rtnetlink.Message) ([]netlink.Message, error) {
	b, err := what.MarshalBinary()
	if err != nil {
		return nil, err
	}
	// An interrupted list will do: the changes are told as well.
	list, _, err := nlread.Dump(func() ([]netlink.Message, bool, error) {
		list, err := w.requests.Execute(netlink.Message{
			Header: netlink.Header{Type: kind, Flags: netlink.Request | netlink.Dump},
			Data:   b,
		})
		return list, nlread.Interrupted(list), err
	})
	if err != nil {
		return nil, fmt.Errorf("reading a list from rtnetlink: %w", err)
	}
	return list, nil
}
