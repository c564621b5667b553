// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"shim6/daemon/control"
	"shim6/daemon/locator"
	"shim6/netlink"
)

var (
	router1 = netip.MustParseAddr("fe80::1")
	router2 = netip.MustParseAddr("fe80::2")
)

// laid is a healthy world whose links are known: up1 and up2, each with its router.
func laid(t *testing.T) *world {
	w := healthy(t)
	w.host.by = map[string]netip.Addr{"up1": router1, "up2": router2}
	w.host.links = layout{
		addresses: []locator.Assigned{
			{Index: 3, Interface: "up1", Address: ulidA, Bits: 64, ValidUntil: time.Hour},
			{Index: 4, Interface: "up2", Address: locatorA, Bits: 64, ValidUntil: time.Hour},
		},
		routers: map[string][]netip.Addr{"up1": {router1}, "up2": {router2}},
	}
	return w
}

// runs has a program run on the host.
func (w *world) runs(t *testing.T, comm string) { w.write(t, "proc/77/comm", comm+"\n") }

// Advice on a route goes to the program that sets up the link.
func TestDoctorManagers(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(*testing.T, *world)
		want string
	}{
		{"none", func(*testing.T, *world) {}, "route by source: 'ip -6 route add default from 2001:db8:3::/64 via fe80::2 dev up2'\n"},
		{"systemd-networkd", func(t *testing.T, w *world) {
			w.runs(t, "systemd-network")
			w.write(t, "run/systemd/netif/links/4", "ADMIN_STATE=configured\nNETWORK_FILE=/run/systemd/network/10-up.network\n")
		}, "put the lines '[Route]', 'Gateway=fe80::2' and 'Source=2001:db8:3::/64' into /etc/systemd/network/10-up.network.d/shim6.conf, then 'networkctl reload'\n"},
		{"systemd-networkd with one file for both", func(t *testing.T, w *world) {
			w.runs(t, "systemd-network")
			for _, link := range []string{"3", "4"} {
				w.write(t, "run/systemd/netif/links/"+link, "ADMIN_STATE=configured\nNETWORK_FILE=/etc/systemd/network/up.network\n")
			}
		}, "copy /etc/systemd/network/up.network, which other interfaces have as well, to /etc/systemd/network/05-up2.network, with 'Name=up2' below '[Match]', and " +
			"put the lines '[Route]', 'Gateway=fe80::2' and 'Source=2001:db8:3::/64' into /etc/systemd/network/05-up2.network, then"},
		{"systemd-networkd with another link", func(t *testing.T, w *world) {
			w.runs(t, "systemd-network")
			w.write(t, "run/systemd/netif/links/4", "ADMIN_STATE=unmanaged\n")
		}, "'ip -6 route add default from 2001:db8:3::/64"},
		{"systemd-networkd that has ended", func(t *testing.T, w *world) {
			w.write(t, "run/systemd/netif/links/4", "ADMIN_STATE=configured\n")
		}, "'ip -6 route add default from 2001:db8:3::/64"},
		{"NetworkManager", func(t *testing.T, w *world) {
			w.runs(t, "NetworkManager")
			w.write(t, "run/NetworkManager/devices/4", "[device]\nmanaged=true\nconnection-uuid=5f1c\n")
		}, `'nmcli connection modify 5f1c +ipv6.routes "::/0 fe80::2 table=1004" +ipv6.routing-rules "priority 1000 from 2001:db8:3::/64 table 1004"', then 'nmcli device reapply up2'` + "\n"},
		{"dhcpcd", func(t *testing.T, w *world) { w.runs(t, "dhcpcd") },
			"put 'ip -6 route add default from 2001:db8:3::/64 via fe80::2 dev up2' into /etc/dhcpcd.exit-hook, and run it once\n"},
		{"ifupdown", func(t *testing.T, w *world) { w.write(t, "run/network/ifstate", "lo=lo\nup2=up2\n") },
			"put 'up ip -6 route add default from 2001:db8:3::/64 via fe80::2 dev up2' below 'iface up2 inet6' in /etc/network/interfaces, and run the command once\n"},
	} {
		w := laid(t)
		tt.set(t, w)
		w.host.out[locatorA] = "up1"
		if _, out, _ := callWorld(w, "doctor"); !strings.Contains(out, "warn routes    packets from 2001:db8:3::a to 2001:db8:4::b leave by up1, not by its own up2") ||
			!strings.Contains(out, tt.want) {
			t.Errorf("%s:\n%s", tt.name, out)
		}
		// An address without a default route.
		delete(w.host.out, locatorA)
		w.kernel.contexts = nil
		if _, out, _ := callWorld(w, "doctor"); !strings.Contains(out, "no default route for 2001:db8:3::a: network is unreachable: '") {
			t.Errorf("%s:\n%s", tt.name, out)
		}
	}
}

