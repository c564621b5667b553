// SPDX-License-Identifier: BSD-3-Clause

package kernellink

import (
	"errors"
	"net/netip"

	"shim6/netlink"
)

// Batch is what a socket has told: events, and then, perhaps, that some were lost
// or, after which there is nothing more, that the socket is of no use.
type Batch struct {
	Events []netlink.Event
	// Lost events of Main mean that the kernel is to be dumped. Those of
	// Outside are like packets lost, which no dump tells of.
	Lost bool
	Err  error
}

// Receiver is a registered socket.
type Receiver interface {
	Receive() ([]netlink.Event, error)
	Close() error
}

// Connection is the daemon's connection to the kernel. One that was not made by
// Connect, but for a test, has what is put in it.
type Connection struct {
	Client
	// Main tells of what happens to this host and of what belongs to its
	// contexts, and Outside what strangers can cause at will; that one is slow
	// does not hold up the other.
	Main, Outside <-chan Batch

	sockets sockets

	close []func() error
	done  chan struct{}
}

// Connect connects to the module, which the kernel loads if it is installed, and
// registers as the daemon of this network namespace.
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
	// What is not read yet is best kept by the kernel, which counts what it
	// loses: so the channel keeps nothing.
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

// InUse reports whether a program has a socket that is connected between two
// ULIDs: then the context between them is not idle for good (RFC 5533, section 9).
// If that can't be known it reports true. The answer is up to a second old, which
// is little to the time that a context has been idle. It is for one goroutine.
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
