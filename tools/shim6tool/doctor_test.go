// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"shim6/daemon/control"
	"shim6/netlink"
)

const openRules = `{"nftables":[{"metainfo":{"version":"1"}}]}`

// healthy is a world without anything wrong.
func healthy(t *testing.T) *world {
	f := newFake()
	f.contexts = []netlink.Context{fullContext()}
	f.stats = []netlink.Stat{{Name: "ctl-in-no-daemon", Value: 0}}
	d := newDaemon()
	d.status.EventsLost = 0
	d.locators = []control.Locator{
		{Address: ulidA, Interface: "up1", Available: true, Operational: true, HBA: true},
		{Address: locatorA, Interface: "up2", Available: true, Operational: true, HBA: true},
	}
	w := &world{kernel: f, daemon: d, network: &fakeNetwork{pathMTU: 1500, shim6: r1, ping: pong},
		host: &fakeHost{out: map[netip.Addr]string{ulidA: "up1", locatorA: "up2"}, nft: openRules, serving: true}}
	w.write(t, "etc/shim6d.conf", "")
	return w
}

func TestDoctor(t *testing.T) {
	const wall = `{"nftables":[{"chain":{"family":"inet","table":"filter","name":"in","hook":"input","policy":"drop"}},
		{"rule":{"family":"inet","table":"filter","chain":"in","expr":[{"match":{"right":"tcp"}}]}}]}`
	for _, tt := range []struct {
		name   string
		words  string
		ill    func(*testing.T, *world)
		status int
		want   []string
	}{
		{"healthy", "doctor", func(*testing.T, *world) {}, 0, []string{
			"ok   config    ", "ok   module    shim6.ko is loaded, 1 contexts\n", "ok   daemon    shim6d 1.2 runs, process 77\n",
			"ok   addresses locators of 2 prefixes\n", "ok   routes    each address leaves by its own interface\n",
			"ok   firewall  ", "ok   counters  ", "ok   peer      from 2001:db8:3::a to 2001:db8:4::b protocol 140 passes"}},
		{"no configuration", "doctor", func(_ *testing.T, w *world) { w.root = "/nonexistent" }, 0, []string{"ok   config    /nonexistent/etc/shim6d.conf is not there"}},
		{"a wrong configuration", "doctor", func(t *testing.T, w *world) { w.write(t, "etc/shim6d.conf", "colour = 1\n") }, exitRefused,
			[]string{"fail config    ", "shim6d.conf:1: colour: there is no such key", "systemctl restart shim6d"}},
		{"trusted prefixes", "doctor", func(t *testing.T, w *world) { w.write(t, "etc/shim6d.conf", "[peers]\ntrusted-prefixes = ['::/0']\n") }, 0,
			[]string{"warn config    peers.trusted-prefixes"}},
		{"no module", "doctor", func(_ *testing.T, w *world) { w.kernel = nil }, exitRefused, []string{"fail module    the kernel has no family shim6: 'modprobe shim6'"}},
		{"no daemon", "doctor", func(_ *testing.T, w *world) { w.daemon = nil; w.host.list = newDaemon().locators[1:2] }, exitRefused,
			[]string{"fail daemon    nobody listens", "warn addresses 2001:db8:3::a is not used: the link is down", "2 of "}},
		{"the daemon of another namespace", "doctor", func(_ *testing.T, w *world) { w.host.serving = false }, exitRefused,
			[]string{"fail daemon    shim6d (process 77) serves another network namespace"}},
		{"the daemon waits for the module", "doctor", func(_ *testing.T, w *world) { w.daemon.status.Kernel = false }, exitRefused,
			[]string{"fail daemon    shim6d runs, and waits for the module: 'modprobe shim6'"}},
		{"keys that are not saved", "doctor", func(_ *testing.T, w *world) { w.daemon.status.KeysError = "no space left" }, 0,
			[]string{"warn daemon    the state directory can't be used, so the next reboot may change the addresses of shim6d: no space left"}},
		{"records that are not kept", "doctor", func(_ *testing.T, w *world) { w.daemon.status.RecordsError = "no space left" }, 0,
			[]string{"warn daemon    shim6d will know less of its contexts after a restart: no space left"}},
		{"lost events", "doctor", func(_ *testing.T, w *world) { w.daemon.status.EventsLost = 3 }, 0, []string{"warn daemon    events came faster than shim6d read them, 3 times"}},
		{"one provider", "doctor", func(_ *testing.T, w *world) { w.daemon.locators = w.daemon.locators[:1] }, 0,
			[]string{"warn addresses all locators are of one prefix, 2001:db8:1::/64", "second provider"}},
		{"no address", "doctor", func(_ *testing.T, w *world) { w.daemon.locators = []control.Locator{} }, exitRefused,
			[]string{"fail addresses there is no address that could be a locator"}},
		{"an address that is not used", "doctor", func(_ *testing.T, w *world) {
			w.daemon.locators = append(w.daemon.locators, control.Locator{Address: ulidB, Why: "tentative"})
		}, 0, []string{"warn addresses 2001:db8:2::b is not used: tentative"}},
		{"no proof", "doctor", func(_ *testing.T, w *world) { w.daemon.locators[0].HBA, w.daemon.locators[1].HBA = false, false }, 0,
			[]string{"warn addresses no address proves another", "shim6d makes them from the prefixes that routers announce"}},
		{"no proof, by hand", "doctor", func(t *testing.T, w *world) {
			w.write(t, "etc/shim6d.conf", "[addresses]\nmanage = false\n")
			w.daemon.locators[0].HBA, w.daemon.locators[1].HBA = false, false
		}, 0, []string{"warn addresses no address proves another", "manage in [addresses]", "shim6tool hba generate"}},
		{"the wrong provider", "doctor", func(_ *testing.T, w *world) { w.host.out[locatorA] = "up1" }, 0,
			[]string{"warn routes    packets from 2001:db8:3::a to 2001:db8:4::b leave by up1, not by its own up2", "ip -6 route add default from 2001:db8:3::/64"}},
		{"a session that is protected", "doctor", func(_ *testing.T, w *world) {
			w.daemon.protections = []control.Protection{{Name: nameOf(w.kernel.contexts[0].ULIDs), Protected: true, NetworksLocal: 2, Text: "protected"}}
		}, 0, []string{"ok   sessions  all contexts that were checked, 1, have another provider to go to"}},
		{"a session that is protected against the peer's provider alone", "doctor", func(_ *testing.T, w *world) {
			w.daemon.protections = []control.Protection{{Name: nameOf(w.kernel.contexts[0].ULIDs), Protected: true, NetworksLocal: 1, Text: "protected by 1"}}
		}, 0, []string{"warn sessions  2001:db8:1::a 2001:db8:2::b fii 7 is protected by 1: 'shim6tool locator'"}},
		{"a session of two prefixes that one provider gave", "doctor", func(_ *testing.T, w *world) {
			w.daemon.locators[1].Address = netip.MustParseAddr("2001:db8:1:1::a")
			w.daemon.protections = []control.Protection{{Name: nameOf(w.kernel.contexts[0].ULIDs), Protected: true, NetworksLocal: 1, Text: "protected by 1"}}
		}, 0, []string{"warn addresses locators of 2 prefixes, all of one network, 2001:db8:1::/48: they mostly fail together", "ok   sessions  all contexts that were checked, 1,"}},
		{"sessions that are not protected", "doctor", func(_ *testing.T, w *world) {
			for i := range 5 {
				c := fullContext()
				c.FII = uint32(100 + i)
				w.kernel.contexts = append(w.kernel.contexts, c)
				w.daemon.protections = append(w.daemon.protections, control.Protection{Name: nameOf(c.ULIDs), Text: "not protected: one provider"})
			}
		}, 0, []string{"warn sessions  2001:db8:1::a 2001:db8:2::b fii 100 is not protected: one provider: 'shim6tool locator'", "warn sessions  2 more are not protected"}},
		{"no route", "doctor", func(_ *testing.T, w *world) { delete(w.host.out, locatorA) }, 0, []string{"warn routes    no route from 2001:db8:3::a to 2001:db8:4::b: network is unreachable"}},
		{"no default route", "doctor", func(_ *testing.T, w *world) { delete(w.host.out, locatorA); w.kernel.contexts = nil }, 0,
			[]string{"warn routes    no default route for 2001:db8:3::a", "ok   peer      there is no context"}},
		{"a firewall without a rule for protocol 140", "doctor", func(_ *testing.T, w *world) { w.host.nft = wall }, exitRefused,
			[]string{"fail firewall  chain inet filter in drops", "nft insert rule inet filter in meta l4proto 140 accept"}},
		{"no nft", "doctor", func(_ *testing.T, w *world) { w.host.nftErr = errors.New("not found") }, 0, []string{"warn firewall  nft does not list the rules: not found"}},
		{"counters", "doctor", func(_ *testing.T, w *world) { w.kernel.stats[0].Value = 9 }, 0,
			[]string{"warn counters  ctl-in-no-daemon: control messages came while no shim6d was there, 9 so far: start shim6d"}},
		{"no rights", "doctor", func(_ *testing.T, w *world) { w.host.noRights = true }, 0, []string{"warn peer      a probe of protocol 140 takes CAP_NET_RAW: run doctor as root"}},
		{"a peer that does not answer", "doctor", func(_ *testing.T, w *world) { w.network.shim6 = nil }, exitRefused,
			[]string{"fail peer      from 2001:db8:3::a to 2001:db8:4::b protocol 140 is not answered, but ping is: let IP protocol 140 through"}},
		{"a peer that is named", "doctor peer 2001:db8:2::b from 2001:db8:3::a", func(_ *testing.T, w *world) { w.network.shim6 = refuses(ulidB, icmpParameter, 1) },
			exitRefused, []string{"fail peer      from 2001:db8:3::a to 2001:db8:2::b protocol 140 reaches 2001:db8:2::b, which has no Shim6"}},
		{"all pairs of a peer", "doctor peer 2001:db8:2::b", func(_ *testing.T, w *world) {
			w.daemon.contexts = []control.Context{{Name: name, State: "established"}, {Name: plain, State: "i1-sent"}}
			w.daemon.answers = []control.Pair{other}
		}, exitRefused, []string{
			"ok   pairs     from 2001:db8:3::a to 2001:db8:4::b, by which payload goes, a Probe was answered after 12.3ms\n",
			"fail pairs     from 2001:db8:1::a to 2001:db8:2::b no Probe was answered: see 'shim6tool doctor' at the peer"}},
		{"all pairs of a peer, by its locator", "doctor peer 2001:db8:4::b", func(_ *testing.T, w *world) {
			w.daemon.contexts = []control.Context{{Name: name, State: "established", LocatorsPeer: []control.PeerLocator{{Address: locatorB, Verified: true}}}}
			w.daemon.answers, w.daemon.busy = []control.Pair{ulids, other}, 3
		}, 0, []string{"ok   pairs     from 2001:db8:1::a to 2001:db8:2::b a Probe", "ok   pairs     from 2001:db8:3::a to 2001:db8:4::b"}},
		{"a context that is always being probed", "doctor peer 2001:db8:2::b", func(_ *testing.T, w *world) {
			w.daemon.contexts = []control.Context{{Name: name, State: "established"}}
			w.daemon.busy = 1000
		}, 0, []string{"warn pairs     the pairs of 2001:db8:1::a 2001:db8:2::b fii 7 were not probed: the context is being probed already"}},
		{"a pair that nothing passes", "doctor peer 2001:db8:2::b", func(_ *testing.T, w *world) {
			w.daemon.contexts = []control.Context{{Name: name, State: "established"}}
			w.network.shim6 = nil
		}, exitRefused, []string{"fail pairs     from 2001:db8:1::a to 2001:db8:2::b no Probe was answered: protocol 140 is not answered"}},
		{"a peer without context", "doctor peer 2001:db8:4::b", func(*testing.T, *world) {}, 0,
			[]string{"octets\nok   peer      from 2001:db8:3::a to 2001:db8:4::b"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := healthy(t)
			tt.ill(t, w)
			status, out, errs := callWorld(w, strings.Fields(tt.words)...)
			if status != tt.status || (errs == "") != (status == 0) {
				t.Errorf("status %d, %s", status, errs)
			}
			for _, want := range tt.want {
				if !strings.Contains(out+errs, want) {
					t.Errorf("lacks %q:\n%s%s", want, out, errs)
				}
			}
			if tt.name == "healthy" && strings.Contains(out, "warn ") {
				t.Error(out)
			}
			// The same as JSON, and nothing else.
			jsonStatus, j, _ := callWorld(w, append([]string{"-j"}, strings.Fields(tt.words)...)...)
			var list []struct{ Check, Result, Text, Advice string }
			if err := json.Unmarshal([]byte(j), &list); err != nil || jsonStatus != status || len(list) != strings.Count(out, "\n") {
				t.Fatalf("status %d, %v: %s", jsonStatus, err, j)
			}
			for _, c := range list {
				if c.Check == "" || c.Text == "" || !slices.Contains([]string{"ok", "warn", "fail"}, c.Result) {
					t.Errorf("%+v", c)
				}
			}
		})
	}
}

