// SPDX-License-Identifier: BSD-3-Clause

package address

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/jsimonetti/rtnetlink/v2"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"shim6/daemon/locator"
)

// Kernel does Actions by rtnetlink, in the network namespace of the thread that opened it. Do
// needs CAP_NET_ADMIN.
type Kernel struct{ conn *netlink.Conn }

// Open returns a Kernel.
func Open() (*Kernel, error) {
	c, err := netlink.Dial(unix.NETLINK_ROUTE, &netlink.Config{Strict: true})
	if err != nil {
		return nil, fmt.Errorf("opening a socket of rtnetlink: %w", err)
	}
	return &Kernel{c}, nil
}

// Close closes the socket. The kernel keeps what was set up.
func (k *Kernel) Close() error { return k.conn.Close() }

// Do does an Action. It is no error if something to be removed is not there, or if an
// administrator has given an address another label.
func (k *Kernel) Do(a Action) error {
	_, err := k.conn.Execute(a.Message())
	_, label := a.(AddLabel)
	if err == nil || removes(a) && isAbsent(err) || label && errors.Is(err, unix.EEXIST) {
		return nil
	}
	return fmt.Errorf("%v: %w", a, err)
}

// removes reports whether an Action removes something.
func removes(a Action) bool {
	switch a.(type) {
	case DeleteAddress, DeleteLabel, DeleteRule, DeleteRoute:
		return true
	}
	return false
}

// Rules reads the rules that have our mark.
func (k *Kernel) Rules() ([]Rule, error) {
	return list(k, unix.RTM_GETRULE, marshal(&rtnetlink.RuleMessage{Family: unix.AF_INET6}), parseRule)
}

// Routes reads the routes that have our mark.
func (k *Kernel) Routes() (Routes, error) {
	ours := marshal(&rtnetlink.RouteMessage{Family: unix.AF_INET6, Protocol: locator.Protocol})
	all, err := list(k, unix.RTM_GETROUTE, ours, parseRoute)
	if err != nil {
		return nil, err
	}
	routes := Routes{}
	for _, r := range all {
		routes[r] = struct{}{}
	}
	return routes, nil
}

// Labels reads the addresses that have our label.
func (k *Kernel) Labels() ([]netip.Addr, error) {
	b := make([]byte, unix.SizeofIfAddrlblmsg)
	b[0] = unix.AF_INET6
	return list(k, unix.RTM_GETADDRLABEL, b, parseLabel)
}

func list[T any](k *Kernel, kind netlink.HeaderType, request []byte, parse func(netlink.Message) (T, bool)) ([]T, error) {
	messages, err := k.conn.Execute(netlink.Message{
		Header: netlink.Header{Type: kind, Flags: netlink.Request | netlink.Dump}, Data: request,
	})
	if err != nil {
		return nil, fmt.Errorf("reading a list from rtnetlink: %w", err)
	}
	// A list that was interrupted by a change need not be read again here: the change is
	// told, and then the list is read again.
	var all []T
	for _, m := range messages {
		if v, ok := parse(m); ok {
			all = append(all, v)
		}
	}
	return all, nil
}

func isAbsent(err error) bool {
	for _, e := range []error{unix.EADDRNOTAVAIL, unix.ENODEV, unix.ESRCH, unix.ENOENT} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
