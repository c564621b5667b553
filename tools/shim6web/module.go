// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"shim6/daemon/control"
	"shim6/netlink"
)

// module asks the kernel module what it tells every user. It does not have the kernel load it.
type module struct {
	mu     sync.Mutex
	client *netlink.Client // nil while there is none
}

// with calls do with a client, if the module is loaded. After an error the next call makes another one:
// the module may have been loaded again.
func (m *module) with(do func(*netlink.Client) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.client == nil {
		there, err := netlink.Loaded(nil)
		if err != nil || !there {
			return err
		}
		if m.client, err = netlink.Dial(nil); err != nil {
			return err
		}
	}
	err := do(m.client)
	if err != nil && !errors.Is(err, netlink.ErrInterrupted) {
		m.client.Close()
		m.client = nil
	}
	return err
}

// counters are those of the module; none if it is not loaded.
func (m *module) counters() (stats []netlink.Stat, err error) {
	err = m.with(func(c *netlink.Client) (err error) {
		stats, err = c.Stats()
		return err
	})
	return stats, err
}

// active calls do with each context in which payload was sent or heard within a time.
func (m *module) active(within time.Duration, do func(*carried)) error {
	within = within.Round(time.Millisecond)
	err := m.with(func(c *netlink.Client) error {
		return c.EachContext(netlink.ContextFilter{ActiveWithin: &within}, func(x *netlink.Context) error {
			do(carriedBy(x))
			return nil
		})
	})
	// A context that is missing is among those of the next time.
	if errors.Is(err, netlink.ErrInterrupted) {
		err = nil
	}
	return err
}

// context is a single context. The error of one that is not there is an fs.ErrNotExist.
func (m *module) context(n control.Name) (*carried, error) {
	found := (*carried)(nil)
	err := m.with(func(c *netlink.Client) error {
		x, err := c.Context(netlink.ULIDs{Local: n.ULIDLocal, Peer: n.ULIDPeer, FII: n.FII})
		if err == nil {
			found = carriedBy(&x)
		}
		return err
	})
	if err == nil && found == nil {
		err = fmt.Errorf("the module is not loaded: %w", fs.ErrNotExist)
	}
	return found, err
}

func carriedBy(x *netlink.Context) *carried {
	return &carried{
		control.Name{ULIDLocal: x.Local, ULIDPeer: x.Peer, FII: x.FII},
		control.Pair{LocatorLocal: x.LocatorLocal, LocatorPeer: x.LocatorPeer, Encapsulation: control.Encapsulation(x.Encapsulation.String())},
		octets{in: x.HeardOctets, out: x.SentOctets},
	}
}
