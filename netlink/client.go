// SPDX-License-Identifier: BSD-3-Clause

package netlink

import (
	"errors"
	"fmt"
	"sync"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"

	"shim6/netlink/nlread"
)

// Options says how to reach the kernel. The zero value is the calling
// thread's network namespace.
type Options struct {
	// NetNS is an open file descriptor of a network namespace, 0 for the
	// caller's own. It is needed only until Dial returns.
	NetNS int
}

// ErrInterrupted says that what was listed has changed while it was read, time
// and again: the list is what was seen, of one moment or another.
var ErrInterrupted = errors.New("the list has changed while it was read and may be incomplete")

// Client asks the kernel. Its methods may be called by several goroutines.
type Client struct {
	mu     sync.Mutex // one request at a time
	conn   *genetlink.Conn
	family genetlink.Family
}

// Dial connects to the family in one network namespace; the kernel loads the
// module if it is installed. A nil options is the zero Options.
//
// If there is no such family, the error is an fs.ErrNotExist.
func Dial(options *Options) (*Client, error) {
	if options == nil {
		options = &Options{}
	}
	conn, err := genetlink.Dial(&netlink.Config{NetNS: options.NetNS, Strict: true})
	if err != nil {
		return nil, fmt.Errorf("opening a netlink socket: %w", err)
	}
	c, err := newClient(conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

// newClient is Dial on an open connection; tests have their own.
func newClient(conn *genetlink.Conn) (*Client, error) {
	family, err := conn.GetFamily(familyName)
	if err != nil {
		return nil, familyError(err)
	}
	return &Client{conn: conn, family: family}, nil
}

// Close closes the connection; calls that wait for the kernel return an error.
func (c *Client) Close() error { return c.conn.Close() }

// send sends a request of the family. Every request passes here, so that errors are
// made plain in one place; requestError does so with what is received for it.
func send(conn *genetlink.Conn, family uint16, command uint8, flags netlink.HeaderFlags, attributes []byte, names []string) (netlink.Message, error) {
	sent, err := conn.Send(genetlink.Message{
		Header: genetlink.Header{Command: command, Version: familyVersion},
		Data:   attributes,
	}, family, netlink.Request|flags)
	if err != nil {
		return sent, requestError(err, attributes, names)
	}
	return sent, nil
}

// execute sends one request and returns the replies.
func (c *Client) execute(command uint8, flags netlink.HeaderFlags, attributes []byte, names []string) ([]genetlink.Message, error) {
	replies, _, err := c.exchange(command, flags, attributes, names)
	return replies, err
}

// exchange is execute for who wants to know, too, if the kernel has marked a
// reply as interrupted.
func (c *Client) exchange(command uint8, flags netlink.HeaderFlags, attributes []byte, names []string) ([]genetlink.Message, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	sent, err := send(c.conn, c.family.ID, command, flags, attributes, names)
	if err != nil {
		return nil, false, err
	}
	replies, raw, err := c.conn.Receive()
	if err != nil {
		return nil, false, requestError(err, attributes, names)
	}
	if err := netlink.Validate(sent, raw); err != nil {
		return nil, false, err
	}
	return replies, nlread.Interrupted(raw), nil
}

// change sends a request that is acknowledged and brings no reply.
func (c *Client) change(command uint8, names []string, fill func(*encoder)) error {
	e := newEncoder(names)
	fill(e)
	attributes, err := e.encode()
	if err != nil {
		return err
	}
	_, err = c.execute(command, netlink.Acknowledge, attributes, names)
	return err
}

// dump reads a list, again if it changes meanwhile.
func dump[T any](c *Client, command uint8, names []string, fill func(*encoder), parse func([]byte) (T, error)) ([]T, error) {
	e := newEncoder(names)
	fill(e)
	attributes, err := e.encode()
	if err != nil {
		return nil, err
	}
	replies, complete, err := nlread.Dump(func() ([]genetlink.Message, bool, error) {
		return c.exchange(command, netlink.Dump, attributes, names)
	})
	if err != nil {
		return nil, err
	}
	list := make([]T, 0, len(replies))
	for _, r := range replies {
		v, err := parse(r.Data)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	if !complete {
		return list, ErrInterrupted
	}
	return list, nil
}
