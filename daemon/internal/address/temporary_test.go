// SPDX-License-Identifier: BSD-3-Clause

package address

import (
	"bytes"
	"crypto/rand"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shim6/daemon/cga"
	"shim6/daemon/config"
)

// days are Identities for Temporaries. They are made once, since each takes a second.
var days = sync.OnceValue(func() (list []*Identity) {
	for range 3 {
		list = append(list, extended(nil, p1, p2))
	}
	return list
})

// zeros is a source of random numbers that gives a DESYNC_FACTOR of 0.
var zeros = bytes.NewReader(make([]byte, 1<<10))

// private is a host with source = "temporary", on two links of which routers announce prefixes.
func private(t *testing.T) *managed {
	m := newManaged(t)
	m.config.Addresses.Source = config.SourceTemporary
	m.announced()
	return m
}

// announced is what a router's announcement each few minutes does to addresses of others.
func (m *managed) announced() {
	m.address(up1, a1, 0, 3*3600, 4*3600)
	m.address(up2, a2, 0, 3*3600, 4*3600)
}

func (m *managed) begin(i *Identity) {
	m.t.Helper()
	next, err := DefaultLifetimes.Begin(zeros, m.now, i)
	if err != nil {
		m.t.Fatal(err)
	}
	m.temporaries = append(m.temporaries, next)
}

// passes lets time pass, and routers announce their prefixes each hour.
func (m *managed) passes(d time.Duration) {
	m.t.Helper()
	for end := m.now + d; m.now < end; {
		m.now += min(time.Hour, end-m.now)
		m.announced()
		m.settles()
	}
}

// ages are how many addresses of a Temporary are on links, and how many of them are preferred.
func (m *managed) ages(i *Identity) (there, preferred int) {
	for _, a := range m.table.Assigned() {
		if of, _, ok := i.Address(cga.PrefixOf(a.Address)); !ok || of.Addr != a.Address || a.ValidUntil != 0 && a.ValidUntil <= m.now {
			continue
		}
		there++
		if a.PreferredUntil > m.now {
			preferred++
		}
	}
	return there, preferred
}

func (m *managed) wantsAges(when string, i *Identity, there, preferred int) {
	m.t.Helper()
	if x, y := m.ages(i); x != there || y != preferred {
		m.t.Fatalf("%s: %d addresses are there and %d are preferred, wanted %d and %d", when, x, y, there, preferred)
	}
}

// Over three days: each day has its addresses, those of the day before are deprecated, and those of
// two days before are gone, except for the sessions that have begun with them.
func TestTemporaryRotation(t *testing.T) {
	m := private(t)
	if p := m.plan(); !slices.Equal(p.Rotate, []cga.SubnetPrefix{p1, p2}) {
		t.Fatalf("the first are for %v", p.Rotate)
	}
	i := days()
	m.begin(i[0])
	m.settles()
	m.wantsAges("on the first day", i[0], 2, 2)
	m.wantsAges("on the first day, of the stable ones", m.identity, 2, 2)
	if p := m.plan(); p.Rotate != nil || p.Next != m.now+24*time.Hour-regenAdvance {
		t.Fatalf("the second are for %v, the next plan is at %v", p.Rotate, p.Next)
	}
	m.passes(24*time.Hour - regenAdvance)
	m.wantsAges("a minute before the day ends", i[0], 2, 2)
	if p := m.plan(); len(p.Rotate) != 2 {
		t.Fatalf("a minute before the day ends, others are for %v", p.Rotate)
	}
	m.begin(i[1])
	m.settles()
	if _, preferred := m.ages(i[0]); preferred != 2 {
		t.Error("the old ones are deprecated too soon")
	}
	m.passes(2 * regenAdvance)
	m.wantsAges("on the second day, of the first", i[0], 2, 0)
	m.wantsAges("on the second day", i[1], 2, 2)
	// A session of the first day goes on.
	ulid := addressIn(t, i[0], p1).Addr
	m.used = map[netip.Addr]bool{ulid: true}
	m.passes(24 * time.Hour)
	m.begin(i[2])
	m.passes(10 * time.Hour)
	if m.now < 48*time.Hour {
		t.Fatal("the valid lifetime is not over")
	}
	m.wantsAges("on the third day, of the first", i[0], 2, 0)
	m.wantsAges("on the third day, of the second", i[1], 2, 0)
	m.wantsAges("on the third day", i[2], 2, 2)
	// Both addresses have to be there: the session may need the other provider.
	m.used = nil
	m.passes(extension + time.Minute)
	m.wantsAges("when the session has ended", i[0], 0, 0)
	if len(m.temporaries) != 2 {
		t.Errorf("%d are remembered", len(m.temporaries))
	}
	m.wantsAges("in the end, of the stable ones", m.identity, 2, 2)
}

