// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"strings"
	"time"

	"shim6/netlink"
)

// parseULIDs reads LOCAL PEER [fii N], and returns the words after them.
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

// contextKeys are what can be set of a context.
func contextKeys(u *netlink.ContextUpdate) []key {
	return []key{
		number("tag-peer", 47, &u.TagPeer).as("TAG").says("context tag of the peer, 47 bits"),
		enum("state", &u.State).says("i1-sent, i2-sent, established, i2bis-sent"),
		addr("locator-local", &u.LocatorLocal).
			says("current locator pair, our half: another pair re-homes the context, the ULIDs end that"),
		addr("locator-peer", &u.LocatorPeer).says("current locator pair, the peer's half"),
		addrs("locators-local", &u.LocatorsLocal).says("Ls(local)"),
		addrs("locators-peer", &u.LocatorsPeer).says("Ls(peer)"),
		addr("inbound-locator-local", &u.InboundLocatorLocal).says("the pair by which the peer sends, our half"),
		addr("inbound-locator-peer", &u.InboundLocatorPeer).says("the pair by which the peer sends, the peer's half"),
		duration("send-timeout", &u.SendTimeout).says("Send Timeout, 10s to 100s"),
		duration("keepalive-timeout", &u.KeepaliveTimeout).says("Keepalive Timeout"),
		enum("reap-state", &u.ReapState).says("operational, exploring, inbound-ok"),
		enum("reap-timer", &u.ReapTimer).as("TIMER").says("the timer to start again: send, keepalive or none"),
		number("header", 1, &u.Header).as("0|1").
			says("1: payload between the ULIDs has the header too. Re-homing a context sets it"),
		enum("encapsulation", &u.Encapsulation).as("native|udp").says("how payload is carried on that pair"),
		enum("inbound-encapsulation", &u.InboundEncapsulation).as("native|udp").
			says("how payload is carried on the inbound pair"),
	}
}

// contextObject has the names and units of netlink/shim6.yaml.
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
	return append(o, field{"header", c.Header}, field{"encapsulation", c.Encapsulation.String()},
		field{"inbound-encapsulation", c.InboundEncapsulation.String()},
		field{"sent-octets", c.SentOctets}, field{"heard-octets", c.HeardOctets})
}

// printContext prints words that context set takes.
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
	if c.InboundLocatorLocal != c.Local || c.InboundLocatorPeer != c.Peer || c.InboundEncapsulation > netlink.EncapsulationNative {
		fmt.Fprintf(t.out, "    inbound-locator-local %v inbound-locator-peer %v", c.InboundLocatorLocal, c.InboundLocatorPeer)
		if c.InboundEncapsulation > netlink.EncapsulationNative {
			fmt.Fprintf(t.out, " inbound-encapsulation %v", c.InboundEncapsulation)
		}
		fmt.Fprintln(t.out)
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
	fmt.Fprintf(t.out, "    sent-octets %d heard-octets %d\n", c.SentOctets, c.HeardOctets)
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
