// SPDX-License-Identifier: BSD-3-Clause

package locator

import (
	"errors"
	"testing"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"shim6/netlink/netlinktest"
)

// After an overflow, queued messages come before the loss, and later messages are received. The
// socket is one of the kernel, in place of rtnetlink's.
func TestReceiveOverflow(t *testing.T) {
	const sent = netlinktest.Sent
	conn, send := netlinktest.Congested(t, func(number uint32) netlink.Message {
		return netlink.Message{Header: netlink.Header{Type: unix.RTM_NEWADDR, Sequence: number}, Data: make([]byte, 4)}
	})
	w := &Watcher{events: conn}
	got, err := netlinktest.UntilError(w.Receive)
	if !errors.Is(err, ErrOverflow) || len(got) == 0 || len(got) == sent {
		t.Fatalf("%d messages, %v", len(got), err)
	}
	for i, m := range got {
		if m.Header.Sequence != uint32(i) {
			t.Fatalf("message %d: %+v", i, m)
		}
	}
	send()
	got, err = w.Receive()
	if err != nil || len(got) != 1 || got[0].Header.Sequence != sent {
		t.Errorf("after the loss: %+v, %v", got, err)
	}
	// Close still ends a Receive that waits.
	if err := netlinktest.Freed(t, w.Receive, conn.Close); err == nil || errors.Is(err, ErrOverflow) {
		t.Error("after Close:", err)
	}
}

// The kernel tells a Watcher everything that a Table and address.Prefixes need.
func TestGroups(t *testing.T) {
	w, err := Watch()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	c, err := w.events.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var joined uint64
	if e := c.Control(func(fd uintptr) {
		joined, err = unix.GetsockoptUint64(int(fd), unix.SOL_NETLINK, unix.NETLINK_LIST_MEMBERSHIPS)
	}); e != nil || err != nil {
		t.Fatal(e, err)
	}
	for what, group := range map[string]uint{
		"links": unix.RTNLGRP_LINK, "neighbours": unix.RTNLGRP_NEIGH, "addresses": unix.RTNLGRP_IPV6_IFADDR,
		"routes": unix.RTNLGRP_IPV6_ROUTE, "prefixes of routers": unix.RTNLGRP_IPV6_PREFIX,
	} {
		if joined&(1<<(group-1)) == 0 {
			t.Errorf("it hears nothing of %s: it has joined %#x", what, joined)
		}
	}
}
