// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	mnetlink "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"shim6/daemon/config"
	"shim6/daemon/internal/engine"
	"shim6/daemon/internal/kernellink"
	"shim6/daemon/locator"
)

// The order of the parts is that of what they need: what the engine is told is true by then.
func TestOrderOfParts(t *testing.T) {
	d, _, _ := made(t)
	var names []string
	for _, p := range d.parts {
		names = append(names, p.String())
	}
	if want := []string{"store", "addresses", "host", "kernel", "session", "guard", "alarms", "control", "debug", "systemd"}; !slices.Equal(names, want) {
		t.Errorf("the parts are %q, wanted %q", names, want)
	}
}

// noted is a part that notes what is called.
type noted struct {
	name  string
	calls *[]string
	next  time.Duration
	err   error
}

func (p *noted) note(call string) error {
	*p.calls = append(*p.calls, call+" "+p.name)
	return p.err
}

func (p *noted) String() string             { return p.name }
func (p *noted) Start() error               { return p.note("start") }
func (p *noted) Next() time.Duration        { return p.next }
func (p *noted) Due(time.Duration) error    { return p.note("due") }
func (p *noted) Apply(*config.Config) error { return p.note("apply") }
func (p *noted) Close()                     { _ = p.note("close") }

// Parts are started, and do what is due, in their order. A reload and the end have the
// opposite order. A part that fails stops the rest.
func TestParts(t *testing.T) {
	d, _, log := made(t)
	all := d.parts
	defer func() { d.parts = all }()
	var calls []string
	a, b, c := &noted{name: "a", calls: &calls, next: never}, &noted{name: "b", calls: &calls, next: 7}, &noted{name: "c", calls: &calls, next: 8}
	d.parts = []part{a, b, c}
	called := func(want ...string) {
		t.Helper()
		if !slices.Equal(calls, want) {
			t.Errorf("calls %q, wanted %q", calls, want)
		}
		calls = nil
	}
	if at := d.next(); at != 7 {
		t.Errorf("next at %v", at)
	}
	if err := d.due(); err != nil {
		t.Error(err)
	}
	called("due a", "due b", "due c")
	d.apply(config.Default())
	called("apply c", "apply b", "apply a")
	b.err = errors.New("no")
	if err := d.start(); !errors.Is(err, b.err) {
		t.Error(err)
	}
	called("start a", "start b")
	if err := d.due(); !errors.Is(err, b.err) {
		t.Error(err)
	}
	called("due a", "due b")
	was := d.config
	d.apply(config.Default())
	called("apply c", "apply b")
	if d.config != was || !strings.Contains(log.String(), "the configuration is not reloaded") {
		t.Errorf("log: %s", log)
	}
	d.close()
	called("close c", "close b", "close a")
}

// When everything is due at once, a ULID that a link has lost is kept, before the engine
// hears of the locators.
func TestULIDIsKeptFirst(t *testing.T) {
	d, f, _ := withContext(t)
	// As if the message of its loss had been lost.
	if err := d.host.table.Dump(0, []mnetlink.Message{toldLink(1, "", unix.IFF_LOOPBACK|linkUp), toldLink(2, "", linkUp)}); err != nil {
		t.Fatal(err)
	}
	at := d.now()
	d.addresses.keepAt, d.host.settleAt, d.kernel.resyncAt = at, at, at
	if err := d.due(); err != nil {
		t.Fatal(err)
	}
	if d.session.engine.State(ulids) != engine.Established || len(f.done) == 0 || !strings.HasPrefix(f.done[0], keepsA1) {
		t.Errorf("%v; done is %q", d.session.engine.State(ulids), f.done)
	}
}

// The loop goes on while the configuration is read, and while the kernel is asked for the
// module. Any number of reloads that are asked for meanwhile is one more.
func TestNothingHoldsUpTheLoop(t *testing.T) {
	d, f, _ := made(t)
	read, reads := make(chan error), 0
	d.read = func() (*config.Config, error) {
		err := <-read
		reads++
		return nil, err
	}
	connect := make(chan error)
	d.kernel.conn = nil
	d.kernel.loaded = func() (bool, error) { return true, nil }
	d.kernel.connect = func() (*kernellink.Connection, error) {
		return &kernellink.Connection{Client: f}, <-connect
	}
	d.kernel.reconnectAt = d.now()
	signals, ended := make(chan os.Signal), make(chan error)
	go func() { ended <- d.loop(signals) }()
	for range 3 {
		signals <- syscall.SIGHUP
	}
	status := func() bool {
		s, err := backend{d}.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s.Kernel
	}
	if status() {
		t.Error("there is a module that nobody has found")
	}
	read <- errors.New("no")
	read <- errors.New("no")
	select {
	case read <- nil:
		t.Error("it is read for each signal")
	case <-time.After(20 * time.Millisecond):
	}
	connect <- nil
	if !eventually(status) {
		t.Error("the module is not used")
	}
	signals <- syscall.SIGTERM
	if err := <-ended; err != nil || reads != 2 {
		t.Errorf("%v; read %d times", err, reads)
	}
}

// modem is a source that is asked now and then.
type modem struct {
	next  time.Duration
	lost  bool
	syncs int
}

func (m *modem) String() string           { return "a modem" }
func (m *modem) Open() error              { return nil }
func (m *modem) Receive() ([]fact, error) { return nil, errors.New("it tells nothing") }
func (m *modem) Lost()                    { m.lost = true }
func (m *modem) Next() time.Duration      { return m.next }
func (m *modem) Close()                   {}

func (m *modem) Sync(time.Duration) (locator.Changed, error) {
	m.syncs++
	m.next = never
	return 0, nil
}

// There may be other sources than rtnetlink. They are asked when they want, and may end
// without shim6d.
func TestSource(t *testing.T) {
	d, _, log := made(t)
	s := &modem{next: never}
	d.host.sources = append(d.host.sources, s)
	if err := d.host.take(batch{source: s, err: errLost}); err != nil || !s.lost || d.host.settleAt == 0 || d.host.lost != 1 {
		t.Errorf("%v; %+v", err, s)
	}
	if err := d.host.take(batch{source: s, err: errors.New("no modem")}); err != nil || !strings.Contains(log.String(), "hears no more of a modem") {
		t.Errorf("%v; log: %s", err, log)
	}
	d.host.settle()
	s.next, s.syncs = d.now(), 0
	if d.host.Next() > s.next {
		t.Error("it is not asked")
	}
	if err := d.host.Due(d.now()); err != nil || s.syncs != 1 {
		t.Errorf("%v; asked %d times", err, s.syncs)
	}
	if err := d.host.take(batch{source: s, err: errGone}); !errors.Is(err, errGone) {
		t.Error(err)
	}
}
