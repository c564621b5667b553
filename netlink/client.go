// SPDX-License-Identifier: BSD-3-Clause

package netlink

import (
	"fmt"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
)

// Options says how to reach the kernel. The zero value is the calling
// thread's network namespace.
type Options struct {
	// NetNS is an open file descriptor of a network namespace, 0 for the
	// caller's own. It is needed only until Dial returns.
	NetNS int
}

// Client asks the kernel. Its methods may be called by several goroutines.
type Client struct {
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
	return &Client{conn, family}, nil
}

// Close closes the connection; calls that wait for the kernel return an error.
func (c *Client) Close() error { return c.conn.Close() }

// execute sends one request and returns the replies. Every request passes
// here, so that errors are made plain in one place.
func (c *Client) execute(command uint8, flags netlink.HeaderFlags, attributes []byte, names []string) ([]genetlink.Message, error) {
	req := genetlink.Message{
		Header: genetlink.Header{Command: command, Version: familyVersion},
		Data:   attributes,
	}
	replies, err := c.conn.Execute(req, c.family.ID, netlink.Request|flags)
	if err != nil {
		return nil, requestError(err, attributes, names)
	}
	return replies, nil
}
