// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	mnetlink "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"shim6/daemon/cga"
	"shim6/daemon/config"
	"shim6/daemon/internal/address"
	"shim6/daemon/internal/engine"
	"shim6/daemon/internal/kernellink"
	"shim6/daemon/locator"
	"shim6/netlink"
	"shim6/tools/conformance/shows"
)

// fakeRtnetlink notes what it is asked. refuse is the error of everything except Routes and
// Labels.
type fakeRtnetlink struct {
	d      *daemon
	done   []string
	refuse error
	rules  []address.Rule
	routes address.Routes
	labels []netip.Addr
	// lifetimes are those of temporary addresses, by link.
	lifetimes map[uint32]address.Lifetimes
	// mute is the error of Labels.
	mute error
}

func (f *fakeRtnetlink) Do(a address.Action) error {
	f.done = append(f.done, a.String())
	return f.refuse
}

func (f *fakeRtnetlink) Rules() ([]address.Rule, error)  { return f.rules, f.refuse }
func (f *fakeRtnetlink) Routes() (address.Routes, error) { return f.routes, nil }
func (f *fakeRtnetlink) Labels() ([]netip.Addr, error)   { return f.labels, f.mute }
func (f *fakeRtnetlink) Close() error                    { return nil }

func (f *fakeRtnetlink) Lifetimes(index uint32) (address.Lifetimes, error) {
	if l, ok := f.lifetimes[index]; ok {
		return l, nil
	}
	return address.Lifetimes{}, errors.New("there is no such link")
}

func (f *fakeRtnetlink) did(t *testing.T, want ...string) {
	t.Helper()
	if !slices.EqualFunc(f.done, want, strings.HasPrefix) {
		t.Errorf("done is %q, wanted %q", f.done, want)
	}
	f.done = nil
}

// withContext is a daemon with an address on link 2 and a loopback, and a context.
func withContext(t *testing.T) (*daemon, *fakeRtnetlink, *strings.Builder) {
	t.Helper()
	d, k, log := made(t)
	f := &fakeRtnetlink{d: d}
	d.addresses.rtnetlink = f
	tell(t, d, toldLink(1, "", unix.IFF_LOOPBACK|linkUp), toldLink(2, "", linkUp), assigned())
	k.contexts = []netlink.Context{adopted()}
	d.kernel.take(kernellink.Batch{Lost: true})
	d.kernel.resync()
	d.host.settle()
	if d.session.engine.State(ulids) != engine.Established {
		t.Fatal("there is no context")
	}
	return d, f, log
}

// assigned is the message of the address of link 2, which another program has set up.
func assigned() mnetlink.Message {
	m := address.SetAddress{Index: 2, Address: a1, Bits: 64, Preferred: 1800, Valid: 3600}.Message()
	m.Data = m.Data[:len(m.Data)-8]
	return m
}

func lost() mnetlink.Message {
	return address.DeleteAddress{Index: 2, Address: a1, Bits: 64}.Message()
}

const keepsA1 = "address replace 2001:db8:1::a/128 dev 1"

// The ULID is kept before the engine hears that it is lost, and the context lives on.
func TestULIDIsKept(t *testing.T) {
	shows.IDs(t, "5533-1.5-01")
	d, f, _ := withContext(t)
	tell(t, d, lost())
	f.did(t, keepsA1)
	d.host.settle()
	if d.session.engine.State(ulids) != engine.Established || d.addresses.keepAt == 0 {
		t.Fatalf("%v; next look at %v", d.session.engine.State(ulids), d.addresses.keepAt)
	}
	// The address may be back on the link before it is let go.
	if left := d.addresses.recheckAt - d.now(); left < time.Second || left > 2*time.Second-recheckBefore {
		t.Errorf("the kernel is asked for addresses after %v", left)
	}
	if l := locator.Assess(&d.host.table, d.config, d.now()); len(l) != 1 || !l[0].Available || l[0].Operational {
		t.Errorf("locators %+v", l)
	}
	tell(t, d, assigned())
	f.did(t, "address delete 2001:db8:1::a/128 dev 1")
	d.host.settle()
	if d.session.engine.State(ulids) != engine.Established || d.addresses.keepAt != 0 {
		t.Errorf("%v; next look at %v", d.session.engine.State(ulids), d.addresses.keepAt)
	}
}

// The last lifetime before the address is lost counts, even if both are told at once.
func TestULIDIsInvalid(t *testing.T) {
	d, f, _ := withContext(t)
	m := address.SetAddress{Index: 2, Address: a1, Bits: 64}.Message()
	tell(t, d, m, lost())
	f.did(t)
	d.host.settle()
	if d.session.engine.State(ulids) != engine.Idle {
		t.Errorf("%v", d.session.engine.State(ulids))
	}
}

// If the ULID can't be kept the context ends, and the log says why.
func TestULIDCannotBeKept(t *testing.T) {
	d, f, log := withContext(t)
	f.refuse = errors.New("no room")
	tell(t, d, lost())
	d.host.settle()
	if d.session.engine.State(ulids) != engine.Idle || !strings.Contains(log.String(), "no room") {
		t.Errorf("%v; log: %s", d.session.engine.State(ulids), log)
	}
}

