// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"fmt"
	"time"

	"shim6/daemon/control"
)

func init() {
	register(command{
		object: "locator", verb: "show", order: isDefault, help: "print the locators, and why one is not used", form: locatorShow,
	})
}

func locatorShow(t *tool) form {
	return form{run: func([]string) error { return t.locatorShow() }}
}

func (t *tool) locatorShow() error {
	list, err := t.locators()
	if err != nil {
		return err
	}
	if t.json {
		return t.printJSON(listOf(list))
	}
	for _, l := range list {
		t.printLocator(l)
	}
	return nil
}

// locators are those of the host, by shim6d.
func (t *tool) locators() (list []control.Locator, err error) {
	return list, t.ask(func(ctx context.Context, d daemon) (err error) {
		list, err = d.Locators(ctx)
		return err
	})
}

func (t *tool) printLocator(l control.Locator) {
	fmt.Fprintf(t.out, "%v dev %s", l.Address, l.Interface)
	if l.Router.IsValid() {
		fmt.Fprintf(t.out, " via %v", l.Router)
	}
	switch {
	case !l.Available:
		fmt.Fprint(t.out, " unavailable")
	case !l.Operational:
		fmt.Fprint(t.out, " not-operational")
	}
	for _, w := range []struct {
		name string
		on   bool
	}{{"hba", l.HBA}, {"cga", l.CGA}} {
		if w.on {
			fmt.Fprint(t.out, " ", w.name)
		}
	}
	if l.Why != "" {
		fmt.Fprintf(t.out, " (%s)", l.Why)
	}
	fmt.Fprintln(t.out)
	if t.statistics {
		lifetime := "forever"
		if l.ValidLifetime != nil {
			lifetime = timeText(time.Duration(*l.ValidLifetime) * time.Millisecond)
		}
		fmt.Fprintf(t.out, "    %s valid-lifetime %s\n", preferenceText(l.Preference), lifetime)
	}
}

func preferenceText(p control.Preference) string {
	s := fmt.Sprintf("priority %d weight %d", p.Priority, p.Weight)
	if p.Broken {
		s += " broken"
	}
	if p.Transient {
		s += " transient"
	}
	return s
}