// A provider that comes later gives an address to the newest, and to those that sessions need.
func TestTemporaryOfFurtherPrefixes(t *testing.T) {
	m := private(t)
	i := days()
	m.begin(i[0])
	m.begin(i[1])
	m.begin(i[2])
	m.address(up2, netip.AddrFrom16([16]byte(append(slices.Clone(p3[:]), 0, 0, 0, 0, 0, 0, 0, 10))), 0, 1800, 3600)
	m.used = map[netip.Addr]bool{addressIn(t, i[0], p2).Addr: true}
	p := m.plan()
	if p.Rotate != nil || len(p.MissingTemporary) != 2 || !slices.Equal(p.MissingTemporary[0], []cga.SubnetPrefix{p3}) || !slices.Equal(p.MissingTemporary[2], []cga.SubnetPrefix{p3}) {
		t.Errorf("missing are %v; others are for %v", p.MissingTemporary, p.Rotate)
	}
}

// A host that has moved gets other addresses, so that it can't be followed. But not without end.
func TestTemporaryMoves(t *testing.T) {
	m := newManaged(t)
	m.config.Addresses.Source = config.SourceTemporary
	m.address(up1, netip.AddrFrom16([16]byte(append(slices.Clone(p3[:]), 0, 0, 0, 0, 0, 0, 0, 10))), 0, 1800, 3600)
	m.begin(days()[0])
	if p := m.plan(); !slices.Equal(p.Rotate, []cga.SubnetPrefix{p3}) || p.MissingTemporary != nil {
		t.Errorf("others are for %v; missing are %v", p.Rotate, p.MissingTemporary)
	}
	for len(m.temporaries) < maxMoves {
		m.begin(days()[0])
	}
	if p := m.plan(); p.Rotate != nil || len(p.MissingTemporary) != 1 {
		t.Errorf("after many moves others are for %v; missing are %v", p.Rotate, p.MissingTemporary)
	}
}

// If the configuration does not want temporary addresses any more, sessions keep theirs.
func TestTemporaryIsSwitchedOff(t *testing.T) {
	m := private(t)
	i := days()[0]
	m.begin(i)
	m.passes(time.Hour)
	m.config.Addresses.Source = config.SourceProtected
	m.settles()
	m.wantsAges("switched off", i, 2, 0)
	if p := m.plan(); p.Rotate != nil {
		t.Errorf("others are for %v", p.Rotate)
	}
	off := false
	m.config.Addresses.Manage = &off
	m.settles()
	m.wantsAges("no addresses are wanted", i, 0, 0)
}

// A duplicate is one of its set.
func TestTemporaryDuplicate(t *testing.T) {
	m := private(t)
	m.begin(days()[0])
	m.settles()
	x := addressIn(t, days()[0], p1).Addr
	m.apply(SetAddress{Index: up1, Address: x, Bits: 64, Flags: unix.IFA_F_DADFAILED | unix.IFA_F_TENTATIVE, Preferred: 1800, Valid: 3600}.Message())
	if p := m.plan(); !slices.Equal(p.Duplicates, []Duplicate{{0, 0}}) {
		t.Errorf("duplicates are %v", p.Duplicates)
	}
}

// New connections take the newest temporary addresses. All others beside them have labels.
func TestTemporaryLabels(t *testing.T) {
	m := private(t)
	i := days()
	labels := func(when string, want ...netip.Addr) {
		t.Helper()
		m.settles()
		slices.SortFunc(m.labels, netip.Addr.Compare)
		slices.SortFunc(want, netip.Addr.Compare)
		if !slices.Equal(m.labels, want) {
			t.Fatalf("%s: labels %v, wanted %v", when, m.labels, want)
		}
	}
	x, y := m.both()
	labels("there is no temporary one yet", a1, a2)
	m.begin(i[0])
	labels("there are temporary ones", a1, a2, x, y)
	m.passes(24*time.Hour - regenAdvance)
	m.begin(i[1])
	old1, old2 := addressIn(t, i[0], p1).Addr, addressIn(t, i[0], p2).Addr
	labels("for a minute two are preferred", a1, a2, x, y, old1, old2)
	m.config.Addresses.Source = config.SourceProtected
	labels("switched off", a1, a2)
}

