// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"shim6/daemon/control"
	"shim6/netlink"
)

// listed asks shim6d for a list, and keeps what is about a context; the zero ULIDs keep all.
func listed[T any](t *tool, u netlink.ULIDs, get func(daemon, context.Context) ([]T, error), name func(T) control.Name) (list []T, err error) {
	err = t.ask(func(ctx context.Context, d daemon) (err error) {
		list, err = get(d, ctx)
		return err
	})
	return slices.DeleteFunc(list, func(x T) bool { return !wanted(u, name(x)) }), err
}

// wanted reports whether a context is the one that was asked for; the zero ULIDs ask for all.
func wanted(u netlink.ULIDs, n control.Name) bool { return !u.Local.IsValid() || n == nameOf(u) }

func pairText(p control.Pair) string {
	s := fmt.Sprintf("%v %v", p.LocatorLocal, p.LocatorPeer)
	if p.Encapsulation != "" {
		s += " encapsulation " + p.Encapsulation.String()
	}
	return s
}

// pairOf returns the current locator pair of a context of the kernel.
func pairOf(c *netlink.Context) control.Pair {
	p := control.Pair{LocatorLocal: c.LocatorLocal, LocatorPeer: c.LocatorPeer}
	if c.Encapsulation > netlink.EncapsulationNative {
		p.Encapsulation = control.Encapsulation(c.Encapsulation.String())
	}
	return p
}

func (t *tool) printPath(p control.Path) {
	fmt.Fprintf(t.out, "    %s %s", pairText(p.Pair), p.State)
	if p.Current {
		fmt.Fprint(t.out, " current")
	}
	if p.Inbound {
		fmt.Fprint(t.out, " inbound")
	}
	if !p.LastGood.IsZero() {
		fmt.Fprintf(t.out, " last-good %s", timeText(t.now().Sub(p.LastGood).Truncate(time.Millisecond)))
	}
	if p.RTT > 0 {
		fmt.Fprintf(t.out, " rtt %.1fms", p.RTT)
	}
	fmt.Fprintln(t.out)
	if t.statistics {
		fmt.Fprintf(t.out, "        policy %s preference-local %s preference-peer %s\n",
			p.Policy, preferenceText(p.PreferenceLocal), preferenceText(p.PreferencePeer))
	}
}

func clockText(at time.Time) string { return at.Local().Format("2006-01-02 15:04:05.000") }

// printSwitch tells which session came to another pair, why, what was probed, and what it cost.
func (t *tool) printSwitch(s control.Switch) {
	fmt.Fprintf(t.out, "%s %s trigger %s outage %s\n", nameText(s.Name), s.Direction, s.Trigger,
		timeText(time.Duration(s.Outage)*time.Millisecond))
	if s.Why != "" {
		fmt.Fprintf(t.out, "    why %s\n", s.Why)
	}
	fmt.Fprintf(t.out, "    from %s\n    to   %s\n", pairText(s.From), pairText(s.To))
	if !t.statistics {
		if len(s.Probed) > 0 {
			fmt.Fprintf(t.out, "    probed %d answered %d\n", len(s.Probed), len(s.Answered))
		}
		return
	}
	for _, p := range s.Probed {
		answered := ""
		if slices.Contains(s.Answered, p.Pair) {
			answered = " answered"
		}
		fmt.Fprintf(t.out, "    probed %s %s%s\n", p.Time.Local().Format("15:04:05.000"), pairText(p.Pair), answered)
	}
	for _, p := range s.LastGood {
		fmt.Fprintf(t.out, "    last-good %s %s\n", clockText(p.Time), pairText(p.Pair))
	}
}
