// SPDX-License-Identifier: BSD-3-Clause

// Package netlinktest has a netlink socket of the running kernel that has lost messages, for tests
// of code that reads such sockets.
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

// Sent is how many messages Congested sends to a socket: more than the socket has room for.
const Sent = 1000

// Congested returns a socket that has lost some of Sent messages, and a function that sends one
// more message to it. message makes each message by its number, from 0; Congested fills in the
// length. The test is skipped if it lacks the privilege to send. The socket is closed when the test
// ends.
func Congested(t *testing.T, message func(number uint32) netlink.Message) (conn *netlink.Conn, send func()) {
	t.Helper()
	// Tests of other packages run at the same time, in processes with other groups.
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
		// The group gets the message first. Then port 0, which no socket has, refuses it.
		if err := unix.Sendto(s, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: group}); err != nil && err != unix.ECONNREFUSED {
			t.Fatal(err)
		}
	}
	for range Sent {
		send()
	}
	return conn, send
}

// UntilError calls receive until it fails, and returns everything that it has returned, with the
// error.
func UntilError[T any](receive func() ([]T, error)) (all []T, err error) {
	for err == nil {
		var list []T
		list, err = receive()
		all = append(all, list...)
	}
	return all, err
}

// Freed calls receive, closes the socket by closeIt while receive waits, and returns receive's
// error.
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
