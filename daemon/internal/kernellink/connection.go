// SPDX-License-Identifier: BSD-3-Clause

package kernellink

import (
	"errors"
	"net/netip"

	"shim6/netlink"
)

// Batch is what a socket has told: events, and then perhaps that some were lost (Lost), or that
// the socket is of no use (Err). After Err there is nothing more.
type Batch struct {
	Events []netlink.Event
	// Lost: after a loss on Main, the kernel is to be dumped. A loss on Outside is like the
	// loss of packets, of which no dump tells.
	Lost bool
	Err  error
}

// Receiver is a registered socket.
type Receiver interface {
	Receive() ([]netlink.Event, error)
	Close() error
}

// Connection is the daemon's connection to the kernel. Connect makes one; tests make their
// own.
type Connection struct {
	Client
	// Main tells what happens to this host and to its contexts. Outside tells what
	// strangers can cause at will. Neither holds up the other.
	Main, Outside <-chan Batch

	sockets sockets

	// close are the Close methods to be called. done is closed by Close.
	close []func() error
	done  chan struct{}
}

// Connect connects to the module, and registers as the daemon of this network namespace. If
// the module is not loaded but installed, it waits for the kernel to load it.
func Connect() (*Connection, error) {
	c := &Connection{done: make(chan struct{})}
	commander, err := netlink.DialCommander(nil)
	if err != nil {
		return nil, err
	}
	c.Client = commander
	c.close = append(c.close, commander.Close)
	for _, r := range []struct {
		role netlink.Role
		to   *<-chan Batch
	}{{netlink.RoleMain, &c.Main}, {netlink.RoleOutside, &c.Outside}} {
		events, err := netlink.Register(nil, r.role, commander.Port())
		if err != nil {
			c.Close()
			return nil, err
		}
		*r.to = c.listen(events)
	}
	return c, nil
}

// listen receives until there is an error or Close.
func (c *Connection) listen(r Receiver) <-chan Batch {
	c.close = append(c.close, r.Close)
	// The kernel keeps events that are not read yet, and counts those that it loses: so
	// the channel keeps none.
	batches := make(chan Batch)
	go func() {
		for {
			events, err := r.Receive()
			b := Batch{Events: events, Lost: errors.Is(err, netlink.ErrOverflow)}
			if !b.Lost {
				b.Err = err
			}
			select {
			case batches <- b:
			case <-c.done:
				return
			}
			if b.Err != nil {
				return
			}
		}
	}()
	return batches
}

// InUse reports whether a program has a socket that is connected between two ULIDs: then the
// context between them is still needed, though it is idle (RFC 5533, section 9). It reports
// true if that can't be known. The answer may be a second old, which is little compared to the
// time that a context has been idle. Only one goroutine may call it. It reads /proc, at most
// once a second.
func (c *Connection) InUse(local, peer netip.Addr) bool { return c.sockets.connected(local, peer) }

// Close ends the registration. It leaves the contexts alone.
func (c *Connection) Close() error {
	if c.done != nil {
		close(c.done)
	}
	var errs []error
	for _, f := range c.close {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}