func TestTemporaryLifetimes(t *testing.T) {
	shortest, longest := 24*time.Hour, time.Duration(0)
	for range 200 {
		x, err := DefaultLifetimes.Begin(rand.Reader, time.Hour, nil)
		if err != nil {
			t.Fatal(err)
		}
		preferred := x.PreferredUntil - time.Hour
		shortest, longest = min(shortest, preferred), max(longest, preferred)
		if x.ValidUntil != 49*time.Hour {
			t.Fatalf("valid until %v", x.ValidUntil)
		}
	}
	if shortest < 14*time.Hour+24*time.Minute || shortest > 17*time.Hour || longest > 24*time.Hour || longest < 22*time.Hour {
		t.Errorf("preferred from %v to %v", shortest, longest)
	}
	for _, c := range []struct{ of, want Lifetimes }{
		{Lifetimes{time.Second, time.Second}, Lifetimes{leastPreferred, leastPreferred}},
		{Lifetimes{time.Hour, time.Minute}, Lifetimes{time.Hour, time.Hour}},
		{Lifetimes{time.Hour, 1 << 62}, Lifetimes{time.Hour, mostValid}},
	} {
		if x, err := c.of.Begin(zeros, 0, nil); err != nil || (Lifetimes{x.PreferredUntil, x.ValidUntil}) != c.want {
			t.Errorf("%v gives %v, %v", c.of, x, err)
		}
	}
	if _, err := DefaultLifetimes.Begin(strings.NewReader(""), 0, nil); err == nil {
		t.Error("no random numbers are no error")
	}
	if w := (Lifetimes{1, 4}).Within(Lifetimes{2, 3}); w != (Lifetimes{1, 3}) {
		t.Errorf("within %v", w)
	}
}

// There is a limit, and the oldest go first.
func TestTemporaryIsBounded(t *testing.T) {
	var list []Temporary
	for n := range 2 * maxTemporary {
		list = append(list, Temporary{Identity: days()[0], ValidUntil: time.Duration(n+1) * time.Minute})
	}
	used := map[netip.Addr]bool{addressIn(t, days()[0], p1).Addr: true}
	current, changed := Current(list, 0, used)
	if !changed || len(current) != maxTemporary || current[maxTemporary-1].ValidUntil != 2*maxTemporary*time.Minute {
		t.Errorf("changed %v: %v", changed, current)
	}
	if _, changed := Current(current, 0, nil); changed {
		t.Error("they change again")
	}
	// Of those that nobody needs the oldest goes, before one that is needed.
	for n := range list {
		list[n].Identity = days()[min(n, 1)]
	}
	current, _ = Current(list, 0, used)
	if len(current) != maxTemporary || !current[0].inUse(used) || current[maxTemporary-1].ValidUntil != 2*maxTemporary*time.Minute {
		t.Errorf("of one that is in use and others: %v", current)
	}
}

// After a restart they are as they were, by another clock.
func TestTemporaryFile(t *testing.T) {
	folder := t.TempDir()
	open := func(now time.Duration) *TemporaryFile {
		f := OpenTemporaryFile(folder, now, nil)
		t.Cleanup(func() { f.Close(time.Minute) })
		return f
	}
	f := open(0)
	if list, err := f.Load(); list != nil || err != nil {
		t.Fatalf("of nothing it reads %v, %v", list, err)
	}
	want := []Temporary{{extended(days()[0], p3), time.Hour, 2 * time.Hour}, {days()[1], 3 * time.Hour, 4 * time.Hour}}
	f.Save(want)
	if err := f.Close(time.Minute); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(folder, TemporaryFileName)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	again := open(10 * time.Hour)
	list, err := again.Load()
	if err != nil || len(list) != 2 {
		t.Fatalf("%d, %v", len(list), err)
	}
	for n, x := range list {
		if !x.Key.Equal(want[n].Key) || len(x.Sets) != len(want[n].Sets) || addressIn(t, x.Identity, p1).Addr != addressIn(t, want[n].Identity, p1).Addr {
			t.Errorf("number %d has changed", n)
		}
		late := x.PreferredUntil - want[n].PreferredUntil - 10*time.Hour
		if late > 0 || late < -time.Minute || x.ValidUntil-x.PreferredUntil != time.Hour {
			t.Errorf("number %d is preferred until %v and valid until %v", n, x.PreferredUntil, x.ValidUntil)
		}
	}
	again = open(0)
	whole, err := os.ReadFile(again.path)
	if err != nil {
		t.Fatal(err)
	}
	for what, b := range map[string][]byte{
		"something before it": append([]byte("x\n"), whole...),
		"a damaged key":       bytes.Replace(whole, []byte("-----END PRIVATE"), []byte("-----END"), 1),
		"a bad lifetime":      bytes.Replace(whole, []byte(pemValidUntil+": "), []byte(pemValidUntil+": x"), 1),
		"no addresses":        bytes.Replace(whole, []byte("CGA PARAMETERS"), []byte("CGA PARAMETER"), 1),
	} {
		if err := os.WriteFile(again.path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if list, err := again.Load(); err == nil {
			t.Errorf("%s is read as %v", what, list)
		}
	}
	if err := os.Remove(again.path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(again.path, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := again.Load(); err == nil || errors.Is(err, os.ErrNotExist) {
		t.Errorf("of a folder it reads nothing, and says %v", err)
	}
}