func TestDoctorLinks(t *testing.T) {
	delegated := netip.MustParseAddr("2001:db8:3:c::1")
	for _, tt := range []struct {
		name string
		set  func(*world)
		want []string
		// not is what must not be said.
		not string
	}{
		{"all is well", func(*world) {}, []string{"ok   addresses locators of 2 prefixes\n", "ok   routes"}, "warn "},
		{"a delegated prefix that leaves by its provider's router", func(w *world) {
			w.delegate(delegated)
			w.host.out[delegated] = "up2"
		}, []string{"ok   routes    each address"}, "warn routes"},
		{"a delegated prefix that leaves by the other one", func(w *world) {
			w.delegate(delegated)
			w.host.out[delegated] = "up1"
		}, []string{"packets from 2001:db8:3:c::1 to 3fff::1 leave by up1, not by up2, whose provider has delegated its prefix",
			"'ip -6 route add default from 2001:db8:3:c::/64 via fe80::2 dev up2'"}, "dev lan"},
		{"a delegated prefix without its provider", func(w *world) {
			other := netip.MustParseAddr("2001:db8:9:c::1")
			w.delegate(other)
			w.host.out[other] = "up1"
		}, []string{"connections that begin at an address in 2001:db8:9::/48 are not protected: it proves no other address: 2001:db8:9:c::/64 was delegated or set by hand: " +
			"no router announces a prefix on lan", "make some with 'shim6tool hba generate'"}, "warn routes"},
		{"an address that came by DHCPv6", func(w *world) {
			w.daemon.locators[1].HBA = false
			w.host.links.addresses[1].Bits = 128
			w.host.out[locatorA] = "up1"
		}, []string{"warn addresses connections that begin at an address in 2001:db8:3::/48 are not protected",
			"2001:db8:3::a came by DHCPv6 or by hand, and the router of up2 announces no prefix", "set the flag A", "'ip -6 route add default from 2001:db8:3::a/128 via fe80::2 dev up2'"}, "ok   addresses"},
		{"only such addresses", func(w *world) {
			for i := range w.daemon.locators {
				w.daemon.locators[i].HBA = false
				w.host.links.addresses[i].Bits = 128
			}
		}, []string{"warn addresses no address proves another, so peers will switch to none: 2001:db8:1::a came by DHCPv6 or by hand"}, "ok   addresses"},
		{"an address without a lifetime", func(w *world) {
			w.daemon.locators[1].HBA = false
			w.host.links.addresses[1].ValidUntil = 0
		}, []string{"2001:db8:3::a was set by hand, or its router announces no prefix"}, "ok   addresses"},
		{"one router for all", func(w *world) { w.host.by["up2"], w.host.by["up1"] = router1, router1; w.oneLink() },
			[]string{"warn routes    all addresses leave by one router, fe80::1 on up1: if it fails, there is nowhere to go"}, "ok   routes"},
		{"two routers on one link", func(w *world) { w.oneLink(); w.host.by = nil }, []string{"ok   routes"}, "warn routes"},
	} {
		w := laid(t)
		w.kernel.contexts = nil
		tt.set(w)
		_, out, _ := callWorld(w, "doctor")
		for _, want := range tt.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s: lacks %q:\n%s", tt.name, want, out)
			}
		}
		if strings.Contains(out, tt.not) {
			t.Errorf("%s: says %q:\n%s", tt.name, tt.not, out)
		}
	}
}

// delegate gives the host an address of a prefix of which it is the router itself.
func (w *world) delegate(a netip.Addr) {
	w.daemon.locators = append(w.daemon.locators, control.Locator{Address: a, Interface: "lan", Available: true, Operational: true})
	w.host.links.addresses = append(w.host.links.addresses, locator.Assigned{Index: 5, Interface: "lan", Address: a, Bits: 64})
}

// oneLink moves all addresses to up1.
func (w *world) oneLink() {
	for i := range w.daemon.locators {
		w.daemon.locators[i].Interface = "up1"
		w.host.links.addresses[i].Interface = "up1"
		w.host.out[w.daemon.locators[i].Address] = "up1"
	}
}

// Without an address, the manager of the links knows what it has heard.
func TestDoctorNoAddress(t *testing.T) {
	w := laid(t)
	w.daemon.locators = []control.Locator{}
	w.runs(t, "systemd-network")
	w.write(t, "run/systemd/netif/links/3", "ADMIN_STATE=configured\n")
	if _, out, _ := callWorld(w, "doctor"); !strings.Contains(out, "'networkctl status up1' shows what systemd-networkd has heard of routers") {
		t.Error(out)
	}
}

// Traffic that begins at an address that proves nothing is told of before it has a context.
func TestDoctorFlows(t *testing.T) {
	w := laid(t)
	w.kernel.contexts = nil
	w.kernel.flows = []netlink.Flow{fullFlow()}
	w.daemon.protections = []control.Protection{{Name: flowName(fullFlow()), Why: "the peer has no Shim6", Text: "not protected: the peer has no Shim6"}}
	if _, out, _ := callWorld(w, "doctor"); strings.Contains(out, "sessions") {
		t.Errorf("a peer's lack is this host's: %s", out)
	}
	w.daemon.protections[0].LackLocal, w.daemon.protections[0].Text = "our ULID proves nothing", "not protected: our ULID proves nothing"
	if _, out, _ := callWorld(w, "doctor"); !strings.Contains(out, "warn sessions  2001:db8:1::a 2001:db8:2::b is not protected: our ULID proves nothing") {
		t.Error(out)
	}
}

// A manager of another namespace has nothing to do with this one's links.
func TestManagerNamespace(t *testing.T) {
	w := laid(t)
	w.runs(t, "dhcpcd")
	p := &patient{tool: &tool{system: w.system()}, host: w.host}
	if m := p.managerOf("up1", 3); m.program != dhcpcd {
		t.Errorf("%+v", m)
	}
	w.host.serving = false
	if m := p.managerOf("up1", 3); m != (manager{}) {
		t.Errorf("%+v", m)
	}
}
