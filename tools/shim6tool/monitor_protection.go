// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"fmt"

	"shim6/daemon/control"
)

// pollProtection asks shim6d what protects the first contexts of its list. It calls tell for each
// context of which shim6d now says something else.
func (m *monitoring) pollProtection(tell func(control.Protection) error) error {
	return m.ask(func(ctx context.Context, d daemon) error {
		list, err := d.Contexts(ctx)
		if err != nil {
			return err
		}
		var names []control.Name
		for _, c := range list[:min(len(list), control.MaxProtections)] {
			names = append(names, c.Name)
		}
		now := map[control.Name]control.Protection{}
		if len(names) > 0 {
			answers, err := d.Protections(ctx, names)
			if err != nil {
				return err
			}
			for _, p := range answers {
				now[p.Name] = p
				if p == m.protection[p.Name] {
					continue
				}
				if err := tell(p); err != nil {
					return err
				}
			}
		}
		m.protection = now
		return nil
	})
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
