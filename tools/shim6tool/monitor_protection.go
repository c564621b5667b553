// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"fmt"
	"slices"

	"shim6/daemon/control"
)

// mostProtected is how many contexts monitor asks about, the first of shim6d's list. On a host with
// more of them shim6d has better things to do.
const mostProtected = 10 * control.MaxProtections

// pollProtection asks shim6d what protects its contexts. It calls tell for each context that is new,
// and for each of which shim6d now says something else.
func (m *monitoring) pollProtection(tell func(control.Protection) error) error {
	return m.ask(func(ctx context.Context, d daemon) error {
		list, err := d.Contexts(ctx)
		if err != nil {
			return err
		}
		names, beyond := []control.Name{}, map[control.Name]bool{}
		for i, c := range list {
			if i < mostProtected {
				names = append(names, c.Name)
			} else {
				beyond[c.Name] = true
			}
		}
		if len(beyond) > 0 && len(m.beyond) == 0 {
			fmt.Fprintf(m.err, "shim6tool: %d contexts are too many to watch: only the first %d are\n", len(list), mostProtected)
		}
		now := map[control.Name]control.Protection{}
		for some := range slices.Chunk(names, control.MaxProtections) {
			answers, err := d.Protections(ctx, some)
			if err != nil {
				return err
			}
			for _, p := range answers {
				now[p.Name] = p
				// One that was not watched before is neither new nor changed.
				if p == m.protection[p.Name] || m.beyond[p.Name] {
					continue
				}
				if err := tell(p); err != nil {
					return err
				}
			}
		}
		m.protection, m.beyond = now, beyond
		return m.pollGivenUp(ctx, d, tell)
	})
}

// pollGivenUp calls tell for each ULID pair that shim6d has given up since the last poll, because the
// peer has no Shim6 or does not answer. These are no contexts any more, and some never are for long
// enough to be polled.
func (m *monitoring) pollGivenUp(ctx context.Context, d daemon, tell func(control.Protection) error) error {
	changes, err := d.History(ctx)
	if err != nil {
		return err
	}
	var names []control.Name
	newest := m.lastChange
	for _, c := range changes {
		if !c.Time.After(m.lastChange) {
			continue
		}
		newest = c.Time
		if m.polled && (c.To == "no-support" || c.To == "e-failed") && !slices.Contains(names, c.Name) && len(names) < control.MaxProtections {
			names = append(names, c.Name)
		}
	}
	m.lastChange, m.polled = newest, true
	if len(names) == 0 {
		return nil
	}
	answers, err := d.Protections(ctx, names)
	if err != nil {
		return err
	}
	for _, p := range answers {
		if err := tell(p); err != nil {
			return err
		}
	}
	return nil
}

// watchProtection polls and prints the changes. If shim6d stops answering, it prints that once.
func (m *monitoring) watchProtection() error {
	var failed error
	err := m.pollProtection(func(p control.Protection) error {
		failed = m.protected(p)
		return failed
	})
	if failed != nil {
		return failed
	}
	if err != nil && !m.protectionGone {
		fmt.Fprintf(m.err, "shim6tool: %v; shim6d is asked again\n", err)
	}
	m.protectionGone = err != nil
	return nil
}

func (m *monitoring) protected(p control.Protection) error {
	o, err := objectOf(p)
	if err != nil {
		return err
	}
	return m.tell("protection", false, o, func() { fmt.Fprintf(m.out, "protection %s %s\n", nameText(p.Name), p.Text) })
}
