// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"shim6/netlink"
)

// parseULIDs takes LOCAL PEER [fii N] off the words.
func parseULIDs(command string, args []string) (netlink.ULIDs, []string, error) {
	var u netlink.ULIDs
	if len(args) < 2 {
		return u, nil, usageError(command + " needs the local and the peer's ULID")
	}
	var err error
	if u.Local, err = parseAddr(args[0]); err != nil {
		return u, nil, usageError("local ULID: " + err.Error())
	}
	if u.Peer, err = parseAddr(args[1]); err != nil {
		return u, nil, usageError("peer's ULID: " + err.Error())
	}
	args = args[2:]
	if len(args) == 0 || args[0] != "fii" {
		return u, args, nil
	}
	var fii *uint32
	if _, err := parseKeys("word", []key{number("fii", 32, &fii)}, args[:min(2, len(args))]); err != nil {
		return u, nil, err
	}
	u.FII = *fii
	return u, args[2:], nil
}

// contextKeys are what context set can set.
func contextKeys(u *netlink.ContextUpdate) []key {
	return []key{
		number("tag-peer", 47, &u.TagPeer),
		enum("state", &u.State),
		addr("locator-local", &u.LocatorLocal),
		addr("locator-peer", &u.LocatorPeer),
		addrs("locators-local", &u.LocatorsLocal),
		addrs("locators-peer", &u.LocatorsPeer),
		addr("inbound-locator-local", &u.InboundLocatorLocal),
		addr("inbound-locator-peer", &u.InboundLocatorPeer),
		duration("send-timeout", &u.SendTimeout),
		duration("keepalive-timeout", &u.KeepaliveTimeout),
		enum("reap-state", &u.ReapState),
		enum("reap-timer", &u.ReapTimer),
		number("header", 1, &u.Header),
		enum("encapsulation", &u.Encapsulation),
	}
}

func (t *tool) contextAdd(args []string) error {
	ulids, args, err := parseULIDs("context add", args)
	if err != nil {
		return err
	}
	var tag *uint64
	var update netlink.ContextUpdate
	given, err := parseKeys("key of context", append(contextKeys(&update), number("tag-local", 47, &tag)), args)
	if err != nil {
		return err
	}
	if tag == nil {
		// A context without a tag is one that shim6d has yet to make.
		for _, name := range given {
			if name != "locator-local" && name != "locator-peer" {
				return usageError("context add needs tag-local to set " + name + "; without, shim6d makes the context, by a locator pair that you may name")
			}
		}
		return t.open(ulids, update.LocatorLocal, update.LocatorPeer, false)
	}
	return t.with(func(c client) error { return c.NewContext(ulids, *tag, update) })
}

func (t *tool) contextSet(args []string) error {
	ulids, args, err := parseULIDs("context set", args)
	if err != nil {
		return err
	}
	var update netlink.ContextUpdate
	given, err := parseKeys("key of context", contextKeys(&update), args)
	if err != nil {
		return err
	}
	if len(given) == 0 {
		return usageError("context set needs a key and a value")
	}
	return t.with(func(c client) error { return c.SetContext(ulids, update) })
}

func (t *tool) contextDel(args []string) error {
	ulids, args, err := parseULIDs("context del", args)
	if err != nil {
		return err
	}
	if len(args) > 0 {
		return usageError(fmt.Sprintf("context del takes no %q", args[0]))
	}
	// shim6d would take the context that vanishes for one that was lost. What
	// it does not know, or if it is not there, the kernel deletes.
	err = t.ask(func(ctx context.Context, d daemon) error { return d.CloseContext(ctx, nameOf(ulids)) })
	if !absent(err) && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return t.with(func(c client) error { return c.DeleteContext(ulids) })
}

func (t *tool) contextFlush(args []string) error {
	if len(args) > 0 {
		return usageError(fmt.Sprintf("context flush takes no %q", args[0]))
	}
	return t.with(client.FlushContexts)
}

// filterKeys are what context show can look for.
func filterKeys(f *netlink.ContextFilter) []key {
	return []key{
		addr("ulid-local", &f.Local),
		addr("ulid-peer", &f.Peer),
		enum("state", &f.State),
		enum("reap-state", &f.ReapState),
	}
}

func first(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return words[0]
}

