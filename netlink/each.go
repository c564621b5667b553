// SPDX-License-Identifier: BSD-3-Clause

package netlink

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"shim6/netlink/nlread"
)

// eachBuffer is more than the kernel sends of a dump at a time.
const eachBuffer = 64 << 10

// messageAlign is what the kernel aligns messages to, and messageLen the length of their headers.
const messageAlign, messageLen = 4, 16

// EachContext calls do with each context that the filter fits, oldest first, as the kernel sends them,
// so that memory does not grow with the number of contexts. A context belongs to do only until do
// returns. do must not call the Client. If it returns an error, that is the result, once the kernel has
// sent all. With ErrInterrupted, contexts have come or gone meanwhile, and some may be missing.
func (c *Client) EachContext(f ContextFilter, do func(*Context) error) error {
	r, err := newRequest(cmdContextGet, netlink.Dump, contextAttributes, f.encode)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	raw, err := c.conn.SyscallConn()
	if err != nil {
		return err
	}
	sent, err := r.send(c.conn, c.family.ID)
	if err != nil {
		return err
	}
	e := each{sequence: sent.Header.Sequence, request: r, do: do}
	buffer := make([]byte, eachBuffer)
	for !e.done {
		n := 0
		var failed error
		err := raw.Read(func(fd uintptr) bool {
			n, _, _, _, failed = unix.Recvmsg(int(fd), buffer, nil, 0)
			return !errors.Is(failed, syscall.EAGAIN)
		})
		if err := errors.Join(err, failed); err != nil {
			return fmt.Errorf("reading contexts: %w", err)
		}
		if err := e.read(buffer[:n]); err != nil {
			return err
		}
	}
	if e.err == nil && e.interrupted {
		return ErrInterrupted
	}
	return e.err
}

// each is what EachContext has read so far.
type each struct {
	sequence    uint32
	request     request
	do          func(*Context) error
	interrupted bool
	// err is that of do, which is not called again.
	err error
	// done: the kernel has sent all.
	done bool
}

// read takes one datagram of a dump. An error is one of the kernel's, or of its messages.
func (e *each) read(b []byte) error {
	for len(b) > 0 && !e.done {
		var m netlink.Message
		length := 0
		if len(b) >= messageLen {
			length = int(binary.NativeEndian.Uint32(b))
		}
		if length < messageLen || length > len(b) {
			return fmt.Errorf("the kernel sent a message of %d octets, cut off at %d", length, len(b))
		}
		if err := m.UnmarshalBinary(b[:length:length]); err != nil {
			return fmt.Errorf("reading contexts: %w", err)
		}
		b = b[min(len(b), (length+messageAlign-1)/messageAlign*messageAlign):]
		if m.Header.Sequence != e.sequence {
			// It belongs to a request that was given up.
			continue
		}
		if err := e.message(&m); err != nil {
			return err
		}
	}
	return nil
}

func (e *each) message(m *netlink.Message) error {
	e.interrupted = e.interrupted || nlread.Interrupted([]netlink.Message{*m})
	switch m.Header.Type {
	case netlink.Done, netlink.Error:
		e.done = true
		if len(m.Data) >= 4 {
			if code := int32(binary.NativeEndian.Uint32(m.Data)); code < 0 {
				return requestError(&netlink.OpError{Op: "receive", Err: syscall.Errno(-code)}, e.request)
			}
		}
		return nil
	}
	var g genetlink.Message
	if err := g.UnmarshalBinary(m.Data); err != nil {
		return fmt.Errorf("reading contexts: %w", err)
	}
	if e.err != nil {
		return nil
	}
	c, err := parseContext(g.Data)
	if err != nil {
		e.err = err
		return nil
	}
	e.err = e.do(&c)
	return nil
}