func TestModuleAdvice(t *testing.T) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	release := unix.ByteSliceToString(u.Release[:])
	const (
		there      = "updates/shim6.ko:\n"
		secureBoot = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
		enroll     = "'mokutil --import /var/lib/dkms/mok.pub'"
	)
	for _, tt := range []struct{ dep, file, text, want string }{
		{"kernel/net/ipv6/sit.ko:\n", "", "", "no shim6.ko is installed for this kernel, " + release},
		{"kernel/net/ipv6/sit.ko:\n", secureBoot, "\x06\x00\x00\x00\x01", "'apt install linux-headers-" + release + "'"},
		{there, "", "", "'modprobe shim6', as root\n"},
		{there, secureBoot, "\x06\x00\x00\x00\x00", "'modprobe shim6', as root\n"},
		{there, secureBoot, "\x06\x00\x00\x00\x01", enroll},
		{there, "sys/module/module/parameters/sig_enforce", "Y\n", enroll},
		{there, "sys/module/module/parameters/sig_enforce", "N\n", "'modprobe shim6', as root\n"},
		{there, "sys/kernel/security/lockdown", "none [integrity] confidentiality\n", enroll},
		{there, "sys/kernel/security/lockdown", "[none] integrity confidentiality\n", "'modprobe shim6', as root\n"},
	} {
		w := healthy(t)
		w.kernel = nil
		w.write(t, "lib/modules/"+release+"/modules.dep", tt.dep)
		if tt.file != "" {
			w.write(t, tt.file, tt.text)
		}
		if _, out, _ := callWorld(w, "doctor"); !strings.Contains(out, tt.want) {
			t.Errorf("%q: %s", tt.dep, out)
		}
	}
}

// The kernel names the interface of a route.
func TestRoute(t *testing.T) {
	loopback := netip.MustParseAddr("::1")
	if conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, 0))); err != nil {
		t.Skipf("this host has no %v: %v", loopback, err)
	} else {
		conn.Close()
	}
	if w, err := (thisHost{}).route(loopback, loopback); err != nil || w.name != "lo" || w.router.IsValid() {
		t.Errorf("%v, %v", w, err)
	}
}

// Of many contexts few are kept, among them some peers of each locator of ours.
func TestDoctorKeepsFew(t *testing.T) {
	p := &patient{}
	const many = 20_000
	for i := range many {
		c := fullContext()
		c.Peer = netip.AddrFrom16([16]byte{0x20, 1, 13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)})
		c.LocatorPeer = c.Peer
		if i >= many/2 {
			c.LocatorLocal = ulidA
		}
		p.keep(&c)
	}
	if p.all != many || len(p.contexts) != control.MaxProtections+maxProbed || p.contexts[control.MaxProtections].LocatorLocal != ulidA {
		t.Errorf("%d of %d are kept", len(p.contexts), p.all)
	}
}