// When the context ends its ULID is not kept any more.
func TestULIDIsForNobody(t *testing.T) {
	d, f, _ := withContext(t)
	tell(t, d, lost())
	f.did(t, keepsA1)
	d.session.handle(engine.Close{ULIDs: ulids})
	d.addresses.keepULIDs()
	f.did(t, "address delete 2001:db8:1::a/128 dev 1")
}

// Addresses are made beside the loop, kept in the state directory, and set up. After a restart
// they are the same. With a [[set]] there are none.
func TestAddressesAreMade(t *testing.T) {
	began := time.Now()
	d, f, log := withContext(t)
	d.addresses.load()
	d.addresses.manage()
	if d.addresses.makeAt < d.now() || d.addresses.makeAt > d.now()+gatherPause {
		t.Fatalf("to be made at %v", d.addresses.makeAt)
	}
	// While prefixes are gathered the key is made, and this key is used.
	early := <-d.addresses.newKey
	d.addresses.newKey <- early
	d.addresses.makeAddresses()
	// Meanwhile nothing else is to be made.
	d.addresses.makeAddresses()
	d.addresses.manage()
	if d.addresses.makeAt != 0 {
		t.Error("it is made twice")
	}
	(<-d.requests)()
	d.addresses.manage()
	a, _, ok := d.addresses.identity.Address(cga.PrefixOf(a1))
	if !ok {
		t.Fatalf("there is no address; log: %s", log)
	}
	if !d.addresses.identity.Key.Equal(early.Key) || d.addresses.newKey != nil {
		t.Error("another key was made")
	}
	f.did(t, "address replace "+a.Addr.String()+"/64 dev 2 valid_lft 3")
	// Making the key may have taken seconds of the lifetimes.
	gone := uint32(time.Since(began).Seconds())
	tell(t, d, address.SetAddress{Index: 2, Address: a.Addr, Bits: 64, Preferred: 1800 - gone, Valid: 3600 - gone}.Message())
	d.addresses.manage()
	f.did(t, "addrlabel add prefix 2001:db8:1::a/128 label 5533")
	// A kernel that does not tell its labels still gets everything else.
	f.mute = errors.New("no")
	d.addresses.manage()
	f.did(t)
	f.mute, f.labels = nil, []netip.Addr{a1}
	d.addresses.manage()
	f.did(t)
	f.labels = nil
	proved := func() bool {
		return slices.ContainsFunc(d.host.assess(), func(l locator.Locator) bool {
			return l.Address == a.Addr && l.PDS != nil && l.Key != nil
		})
	}
	if !proved() {
		t.Error("the locator has no proof")
	}
	var b cga.Address
	if !eventually(func() bool {
		saved, err := address.Load(d.config.StateDirectory)
		if err != nil {
			t.Fatal(err)
		}
		b, _, ok = saved.Address(cga.PrefixOf(a1))
		return ok
	}) || b.Addr != a.Addr {
		t.Errorf("after a restart it is %v, and was %v", b.Addr, a.Addr)
	}
	// Another host has the address: the kernel removes it, and says why.
	tell(t, d, duplicate(a.Addr))
	d.addresses.manage()
	f.did(t)
	b, _, _ = d.addresses.identity.Address(cga.PrefixOf(a1))
	d.addresses.manage()
	f.did(t, "address replace "+b.Addr.String())
	tell(t, d, address.SetAddress{Index: 2, Address: b.Addr, Bits: 64, Preferred: 1800, Valid: 3600}.Message())
	if a = b; !proved() {
		t.Error("the new locator has no proof")
	}
	c := *d.config
	c.Sets = []config.Set{{PDS: "p"}}
	d.config = &c
	d.addresses.manage()
	f.did(t, "address delete "+a.Addr.String())
	if proved() {
		t.Error("it is a set of the configuration")
	}
}

// duplicate is the message of an address that the kernel has removed because another host has
// it.
func duplicate(a netip.Addr) mnetlink.Message {
	m := address.SetAddress{Index: 2, Address: a, Bits: 64, Flags: unix.IFA_F_TENTATIVE | unix.IFA_F_DADFAILED, Preferred: 1800, Valid: 3600}.Message()
	m.Header.Type = unix.RTM_DELADDR
	return m
}

// If all three sets have collided the log says so, once. After a while there is another set, and
// if that goes on, after longer and longer.
func TestCollisions(t *testing.T) {
	d, _, log := withContext(t)
	d.addresses.load()
	d.addresses.manage()
	d.addresses.makeAddresses()
	(<-d.requests)()
	for i, want := range []time.Duration{renewPause, 2 * renewPause, 4 * renewPause} {
		for range 5 {
			d.addresses.collide(address.Duplicate{Temporary: -1})
		}
		if n := strings.Count(log.String(), "no other address of its set is left"); n != i+1 {
			t.Errorf("said %d times; log: %s", n, log)
		}
		if wait := d.addresses.renewAt - d.now(); wait > want || wait < want-time.Minute/2 {
			t.Errorf("another set in %v, wanted %v", wait, want)
		}
		old := d.addresses.identity.Sets[0]
		d.addresses.renew()
		(<-d.requests)()
		for j, a := range d.addresses.identity.Sets[0] {
			if a.Addr == old[j].Addr || a.PDS.SubnetPrefix != old[j].PDS.SubnetPrefix || a.PDS.CollisionCount != 0 {
				t.Errorf("%v after %v", a.Addr, old[j].Addr)
			}
		}
	}
}

