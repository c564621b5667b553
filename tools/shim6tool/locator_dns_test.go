// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"shim6/daemon/control"
)

// server is a host with one address of each kind that matters.
func server() *fakeDaemon {
	d := newDaemon()
	d.locators = nil
	add := func(n int, change func(*control.Locator)) {
		l := control.Locator{Address: netip.MustParseAddr(fmt.Sprintf("2001:db8:%d::1", n)), Interface: "up1", Available: true, Operational: true, HBA: true, CGA: true}
		change(&l)
		d.locators = append(d.locators, l)
	}
	add(1, func(*control.Locator) {})
	add(2, func(l *control.Locator) { l.HBA = false })
	add(3, func(l *control.Locator) { l.HBA, l.CGA = false, false })
	add(4, func(l *control.Locator) { l.Temporary, l.Why = true, "temporary, for new sessions" })
	add(5, func(l *control.Locator) { l.Available, l.Why = false, "tentative: duplicate address detection goes on" })
	add(6, func(l *control.Locator) { l.Operational, l.Why = false, "the link is down" })
	add(7, func(l *control.Locator) { l.Transient, l.Why = true, "deprecated: its preferred lifetime has ended" })
	add(8, func(l *control.Locator) { l.Address = netip.MustParseAddr("fd00::1") })
	return d
}

func TestLocatorDNS(t *testing.T) {
	const out = `shim6tool: 2001:db8:3::1 is left out: it proves no other address, so that a session that begins there ends with its provider
shim6tool: 2001:db8:4::1 is left out: it is temporary
shim6tool: 2001:db8:5::1 is left out: tentative: duplicate address detection goes on
shim6tool: 2001:db8:6::1 is left out: the link is down
shim6tool: 2001:db8:7::1 is left out: deprecated: its preferred lifetime has ended
shim6tool: fd00::1 is left out: it is a unique local address, which works only within a site
`
	for _, c := range []struct{ name, words, want string }{
		{"", "locator dns", "here\t300\tIN\tAAAA\t2001:db8:1::1\nhere\t300\tIN\tAAAA\t2001:db8:2::1\n"},
		{"a.example.org", "l d", "a.example.org.\t300\tIN\tAAAA\t2001:db8:1::1\na.example.org.\t300\tIN\tAAAA\t2001:db8:2::1\n"},
		{"", "locator dns @ ttl 60", "@\t60\tIN\tAAAA\t2001:db8:1::1\n@\t60\tIN\tAAAA\t2001:db8:2::1\n"},
		{"", "locator dns www nsupdate example.org", "zone example.org.\nupdate delete www.example.org. AAAA\n" +
			"update add www.example.org. 300 AAAA 2001:db8:1::1\nupdate add www.example.org. 300 AAAA 2001:db8:2::1\nsend\n"},
		{"", "-j locator dns www", `{"records":[{"name":"www","ttl":300,"type":"AAAA","address":"2001:db8:1::1"},{"name":"www","ttl":300,"type":"AAAA","address":"2001:db8:2::1"}],` +
			`"left-out":[{"address":"2001:db8:3::1","why":"it proves no other address, so that a session that begins there ends with its provider"},` +
			`{"address":"2001:db8:4::1","why":"it is temporary"},{"address":"2001:db8:5::1","why":"tentative: duplicate address detection goes on"},` +
			`{"address":"2001:db8:6::1","why":"the link is down"},{"address":"2001:db8:7::1","why":"deprecated: its preferred lifetime has ended"},` +
			`{"address":"fd00::1","why":"it is a unique local address, which works only within a site"}]}` + "\n"},
	} {
		status, got, errs := callWorld(&world{daemon: server(), name: c.name}, strings.Fields(c.words)...)
		if status != 0 || got != c.want || errs != out {
			t.Errorf("%s: status %d, it prints\n%swanted\n%sand says\n%s", c.words, status, got, c.want, errs)
		}
	}
}

// Names are completed by the zone, as in a zone file.
func TestRecordName(t *testing.T) {
	for _, c := range []struct{ name, zone, want string }{
		{"@", "example.org.", "example.org."},
		{"www", "example.org", "www.example.org."},
		{"www.example.org", "example.org", "www.example.org."},
		{"WWW.Example.org.", "example.org", "WWW.Example.org."},
		{"example.org.", "example.org", "example.org."},
		{"www.eu", "example.org.", "www.eu.example.org."},
		{"*.dyn", "example.org.", "*.dyn.example.org."},
		{"www.eu", "", "www.eu"},
	} {
		if got, err := (&tool{}).recordName(c.name, c.zone); got != c.want || err != nil {
			t.Errorf("%s in %s is %s, %v; wanted %s", c.name, c.zone, got, err, c.want)
		}
	}
}

func TestLocatorDNSMistakes(t *testing.T) {
	long := strings.Repeat("a", 63)
	for _, c := range []struct{ words, want string }{
		{"locator dns ttl", "there is no address"}, // it is a NAME
		{"locator dns a..b", `NAME: "a..b" is no name in the DNS`},
		{"locator dns a;b", `NAME: "a;b" is no name in the DNS`},
		{"locator dns www ttl 1h", `ttl: "1h" is not a number`},
		{"locator dns www ttl 2147483648", "ttl: 2147483648 is more than a record can have"},
		{"locator dns www nsupdate .", `nsupdate: "" is no name in the DNS`},
		{"locator dns www.example.com. nsupdate example.org", "NAME: www.example.com. is not in the zone example.org."},
		{"locator dns " + long + " nsupdate " + strings.Join([]string{long, long, long}, "."), "at most 253 characters"},
		{"locator dns www class IN", `there is no key of locator dns "class"`},
	} {
		d := server()
		d.locators = d.locators[2:]
		status, out, errs := callWorld(&world{daemon: d}, strings.Fields(c.words)...)
		if status == 0 || out != "" || !strings.Contains(errs, c.want) {
			t.Errorf("%s: status %d, it prints %q and says %q, wanted %q", c.words, status, out, errs, c.want)
		}
	}
	for _, name := range []string{"localhost", "(none)"} {
		if status, out, errs := callWorld(&world{daemon: server(), name: name}, "locator", "dns"); status != exitUsage || out != "" || !strings.Contains(errs, "say which NAME") {
			t.Errorf("on %s: status %d, %q, %q", name, status, out, errs)
		}
	}
	if status, out, _ := callWorld(&world{}, "locator", "dns", "www"); status == 0 || out != "" {
		t.Errorf("without a daemon: status %d, %q", status, out)
	}
	if c := commandsOf("locator"); !slices.ContainsFunc(c, func(c *command) bool { return c.verb == "dns" }) {
		t.Error("there is no such command")
	}
}
