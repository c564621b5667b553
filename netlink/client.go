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

// Options says how to reach the kernel. The zero value, and a nil *Options, mean the calling
// thread's network namespace.
type Options struct {
	// NetNS is an open file descriptor of a network namespace, 0 for the caller's own. It is
	// needed only until the function that takes the Options returns.
	NetNS int
}

// dial opens a generic netlink socket. A strict one gets the kernel's sentences with its errors,
// and has requests checked.
func (o *Options) dial(strict bool) (*netlink.Conn, error) {
	if o == nil {
		o = &Options{}
	}
	conn, err := netlink.Dial(genetlink.Protocol, &netlink.Config{NetNS: o.NetNS, Strict: strict})
	if err != nil {
		return nil, fmt.Errorf("opening a netlink socket: %w", err)
	}
	return conn, nil
}

// ErrInterrupted says that a list has changed while it was read, and did so each time that it
// was read again. It comes with the list: each entry was there at some moment, and others may be
// missing.
var ErrInterrupted = errors.New("the list has changed while it was read and may be incomplete")

// Client sends requests to the kernel and waits for its replies. Any goroutine may call its
// methods; they take turns.
type Client struct {
	mu     sync.Mutex // held from a request to its replies
	conn   *genetlink.Conn
	family genetlink.Family
}

// Dial connects to the family in one network namespace; the kernel loads the module if it is
// installed. If there is no such family, the error is an fs.ErrNotExist.
func Dial(options *Options) (*Client, error) {
	conn, err := options.dial(true)
	if err != nil {
		return nil, err
	}
	c, err := newClient(genetlink.NewConn(conn))
	if err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

// newClient is Dial on an open connection; tests bring their own.
func newClient(conn *genetlink.Conn) (*Client, error) {
	family, err := conn.GetFamily(familyName)
	if err != nil {
		return nil, familyError(err)
	}
	return &Client{conn: conn, family: family}, nil
}

// Close closes the connection. A call that waits for the kernel returns an error.
func (c *Client) Close() error { return c.conn.Close() }

// request is a request of the family.
type request struct {
	command    uint8
	flags      netlink.HeaderFlags // besides netlink.Request
	attributes []byte
	names      []string // of the attributes, by number: for errors
}

// newRequest makes a request whose attributes fill adds.
func newRequest(command uint8, flags netlink.HeaderFlags, names []string, fill func(*encoder)) (request, error) {
	e := newEncoder(names)
	fill(e)
	attributes, err := e.encode()
	return request{command, flags, attributes, names}, err
}

// send sends the request. Errors of sending are explained here, by requestError; those that are
// received for the request are for the caller to explain so.
func (r request) send(conn *genetlink.Conn, family uint16) (netlink.Message, error) {
	sent, err := conn.Send(genetlink.Message{
		Header: genetlink.Header{Command: r.command, Version: familyVersion},
		Data:   r.attributes,
	}, family, netlink.Request|r.flags)
	if err != nil {
		return sent, requestError(err, r)
	}
	return sent, nil
}

// exchange sends one request and returns the replies; interrupted is for dumps (see
// nlread.Interrupted).
func (c *Client) exchange(r request) (replies []genetlink.Message, interrupted bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	sent, err := r.send(c.conn, c.family.ID)
	if err != nil {
		return nil, false, err
	}
	replies, raw, err := c.conn.Receive()
	if err != nil {
		return nil, false, requestError(err, r)
	}
	if err := netlink.Validate(sent, raw); err != nil {
		return nil, false, err
	}
	return replies, nlread.Interrupted(raw), nil
}

// change sends a request that is acknowledged and has no reply.
func (c *Client) change(command uint8, names []string, fill func(*encoder)) error {
	r, err := newRequest(command, netlink.Acknowledge, names, fill)
	if err != nil {
		return err
	}
	_, _, err = c.exchange(r)
	return err
}

// get sends a request that has one reply; name is the command's, for errors.
func get[T any](c *Client, name string, command uint8, names []string,
	fill func(*encoder), parse func([]byte) (T, error)) (v T, err error) {
	r, err := newRequest(command, 0, names, fill)
	if err != nil {
		return v, err
	}
	replies, _, err := c.exchange(r)
	if err != nil {
		return v, err
	}
	if len(replies) != 1 {
		return v, fmt.Errorf("the kernel sent %d replies to %s, not one", len(replies), name)
	}
	return parse(replies[0].Data)
}

// dump reads a list, again if it changes meanwhile.
func dump[T any](c *Client, command uint8, names []string,
	fill func(*encoder), parse func([]byte) (T, error)) ([]T, error) {
	r, err := newRequest(command, netlink.Dump, names, fill)
	if err != nil {
		return nil, err
	}
	replies, complete, err := nlread.Dump(func() ([]genetlink.Message, bool, error) { return c.exchange(r) })
	if err != nil {
		return nil, err
	}
	list := make([]T, 0, len(replies))
	for _, m := range replies {
		v, err := parse(m.Data)
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