// Damaged files are left alone, and so is what was set up by them.
func TestAddressesAreDamaged(t *testing.T) {
	d, f, log := withContext(t)
	if err := os.WriteFile(d.config.StateDirectory+"/"+address.KeyFile, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.addresses.load()
	f.rules = []address.Rule{{Source: cga.PrefixOf(a1), Priority: 1, Table: 2}}
	d.addresses.manage()
	f.did(t)
	if !strings.Contains(log.String(), "there is no private key in it") {
		t.Errorf("log: %s", log)
	}
}

// An error is logged once, and addresses are managed again when it is over. If no addresses are
// wanted, remains are looked for once.
func TestAddressErrors(t *testing.T) {
	d, f, log := withContext(t)
	d.addresses.load()
	no := false
	c := *d.config
	c.Addresses.Manage = &no
	d.config = &c
	f.refuse = errors.New("not now")
	d.addresses.manage()
	d.addresses.manage()
	if n := strings.Count(log.String(), "not now"); n != 1 {
		t.Errorf("said %d times; log: %s", n, log)
	}
	f.refuse = nil
	f.rules = []address.Rule{{Source: cga.PrefixOf(a1), Priority: 1, Table: 2}}
	d.addresses.manage()
	f.did(t, "rule delete from 2001:db8:1::/64")
	d.addresses.manage()
	f.did(t)
}

// announced is the message of a prefix that a router on link 2 has announced.
func announced(t *testing.T, prefix string) mnetlink.Message {
	t.Helper()
	b := binary.NativeEndian.AppendUint32([]byte{unix.AF_INET6, 0, 0, 0}, 2)
	b = append(b, 3, 64, 3, 0)
	e := mnetlink.NewAttributeEncoder()
	e.Bytes(1, netip.MustParseAddr(prefix).AsSlice())
	e.Bytes(2, binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint32(nil, 60), 60))
	more, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return mnetlink.Message{Header: mnetlink.Header{Type: unix.RTM_NEWPREFIX}, Data: append(b, more...)}
}

// A flood of prefixes is logged once.
func TestTooManyAnnouncements(t *testing.T) {
	d, _, log := withContext(t)
	d.addresses.load()
	for n := range 2 * address.MaxPrefixes {
		tell(t, d, announced(t, fmt.Sprintf("2001:db8:9:%x::", n)))
		d.addresses.manage()
	}
	if n := strings.Count(log.String(), "more prefixes than shim6d uses"); n != 1 || len(d.addresses.wanting.missing) != address.MaxPrefixes {
		t.Errorf("said %d times; %d prefixes lack an address; log: %s", n, len(d.addresses.wanting.missing), log)
	}
}

// Announcements of routers are taken over.
func TestAnnouncements(t *testing.T) {
	d, _, _ := withContext(t)
	d.host.settleAt = 0
	tell(t, d, announced(t, "2001:db8:9::"))
	if got := d.addresses.prefixes.Known(d.now(), &d.host.table); len(got) != 2 || d.host.settleAt == 0 {
		t.Errorf("known is %v; to settle at %v", got, d.host.settleAt)
	}
	if d.host.settleAt > d.now()+time.Second {
		t.Error("it settles late")
	}
}

// Longer lifetimes are not logged, but the engine is told. Other changes are logged.
func TestLifetimesAreNoNews(t *testing.T) {
	d, _, log := withContext(t)
	change := func(flags uint32, valid uint32) string {
		log.Reset()
		m := address.SetAddress{Index: 2, Address: a1, Bits: 64, Flags: flags, Preferred: 1800, Valid: valid}.Message()
		m.Data = m.Data[:len(m.Data)-8]
		tell(t, d, m)
		d.host.settle()
		return log.String()
	}
	before := d.host.locators[0].ValidUntil
	if s := change(0, 7200); s != "" {
		t.Errorf("longer lifetimes are logged: %s", s)
	}
	if d.host.locators[0].ValidUntil-before < 3590*time.Second {
		t.Errorf("valid until %v, as before", d.host.locators[0].ValidUntil)
	}
	d.log.level.Set(slog.LevelDebug)
	if s := change(0, 3600); !strings.Contains(s, "level=DEBUG msg=\"lifetimes of the locators") || strings.Contains(s, "level=INFO") {
		t.Errorf("shorter lifetimes are logged as: %s", s)
	}
	d.log.level.Set(slog.LevelInfo)
	if s := change(unix.IFA_F_DEPRECATED, 3600); !strings.Contains(s, "the locators of this host have changed") {
		t.Errorf("a deprecated address is logged as: %q", s)
	}
}
