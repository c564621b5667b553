// SPDX-License-Identifier: BSD-3-Clause

// Package netlinktest has a socket of the kernel that has lost messages, for tests of
// who reads such sockets.
package netlinktest

import (
	"errors"
	"io/fs"
	"os"
	"testing"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Sent is how many messages a congested socket was sent, more than it has room for.
const Sent = 1000

// Congested returns a socket of the kernel that has lost some of Sent messages, and a
// function that sends it one more. message makes each by its number, from 0; its
// length is filled in. Where that takes a privilege which is not there the test is
// skipped.
func Congested(t *testing.T, message func(number uint32) netlink.Message) (conn *netlink.Conn, send func()) {
	t.Helper()
	// Tests of other packages run at the same time.
	group := uint32(1) << (os.Getpid() % 32)
	conn, err := netlink.Dial(unix.NETLINK_USERSOCK, &netlink.Config{Groups: group})
	if errors.Is(err, fs.ErrPermission) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetReadBuffer(8192); err != nil {
		t.Fatal(err)
	}
	s, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_USERSOCK)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(s) })
	number := uint32(0)
	send = func() {
		m := message(number)
		number++
		m.Header.Length = uint32(16 + len(m.Data))
		b, err := m.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		// It is refused by port 0, where nobody is, after the group has it.
		if err := unix.Sendto(s, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: group}); err != nil && err != unix.ECONNREFUSED {
			t.Fatal(err)
		}
	}
	for range Sent {
		send()
	}
	return conn, send
}

// UntilError returns what is received before an error, and that.
func UntilError[T any](receive func() ([]T, error)) (all []T, err error) {
	for err == nil {
		var list []T
		list, err = receive()
		all = append(all, list...)
	}
	return all, err
}

// Freed returns the error with which a receive that waits ends when the socket is
// closed.
func Freed[T any](t *testing.T, receive func() ([]T, error), closeIt func() error) error {
	t.Helper()
	freed := make(chan error)
	go func() {
		_, err := receive()
		freed <- err
	}()
	time.Sleep(10 * time.Millisecond)
	if err := closeIt(); err != nil {
		t.Error(err)
	}
	return <-freed
}
