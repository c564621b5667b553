// SPDX-License-Identifier: BSD-3-Clause

package nlread

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// MaxBuffer is the largest read buffer, in octets, that a socket with a Queue may have.
const MaxBuffer = 4 << 20

// queueLimit is more datagrams than a socket has room for at once: the kernel doubles the
// read buffer, and counts 640 octets for the smallest message.
const queueLimit = 1 << 14

// Queue receives from a netlink socket and reports when the kernel has dropped messages
// for want of room. The zero value is ready for use. It is for one goroutine, which must
// be the only reader of the socket.
type Queue[T any] struct {
	// overflown: a loss is to be reported after the datagrams that are queued.
	overflown bool
	// left is how many datagrams may still come before the loss is reported.
	left int
}

// Receive waits for what next receives from conn. lost reports that messages were dropped after
// those that were returned before; list is nil then. The socket still works, but its owner must
// read the state again that the messages describe. After an error the socket is of no use.
//
// Once the kernel has dropped a message (unix.ENOBUFS), it drops all until it sees the queue empty.
// So Receive first returns the queued messages, and then reports the loss: the state that the
// caller then reads is younger than all of them, and later changes come as messages.
func (q *Queue[T]) Receive(conn syscall.Conn, next func() ([]T, error)) (list []T, lost bool, err error) {
	return q.receive(func() bool { return waits(conn) }, next)
}

func (q *Queue[T]) receive(waits func() bool, next func() ([]T, error)) (list []T, lost bool, err error) {
	for {
		// Without left, a flood could put the report off for good. When left is used up,
		// the queue has been empty.
		if q.overflown && (q.left == 0 || !waits()) {
			q.overflown = false
			return nil, true, nil
		}
		list, err := next()
		if !errors.Is(err, unix.ENOBUFS) {
			q.left--
			return list, false, err
		}
		// A second ENOBUFS means that the queue was empty and is full again: the next loss.
		again := q.overflown
		q.overflown, q.left = true, queueLimit
		if again {
			return nil, true, nil
		}
	}
}

// waits reports whether a socket has something to receive. A deadline can't tell: Go does
// not even try to read after one.
func waits(conn syscall.Conn) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	n := 0
	control := raw.Control(func(fd uintptr) {
		for err = unix.EINTR; err == unix.EINTR; {
			n, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		}
	})
	return control == nil && err == nil && n > 0
}