func (t *tool) contextShow(args []string) error {
	var list []netlink.Context
	var ask func(c client) error
	if _, err := parseAddr(first(args)); err != nil {
		var f netlink.ContextFilter
		if _, err := parseKeys("key of context show", filterKeys(&f), args); err != nil {
			return err
		}
		ask = func(c client) (err error) {
			list, err = c.ContextsWith(f)
			return err
		}
	} else {
		ulids, args, err := parseULIDs("context show", args)
		if err != nil {
			return err
		}
		if len(args) > 0 {
			return usageError(fmt.Sprintf("context show takes no %q", args[0]))
		}
		ask = func(c client) error {
			one, err := c.Context(ulids)
			list = []netlink.Context{one}
			return err
		}
	}
	err := t.with(ask)
	if err != nil && !errors.Is(err, netlink.ErrInterrupted) {
		return err
	}
	protections := t.protections(list)
	if t.json {
		var objects []object
		for _, c := range list {
			objects = append(objects, protectedObject(c, protections))
		}
		return errors.Join(t.printJSON(objects), err)
	}
	for _, c := range list {
		t.printContext(c)
		if p, ok := protections[nameOf(c.ULIDs)]; ok {
			fmt.Fprintf(t.out, "    %s\n", p.Text)
		}
	}
	return err
}

// contextObject has the names and units of shim6.yaml.
func contextObject(c netlink.Context) object {
	o := object{
		{"ulid-local", c.Local},
		{"ulid-peer", c.Peer},
		{"fii", c.FII},
	}
	add := func(name string, there bool, value any) {
		if there {
			o = append(o, field{name, value})
		}
	}
	add("tag-local", c.TagLocal != nil, c.TagLocal)
	add("tag-peer", c.TagPeer != nil, c.TagPeer)
	o = append(o, object{
		{"state", c.State.String()},
		{"locator-local", c.LocatorLocal},
		{"locator-peer", c.LocatorPeer},
	}...)
	add("locators-local", len(c.LocatorsLocal) > 0, c.LocatorsLocal)
	add("locators-peer", len(c.LocatorsPeer) > 0, c.LocatorsPeer)
	o = append(o, object{
		{"inbound-locator-local", c.InboundLocatorLocal},
		{"inbound-locator-peer", c.InboundLocatorPeer},
		{"send-timeout", c.SendTimeout.Milliseconds()},
		{"keepalive-timeout", c.KeepaliveTimeout.Milliseconds()},
		{"reap-state", c.ReapState.String()},
	}...)
	if c.LastSent != nil {
		o = append(o, field{"last-sent", c.LastSent.Milliseconds()})
	}
	if c.LastHeard != nil {
		o = append(o, field{"last-heard", c.LastHeard.Milliseconds()})
	}
	o = append(o, field{"switches", c.Switches})
	add("mtu", c.MTU > 0, c.MTU)
	return append(o, field{"header", c.Header}, field{"encapsulation", c.Encapsulation.String()})
}

// printContext prints words that context set takes back.
func (t *tool) printContext(c netlink.Context) {
	fmt.Fprintf(t.out, "%v %v", c.Local, c.Peer)
	if c.FII != 0 {
		fmt.Fprintf(t.out, " fii %d", c.FII)
	}
	fmt.Fprintf(t.out, "\n    state %v reap-state %v switches %d", c.State, c.ReapState, c.Switches)
	if c.MTU > 0 {
		fmt.Fprintf(t.out, " mtu %d", c.MTU)
	}
	if c.Header > 0 {
		fmt.Fprintf(t.out, " header %d", c.Header)
	}
	fmt.Fprintf(t.out, "\n    locator-local %v locator-peer %v", c.LocatorLocal, c.LocatorPeer)
	if c.Encapsulation > netlink.EncapsulationNative {
		fmt.Fprintf(t.out, " encapsulation %v", c.Encapsulation)
	}
	fmt.Fprintln(t.out)
	if c.InboundLocatorLocal != c.Local || c.InboundLocatorPeer != c.Peer {
		fmt.Fprintf(t.out, "    inbound-locator-local %v inbound-locator-peer %v\n", c.InboundLocatorLocal, c.InboundLocatorPeer)
	}
	for _, l := range []struct {
		name string
		list []string
	}{
		{"locators-local", texts(c.LocatorsLocal)},
		{"locators-peer", texts(c.LocatorsPeer)},
	} {
		if len(l.list) > 0 {
			fmt.Fprintf(t.out, "    %s %s\n", l.name, strings.Join(l.list, ","))
		}
	}
	if c.TagLocal != nil {
		fmt.Fprintf(t.out, "    tag-local %#012x", *c.TagLocal)
		if c.TagPeer != nil {
			fmt.Fprintf(t.out, " tag-peer %#012x", *c.TagPeer)
		}
		fmt.Fprintln(t.out)
	}
	fmt.Fprintf(t.out, "    send-timeout %s keepalive-timeout %s last-sent %s last-heard %s\n",
		timeText(c.SendTimeout), timeText(c.KeepaliveTimeout), agoText(c.LastSent), agoText(c.LastHeard))
}

func texts[T fmt.Stringer](list []T) []string {
	var s []string
	for _, v := range list {
		s = append(s, v.String())
	}
	return s
}

func agoText(d *time.Duration) string {
	if d == nil {
		return "never"
	}
	return timeText(*d)
}
