// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"shim6/daemon/control"
	"shim6/netlink"
)

func pairText(p control.Pair) string {
	s := fmt.Sprintf("%v %v", p.LocatorLocal, p.LocatorPeer)
	if p.Encapsulation != "" {
		s += " encapsulation " + p.Encapsulation.String()
	}
	return s
}

// pairOf is the current locator pair of a context of the kernel.
func pairOf(c *netlink.Context) control.Pair {
	p := control.Pair{LocatorLocal: c.LocatorLocal, LocatorPeer: c.LocatorPeer}
	if c.Encapsulation > netlink.EncapsulationNative {
		p.Encapsulation = control.Encapsulation(c.Encapsulation.String())
	}
	return p
}

// parseFilter takes a context off the words, or nothing.
func parseFilter(command string, args []string) (func(control.Name) bool, error) {
	if len(args) == 0 {
		return func(control.Name) bool { return true }, nil
	}
	u, args, err := parseULIDs(command, args)
	if err != nil {
		return nil, err
	}
	return func(n control.Name) bool { return n == nameOf(u) }, noWords(command, args)
}

func (t *tool) pathShow(args []string) error {
	wanted, err := parseFilter("path show", args)
	if err != nil {
		return err
	}
	var list []control.Path
	if err := t.ask(func(ctx context.Context, d daemon) (err error) {
		list, err = d.Paths(ctx)
		return err
	}); err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(p control.Path) bool { return !wanted(p.Name) })
	if t.json {
		return t.printJSON(listOf(list))
	}
	for i, p := range list {
		if i == 0 || p.Name != list[i-1].Name {
			fmt.Fprintln(t.out, nameText(p.Name))
		}
		t.printPath(p)
	}
	return nil
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

func (t *tool) pathHistory(args []string) error {
	wanted, err := parseFilter("path history", args)
	if err != nil {
		return err
	}
	var list []control.Switch
	if err := t.ask(func(ctx context.Context, d daemon) (err error) {
		list, err = d.Switches(ctx)
		return err
	}); err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(s control.Switch) bool { return !wanted(s.Name) })
	if t.json {
		return t.printJSON(listOf(list))
	}
	for _, s := range list {
		fmt.Fprintf(t.out, "%s ", clockText(s.Time))
		t.printSwitch(s)
	}
	return nil
}

func clockText(at time.Time) string { return at.Local().Format("2006-01-02 15:04:05.000") }

// printSwitch answers: which session, by what, why, what was tried, and at what cost?
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

// used is what JSON says of a command to use a pair.
type used struct {
	control.Name
	control.Pair
	Result string `json:"result"`
	// Text is why the pair is not used.
	Text string `json:"text,omitempty"`
}

// pathUse has payload sent by a pair; what the first shim6d called shim, or deshim if
// the pair is that of the ULIDs. shim6d answers when the pair has.
func (t *tool) pathUse(args []string) error {
	u, args, err := parseULIDs("path use", args)
	if err != nil {
		return err
	}
	var local, peer *netip.Addr
	ulids := false
	if _, err := parseKeys("key of path use", []key{addr("local", &local), addr("peer", &peer), {
		name: "ulids", flag: true, set: func(string) error {
			ulids = true
			return nil
		},
	}}, args); err != nil {
		return err
	}
	if ulids == (local != nil || peer != nil) || !ulids && (local == nil || peer == nil) {
		return usageError("path use needs 'local ADDR peer ADDR', or 'ulids' to go back to them")
	}
	if ulids {
		local, peer = &u.Local, &u.Peer
	}
	result := used{Name: nameOf(u), Pair: control.Pair{LocatorLocal: *local, LocatorPeer: *peer}, Result: resultOK.String()}
	done := t.waiting("waiting for an answer by " + pairText(result.Pair))
	err = t.ask(func(ctx context.Context, d daemon) error {
		return d.Use(ctx, control.UseRequest{Name: result.Name, LocatorLocal: *local, LocatorPeer: *peer})
	})
	done()
	if !t.json {
		return err
	}
	if err != nil {
		result.Result, result.Text = resultFail.String(), err.Error()
	}
	return errors.Join(t.printJSON([]used{result}), err)
}

// openKeys are what a context that shim6d makes can be told.
func openKeys(local, peer **netip.Addr, force *bool) []key {
	return []key{addr("locator-local", local), addr("locator-peer", peer), {
		name: "force", flag: true, set: func(string) error {
			*force = true
			return nil
		},
	}}
}

// contextTrigger has shim6d make a context with the peer.
func (t *tool) contextTrigger(args []string) error {
	u, args, err := parseULIDs("context trigger", args)
	if err != nil {
		return err
	}
	var local, peer *netip.Addr
	var force bool
	if _, err := parseKeys("key of context trigger", openKeys(&local, &peer, &force), args); err != nil {
		return err
	}
	return t.open(u, local, peer, force)
}

func (t *tool) open(u netlink.ULIDs, local, peer *netip.Addr, force bool) error {
	if (local == nil) != (peer == nil) {
		return usageError("a locator pair is locator-local and locator-peer, both")
	}
	r := control.OpenRequest{Name: nameOf(u), Force: force}
	if local != nil {
		r.LocatorLocal, r.LocatorPeer = *local, *peer
	}
	return t.ask(func(ctx context.Context, d daemon) error { return d.Open(ctx, r) })
}

// contextUpdate has shim6d tell the peer all our locators again.
func (t *tool) contextUpdate(args []string) error {
	u, args, err := parseULIDs("context update", args)
	if err != nil {
		return err
	}
	if err := noWords("context update", args); err != nil {
		return err
	}
	return t.ask(func(ctx context.Context, d daemon) error { return d.Refresh(ctx, nameOf(u)) })
}
