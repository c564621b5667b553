// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jsimonetti/rtnetlink/v2"
	mnetlink "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"shim6/daemon/config"
	"shim6/daemon/internal/engine"
	"shim6/daemon/locator"
	"shim6/daemon/wire"
	"shim6/netlink"
	"shim6/tools/conformance/shows"
)

// linkEvents are events of the link of the locator in use, with their consequences.
var linkEvents = []struct {
	name    string
	message mnetlink.Message
	// happen causes the event on up1, or on its other end, p1.
	happen func(t *testing.T)
	// why is then said of the locator, and flags are told to the peer.
	why   string
	flags wire.PreferenceFlags
	// reap: the context explores or, if the locator still works, asks for others.
	reap engine.ReapState
}{
	{"link down", toldLink(up1, "up1", unix.IFF_UP), command("ip link set p1 down"),
		"the link is down", wire.FlagBroken, engine.ReapExploring},
	{"route lost", toldRoute(unix.RTM_DELROUTE), command("ip -6 route del default"),
		"there is no default router any more", wire.FlagBroken, engine.ReapExploring},
	{"router unreachable", told(unix.RTM_NEWNEIGH, &rtnetlink.NeighMessage{Family: unix.AF_INET6, Index: up1, State: unix.NUD_FAILED,
		Attributes: &rtnetlink.NeighAttributes{Address: router.AsSlice()}}), useRouter,
		"the default router does not answer (Neighbor Unreachability Detection)", wire.FlagBroken, engine.ReapExploring},
	{"address deprecated", toldAddress(up1, a1, unix.IFA_F_DEPRECATED), command("ip addr change 2001:db8:1::a/64 dev up1 preferred_lft 0"),
		"deprecated: its preferred lifetime has ended", wire.FlagTransient, engine.ReapInboundOK},
}

// command returns a function that runs a command in the network namespace of the test.
func command(text string) func(t *testing.T) {
	return func(t *testing.T) {
		t.Helper()
		f := strings.Fields(text)
		if out, err := exec.Command(f[0], f[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", text, err, out)
		}
	}
}

// useRouter sends a packet by the router, which does not exist.
func useRouter(t *testing.T) {
	t.Helper()
	c, err := net.Dial("udp6", "[2001:db8:8::1]:9")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
}

// probing is a kernel that notes the source addresses of Probes.
type probing struct {
	*fake
	from []netip.Addr
}

func (p *probing) SendControl(source, destination netip.Addr, how netlink.Encapsulation, message []byte, length int) error {
	if m, err := wire.Decode(message); err == nil && m.Type() == wire.TypeProbe {
		p.from = append(p.from, source)
	}
	return p.fake.SendControl(source, destination, how, message, length)
}

// local returns what the engine knows of a locator of a context, and of the context.
func local(d *daemon, a netip.Addr) (engine.LocalLocator, engine.Info) {
	s, ok := d.session.engine.Session(ulids)
	if !ok {
		return engine.LocalLocator{}, engine.Info{}
	}
	l, _ := s.Local(a)
	return l, s.Info()
}

// A message of rtnetlink leads to a Probe by another locator.
func TestLinkEvents(t *testing.T) {
	shows.IDs(t, "5534-3.2-01 5534-3.2-02")
	for _, x := range linkEvents {
		d, f, _ := configured(t, trusting, a1)
		k := &probing{fake: f}
		d.kernel.conn.Client = k
		// For the routes: this host has none of up1.
		w, err := locator.Watch()
		if err != nil {
			t.Fatal(err)
		}
		d.host.sources[0].(*rtnetlinkSource).watcher = w
		if l, c := local(d, a1); l.Preference.Flags != 0 || c.Reap != engine.ReapOperational || c.Current.Local != a1 {
			t.Fatalf("%s: before: %+v, %+v", x.name, l, c)
		}
		tell(t, d, x.message)
		if d.host.settleAt == 0 {
			t.Errorf("%s: nothing is looked at", x.name)
		}
		d.host.settle()
		if err := d.due(); err != nil {
			t.Fatal(err)
		}
		l, c := local(d, a1)
		if l.Preference.Flags != x.flags || c.Reap != x.reap || !slices.Equal(k.from, []netip.Addr{a2}) {
			t.Errorf("%s: flags %d in %v, Probes from %v", x.name, l.Preference.Flags, c.Reap, k.from)
		}
		if l, _ := local(d, a2); l.Preference.Flags != 0 {
			t.Errorf("%s: the other link: %+v", x.name, l)
		}
		for _, l := range d.host.assess() {
			if l.Address == a1 && l.Why != x.why {
				t.Errorf("%s: said is %q", x.name, l.Why)
			}
		}
	}
}

// namespace moves the test into a network namespace of its own, with two links that the kernel
// has made. It skips the test without the privilege for that, and where the machine's kernel
// has no such links. In guests, test_explore.sh shows the same.
func namespace(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip(err)
	}
	// The thread ends with the test.
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); errors.Is(err, unix.EPERM) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	for _, i := range []string{"1", "2"} {
		if out, err := exec.Command("ip", "link", "add", "up"+i, "type", "veth", "peer", "name", "p"+i).CombinedOutput(); err != nil {
			t.Skip(string(out), err)
		}
	}
	for _, text := range []string{
		"ip link set p1 up", "ip link set up1 up", "ip link set p2 up", "ip link set up2 up",
		"ip addr add 2001:db8:1::a/64 dev up1 nodad", "ip addr add 2001:db8:2::a/64 dev up2 nodad",
		"ip -6 route add default via fe80::1 dev up1",
	} {
		command(text)(t)
	}
	for _, name := range []string{"up1", "up2"} {
		// That there is a carrier is told a little later.
		for until := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			i, err := net.InterfaceByName(name)
			if err != nil {
				t.Fatal(err)
			}
			if i.Flags&net.FlagRunning != 0 {
				break
			}
			if time.Now().After(until) {
				t.Fatalf("%s does not come up", name)
			}
		}
	}
	// The kernel gives up a neighbour sooner than after three seconds.
	if err := os.WriteFile("/proc/sys/net/ipv6/neigh/up1/retrans_time_ms", []byte("20"), 0); err != nil {
		t.Log(err)
	}
}

