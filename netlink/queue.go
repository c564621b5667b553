// SPDX-License-Identifier: BSD-3-Clause

package netlink

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// queueLimit is more than a socket has room for at once: twice readBuffer, by the
// kernel's reckoning, of the smallest messages, which it counts as 640 octets.
const queueLimit = 1 << 14

// Queue is how the one reader of a netlink socket deals with an overflow. The zero
// value is ready for use.
type Queue[T any] struct {
	// overflown: a loss is to be told when what is queued has been, which is
	// at most left datagrams.
	overflown bool
	left      int
}

// Receive waits for what next receives from conn; ErrOverflow says that some was
// lost. Once the kernel has lost a message (unix.ENOBUFS) it loses all
// until it sees the queue empty. So what is queued is received first, and lost told
// after it: what is then read anew is younger than all of it, and later changes will
// be told. After any other error the socket is of no use.
func (q *Queue[T]) Receive(conn syscall.Conn, next func() ([]T, error)) ([]T, error) {
	list, lost, err := q.receive(func() bool { return waits(conn) }, next)
	if lost {
		return nil, ErrOverflow
	}
	return list, err
}

func (q *Queue[T]) receive(waits func() bool, next func() ([]T, error)) (list []T, lost bool, err error) {
	for {
		// Without left, a flood would put it off for good: it has been empty
		// by then.
		if q.overflown && (q.left == 0 || !waits()) {
			q.overflown = false
			return nil, true, nil
		}
		list, err := next()
		if !errors.Is(err, unix.ENOBUFS) {
			q.left--
			return list, false, err
		}
		// If that is so again, it was empty, and is full again: the next loss.
		again := q.overflown
		q.overflown, q.left = true, queueLimit
		if again {
			return nil, true, nil
		}
	}
}

// waits reports whether a socket has something to receive. A deadline can't tell:
// Go does not even try to read after one.
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
