// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"errors"
	"fmt"

	"shim6/daemon/control"
	"shim6/netlink"
)

// learn reads the pairs that contexts have now.
func (m *monitoring) learn() error {
	return m.with(func(c client) error {
		list, err := c.Contexts()
		for _, x := range list {
			m.pairs[x.ULIDs] = pairOf(&x)
		}
		if errors.Is(err, netlink.ErrInterrupted) {
			err = nil
		}
		return err
	})
}

// poll asks shim6d for switches, and tells of new ones. Those are behind the last one in the list:
// their times do not say which are new, since the clock may be set.
func (m *monitoring) poll(tell func(control.Switch) error) error {
	return m.ask(func(ctx context.Context, d daemon) error {
		list, err := d.Switches(ctx)
		if err != nil {
			return err
		}
		for _, s := range list[m.known(list):] {
			if err := tell(s); err != nil {
				return err
			}
			m.last = &s
		}
		return nil
	})
}

// known returns how many switches of a list have been told. It returns 0 if the last one is not in
// the list: then shim6d was restarted, or has replaced it by new ones.
func (m *monitoring) known(list []control.Switch) int {
	for i := len(list) - 1; i >= 0 && m.last != nil; i-- {
		if l, s := m.last, &list[i]; s.Time.Equal(l.Time) && s.Name == l.Name && s.Direction == l.Direction && s.From == l.From && s.To == l.To {
			return i + 1
		}
	}
	return 0
}

// moved prints a context that has another pair than before.
func (m *monitoring) moved(c netlink.Context, deleted bool) error {
	to := pairOf(&c)
	from, known := m.pairs[c.ULIDs]
	if deleted {
		delete(m.pairs, c.ULIDs)
		return nil
	}
	m.pairs[c.ULIDs] = to
	if !known {
		from = control.Pair{LocatorLocal: c.Local, LocatorPeer: c.Peer}
	}
	if from == to {
		return nil
	}
	// The fields of a control.Switch, without those that only shim6d knows.
	o := object{
		{"ulid-local", c.Local}, {"ulid-peer", c.Peer}, {"fii", c.FII},
		{"direction", "outbound"}, {"from", from}, {"to", to},
	}
	return m.tell("path", false, o, func() {
		fmt.Fprintf(m.out, "path %s outbound\n    from %s\n    to   %s\n", nameText(nameOf(c.ULIDs)), pairText(from), pairText(to))
	})
}

func (m *monitoring) switched(s control.Switch) error {
	o, err := objectOf(s)
	if err != nil {
		return err
	}
	return m.tell("path", false, o, func() {
		fmt.Fprint(m.out, "path ")
		m.printSwitch(s)
	})
}