// With links of the kernel, every event is heard as well.
func TestLinkEventsOfKernel(t *testing.T) {
	shows.IDs(t, "5534-3.2-01 5534-3.2-02 5534-4.1-01")
	for _, x := range linkEvents {
		t.Run(x.name, func(t *testing.T) {
			namespace(t)
			d, f, _ := made(t)
			k := &probing{fake: f}
			d.kernel.conn.Client = k
			c, err := config.Parse("f", trusting)
			if err != nil {
				t.Fatal(err)
			}
			c.StateDirectory, c.Control = d.config.StateDirectory, d.config.Control
			d.config = c
			if err := d.host.Start(); err != nil {
				t.Fatal(err)
			}
			f.contexts = []netlink.Context{adoptedBy(a1)}
			if err := d.session.Start(); err != nil {
				t.Fatal(err)
			}
			_, end := running(t, d)
			state := func() string {
				s, err := look(t.Context(), d, func() string {
					l, c := local(d, a1)
					why := ""
					for _, l := range d.host.assess() {
						if l.Address == a1 {
							why = l.Why
						}
					}
					return fmt.Sprintf("flags %d, probes %v: %s", l.Preference.Flags, c.Reap != engine.ReapOperational, why)
				})
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
			// await has a state come, in which everything has been heard.
			await := func(want string) {
				t.Helper()
				got := ""
				for until := time.Now().Add(20 * time.Second); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
					if got = state(); got == want {
						return
					}
				}
				t.Errorf("it stays at %q, wanted %q", got, want)
			}
			await("flags 0, probes false: ")
			x.happen(t)
			await(fmt.Sprintf("flags %d, probes true: %s", x.flags, x.why))
			end()
			if len(k.from) == 0 || k.from[0] != a2 {
				t.Errorf("Probes from %v", k.from)
			}
		})
	}
}
