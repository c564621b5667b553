// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"shim6/daemon/config"
	"shim6/daemon/control"
	"shim6/daemon/internal/engine"
	"shim6/daemon/internal/kernellink"
	"shim6/daemon/locator"
	"shim6/daemon/wire"
	"shim6/netlink"
)

var (
	a1    = netip.MustParseAddr("2001:db8:1::a")
	a2    = netip.MustParseAddr("2001:db8:2::a")
	b1    = netip.MustParseAddr("2001:db8:1::b")
	ulids = engine.ULIDs{Local: a1, Peer: b1}
)

// fake is a kernel that notes its calls in their order, with the lines of the state file at
// that time.
type fake struct {
	d        *daemon
	calls    []string
	refuse   error
	contexts []netlink.Context
	// sent, unless it is nil, is called with each message.
	sent func(message []byte)
}

func (f *fake) note(what string) {
	b, _ := os.ReadFile(filepath.Join(runtimeFolder(f.d.config), "contexts.jsonl"))
	f.calls = append(f.calls, fmt.Sprintf("%s %d", what, strings.Count(string(b), "\n")-1))
}

func (f *fake) NewContext(netlink.ULIDs, uint64, netlink.ContextUpdate) error {
	f.note("new")
	return f.refuse
}

func (f *fake) SetContext(netlink.ULIDs, netlink.ContextUpdate) error {
	f.note("set")
	return f.refuse
}

func (f *fake) DeleteTagged(netlink.ULIDs, uint64) error {
	f.note("delete")
	return nil
}

func (f *fake) Contexts() ([]netlink.Context, error) { return f.contexts, nil }

func (f *fake) SendControl(_, _ netip.Addr, _ netlink.Encapsulation, message []byte, _ int) error {
	f.note("send")
	if f.sent != nil {
		f.sent(message)
	}
	return f.refuse
}

func (f *fake) SetConfig(netlink.ConfigUpdate) error {
	f.note("config")
	return nil
}

// made is a daemon with a fake kernel and one address. Its log is the Builder.
func made(t *testing.T) (*daemon, *fake, *strings.Builder) {
	t.Helper()
	c := config.Default()
	c.StateDirectory = t.TempDir()
	c.Control.Socket = filepath.Join(t.TempDir(), "socket")
	var log strings.Builder
	d, err := newDaemon(c, "f", newLog(c, &log))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.close)
	f := &fake{d: d}
	d.kernel.conn = &kernellink.Connection{Client: f}
	if err := d.session.Start(); err != nil {
		t.Fatal(err)
	}
	d.host.locators = []engine.LocalLocator{{Address: a1}}
	d.session.handle(engine.Locators{Local: d.host.locators})
	return d, f, &log
}

// Before the peer hears of a context, the kernel has the context, and the state file its
// Record.
func TestOrder(t *testing.T) {
	d, f, _ := made(t)
	d.store.records.SetPatience(time.Minute)
	d.session.handle(engine.Acquire{Local: a1, Peer: b1})
	if want := []string{"new 0", "send 1"}; !slices.Equal(f.calls, want) {
		t.Errorf("calls with lines of the state file: %q, wanted %q", f.calls, want)
	}
	if len(d.history.changes) != 1 || d.history.changes[0].To != "i1-sent" {
		t.Errorf("history %+v", d.history)
	}
}

// A context that the kernel refuses is given up, and the peer is not told of it.
func TestRefused(t *testing.T) {
	d, f, log := made(t)
	f.refuse = errors.New("no room")
	d.session.handle(engine.Acquire{Local: a1, Peer: b1})
	if len(f.calls) == 0 || f.calls[0] != "new 0" || slices.ContainsFunc(f.calls, func(s string) bool { return strings.HasPrefix(s, "send") }) {
		t.Errorf("calls %q", f.calls)
	}
	if d.session.engine.Size().Contexts != 0 || d.store.records.Len() != 0 || !strings.Contains(log.String(), "no room") {
		t.Errorf("%d contexts, %d records; log: %s", d.session.engine.Size().Contexts, d.store.records.Len(), log)
	}
}

// A message that can't be sent is like one that is lost.
func TestSendFails(t *testing.T) {
	d, f, _ := made(t)
	d.session.handle(engine.Acquire{Local: a1, Peer: b1})
	f.refuse = errors.New("no route")
	d.session.send(engine.Send{Source: a1, Destination: b1})
	if d.session.engine.Size().Contexts != 1 || d.kernel.sendErrors != 1 {
		t.Errorf("%d contexts, %d errors", d.session.engine.Size().Contexts, d.kernel.sendErrors)
	}
}

// adopted is a context of the kernel.
func adopted() netlink.Context {
	tag, peer := uint64(5), uint64(6)
	return netlink.Context{ULIDs: netlink.ULIDs(ulids), TagLocal: &tag, TagPeer: &peer, State: netlink.ContextStateEstablished,
		LocatorLocal: a1, LocatorPeer: b1, InboundLocatorLocal: a1, InboundLocatorPeer: b1,
		SendTimeout: 15 * time.Second, KeepaliveTimeout: 15 * time.Second, ReapState: netlink.ReapStateOperational}
}

// The module goes, with all contexts, and comes back.
func TestModuleGone(t *testing.T) {
	d, f, _ := made(t)
	atOnce(d)
	d.session.handle(engine.Acquire{Local: a1, Peer: b1})
	d.kernel.take(kernellink.Batch{Events: []netlink.Event{netlink.GoneEvent{}}})
	if d.kernel.conn != nil || d.session.engine.Size().Contexts != 0 || d.kernel.reconnectAt == 0 {
		t.Fatalf("kernel %v, %d contexts", d.kernel.conn, d.session.engine.Size().Contexts)
	}
	// Meanwhile there are no contexts, and nobody is told of one.
	calls := len(f.calls)
	d.session.handle(engine.Acquire{Local: a1, Peer: b1})
	if len(f.calls) != calls || d.session.engine.Size().Contexts != 0 {
		t.Errorf("without the module: calls %q, %d contexts", f.calls[calls:], d.session.engine.Size().Contexts)
	}
	there := false
	d.kernel.loaded = func() (bool, error) { return there, nil }
	d.kernel.connect = func() (*kernellink.Connection, error) { return &kernellink.Connection{Client: f}, nil }
	d.kernel.reconnect()
	if d.kernel.conn != nil || d.kernel.reconnectAt == 0 {
		t.Error("it has not waited for the module")
	}
	there, f.contexts = true, []netlink.Context{adopted()}
	d.kernel.reconnect()
	if d.kernel.conn == nil || d.kernel.reconnectAt != 0 || d.session.engine.State(ulids) != engine.Established {
		t.Errorf("the module is back: kernel %v, %v", d.kernel.conn, d.session.engine.State(ulids))
	}
}

// At the start the module may be missing. Then the kernel is asked to load it, more and more
// rarely. Once the module was there, only others load it.
func TestModuleMissing(t *testing.T) {
	d, f, log := made(t)
	atOnce(d)
	there, tries := false, []time.Duration{}
	missing := &netlink.Error{Err: fs.ErrNotExist, Message: "the kernel has no family"}
	d.kernel.loaded = func() (bool, error) { return there, nil }
	d.kernel.connect = func() (*kernellink.Connection, error) {
		tries = append(tries, d.now())
		return nil, missing
	}
	d.kernel.conn = nil
	d.kernel.awaitModule(missing)
	hour := d.now() + time.Hour
	for d.now() < hour {
		if d.kernel.reconnectAt == 0 || d.kernel.reconnectAt > d.now()+retryPause {
			t.Fatalf("it is looked for at %v", d.kernel.reconnectAt)
		}
		d.began = d.began.Add(-retryPause)
		if err := d.due(); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(tries); n < 12 || n > 24 || tries[0] > 10*time.Second || strings.Count(log.String(), "waits for it") != 1 {
		t.Errorf("tried at %v; log: %s", tries, log)
	}
	if s := d.status(); s != "waits for the kernel module" {
		t.Errorf("status %q", s)
	}
	// Somebody has loaded it. shim6d notices within a second. An error of the module is
	// logged once.
	there = true
	d.kernel.connect = func() (*kernellink.Connection, error) { return nil, errors.New("no memory") }
	for range 5 {
		d.kernel.reconnect()
	}
	if n := strings.Count(log.String(), "no memory"); n != 1 || d.kernel.conn != nil {
		t.Errorf("told %d times", n)
	}
	d.kernel.connect = func() (*kernellink.Connection, error) { return &kernellink.Connection{Client: f}, nil }
	d.kernel.reconnect()
	if d.kernel.conn == nil || d.kernel.loadAt != 0 {
		t.Error("it is not used")
	}
	d.kernel.gone("unloaded")
	there = false
	d.kernel.connect = func() (*kernellink.Connection, error) { t.Error("it is loaded again"); return nil, missing }
	for range 3600 {
		d.began = d.began.Add(-retryPause)
		d.kernel.reconnect()
	}
}

// If others change contexts, or events are lost, the kernel is dumped.
func TestResync(t *testing.T) {
	for _, b := range []kernellink.Batch{
		{Events: []netlink.Event{netlink.ChangeEvent{}}}, {Events: []netlink.Event{netlink.DeleteEvent{}}}, {Lost: true},
	} {
		d, f, _ := made(t)
		f.contexts = []netlink.Context{adopted()}
		d.kernel.take(b)
		if d.kernel.resyncAt == 0 {
			t.Fatalf("%+v: no dump is due", b)
		}
		d.kernel.resync()
		if d.session.engine.State(ulids) != engine.Established || len(f.calls) > 0 && strings.HasPrefix(f.calls[0], "send") {
			t.Errorf("%+v: %v, calls %q", b, d.session.engine.State(ulids), f.calls)
		}
		// Another one waits a little: who changes much is not followed step by
		// step.
		d.kernel.resyncSoon()
		if d.kernel.resyncAt < d.kernel.resynced+resyncPause {
			t.Errorf("the next dump is due %v after the last", d.kernel.resyncAt-d.kernel.resynced)
		}
	}
}

// A loss that others can cause at will does not have the kernel dumped.
func TestOutsideLost(t *testing.T) {
	d, _, log := made(t)
	for range 10 {
		d.kernel.takeOutside(kernellink.Batch{Lost: true})
	}
	if d.kernel.resyncAt != 0 || d.kernel.lost != 10 || !strings.Contains(log.String(), "from outside") {
		t.Errorf("a dump is due at %v, lost %d; log: %s", d.kernel.resyncAt, d.kernel.lost, log)
	}
	// The loop knows which channel is which.
	outside, main := make(chan kernellink.Batch), make(chan kernellink.Batch)
	d.kernel.conn.Outside, d.kernel.conn.Main = outside, main
	signals, ended := make(chan os.Signal), make(chan error)
	due := func() (at time.Duration) {
		done := make(chan struct{})
		d.requests <- func() { at = max(d.kernel.resyncAt, d.kernel.resynced); close(done) }
		<-done
		return at
	}
	go func() { ended <- d.loop(signals) }()
	outside <- kernellink.Batch{Lost: true}
	if at := due(); at != 0 {
		t.Errorf("outside: a dump is due at %v", at)
	}
	main <- kernellink.Batch{Lost: true}
	if at := due(); at == 0 {
		t.Error("main: there is no dump")
	}
	signals <- syscall.SIGTERM
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// slow is a kernel whose contexts take a while to read.
type slow struct {
	*fake
	read time.Duration
}

func (s *slow) Contexts() ([]netlink.Context, error) {
	time.Sleep(10 * time.Millisecond)
	s.read = s.d.now()
	return s.contexts, nil
}

// The pause begins after a dump, however long that takes.
func TestResyncPause(t *testing.T) {
	d, f, _ := made(t)
	s := &slow{fake: f}
	d.kernel.conn.Client = s
	d.kernel.resync()
	d.kernel.resyncSoon()
	if d.kernel.resyncAt < s.read+resyncPause {
		t.Errorf("the next dump is due %v after the last", d.kernel.resyncAt-s.read)
	}
	// It is the same after a dump that asks for another: here the kernel refuses what the
	// engine makes of the dump.
	c := adopted()
	c.LocatorLocal = a2
	f.contexts = []netlink.Context{c}
	d.kernel.resync()
	f.contexts[0].LocatorPeer, f.refuse = a2, errors.New("no room")
	d.kernel.resync()
	if len(f.calls) == 0 || d.kernel.resyncAt < s.read+resyncPause {
		t.Errorf("the next dump is due %v after the last; calls %q", d.kernel.resyncAt-s.read, f.calls)
	}
}

// answerProbes has the peer answer each Probe, after a call with the pair by which it was sent.
func (f *fake) answerProbes(t *testing.T, before func(wire.ProbeReport)) {
	f.sent = func(message []byte) {
		m, err := wire.Decode(message)
		p, ok := m.(*wire.Probe)
		if err != nil || !ok || p.State == wire.ProbeOperational {
			return
		}
		answer, err := wire.Append(nil, &wire.Probe{ReceiverContextTag: 5, State: wire.ProbeOperational, Received: p.Sent[:1],
			Sent: []wire.ProbeReport{{Source: b1, Destination: a1, Nonce: p.Sent[0].Nonce + 1}}})
		if err != nil {
			t.Error(err)
		}
		// It comes by the network, which the loop hears later.
		go func() {
			select {
			case f.d.requests <- func() {
				before(p.Sent[0])
				f.d.session.handle(engine.Control{Source: b1, Destination: a1, Message: answer})
			}:
			case <-f.d.ended:
			}
		}()
	}
}

// A client that asks for something that the kernel refuses is told the kernel's words.
func TestCommandRefused(t *testing.T) {
	no := &netlink.Error{Err: syscall.ENOSPC, Message: "the namespace holds max-contexts contexts already"}
	name := nameOf(ulids)
	use := control.UseRequest{Name: name, LocatorLocal: a1, LocatorPeer: b1}
	for _, c := range []struct {
		name    string
		adopted bool
		ask     func(backend, context.Context) error
	}{
		{"open", false, func(b backend, ctx context.Context) error { return b.Open(ctx, control.OpenRequest{Name: name}) }},
		{"use", true, func(b backend, ctx context.Context) error { return b.Use(ctx, use) }},
	} {
		for _, refuse := range []error{nil, no} {
			d, f, _ := made(t)
			if c.adopted {
				// By another pair than is asked for.
				d.session.handle(engine.Locators{Local: []engine.LocalLocator{{Address: a1}, {Address: a2}}})
				context := adopted()
				context.LocatorLocal, context.LocatorsLocal = a2, []netip.Addr{a1, a2}
				f.contexts = []netlink.Context{context}
				d.kernel.resync()
			}
			if c.adopted {
				// A context that was adopted asks by its own pair first.
				f.answerProbes(t, func(p wire.ProbeReport) {
					if p.Source == a1 {
						f.refuse = refuse
					}
				})
			} else {
				f.refuse = refuse
			}
			b, end := running(t, d)
			err := c.ask(b, t.Context())
			end()
			if !errors.Is(err, refuse) || refuse != nil && err.Error() != no.Message {
				t.Errorf("%s, the kernel says %v: %v", c.name, refuse, err)
			}
			if refuse != nil && d.session.engine.Size().Contexts != 0 {
				t.Errorf("%s: %v", c.name, d.session.engine.State(ulids))
			}
		}
	}
	// It is the same without the module.
	d, _, _ := made(t)
	d.kernel.conn = nil
	b, end := running(t, d)
	defer end()
	if err := b.Open(t.Context(), control.OpenRequest{Name: name}); !errors.Is(err, errNoModule) {
		t.Error("without the module:", err)
	}
}

// The refusal of another context does not concern a command. An answer may come ahead of the
// action that it is about.
func TestRefusedOfOthers(t *testing.T) {
	d, f, _ := made(t)
	f.refuse = errors.New("no room")
	other := engine.ULIDs{Local: a1, Peer: a1}
	for _, about := range []engine.ULIDs{ulids, other} {
		var answer error
		d.session.waiting[1] = func(err error) { answer = err }
		d.session.do([]engine.Action{engine.Done{ID: 1, ULIDs: about}, engine.ContextNew{Context: engine.KernelContext{ULIDs: ulids}}})
		if refused := about == ulids; (answer != nil) != refused || len(d.session.waiting) != 0 {
			t.Errorf("%v: %v", about, answer)
		}
	}
}

// A new engine takes over everything and sends nothing.
func TestReload(t *testing.T) {
	d, f, log := made(t)
	atOnce(d)
	f.contexts = []netlink.Context{adopted()}
	d.kernel.resync()
	before := d.session.engine
	d.host.table = tableWith(t)
	c := *d.config
	c.Peers.TrustedPrefixes = []netip.Prefix{netip.MustParsePrefix("2001:db8::/32")}
	c.Control.Socket = "/elsewhere"
	c.Log.Level = slog.LevelDebug
	d.read = func() (*config.Config, error) { return &c, nil }
	d.reload()
	if d.session.engine == before || d.session.engine.State(ulids) != engine.Established || d.store.records.Len() != 1 {
		t.Errorf("%v, %d records", d.session.engine.State(ulids), d.store.records.Len())
	}
	if slices.ContainsFunc(f.calls, func(s string) bool { return strings.HasPrefix(s, "send") || strings.HasPrefix(s, "delete") }) {
		t.Errorf("calls %q", f.calls)
	}
	if d.config.Control.Socket == "/elsewhere" || !strings.Contains(log.String(), "key=control.socket") || d.log.level.Level() != slog.LevelDebug {
		t.Errorf("%+v, log: %s", d.config.Control, log)
	}
	// A wrong configuration changes nothing.
	was := d.config
	d.read = func() (*config.Config, error) { return nil, errors.New("f:1: wrong") }
	d.reload()
	if d.config != was || !strings.Contains(log.String(), "f:1: wrong") {
		t.Errorf("log: %s", log)
	}
}

// unreadable is a kernel whose contexts can't be read.
type unreadable struct{ *fake }

func (unreadable) Contexts() ([]netlink.Context, error) { return nil, errors.New("no memory") }

// After a reload that fails, the engine and its Explorer are as before.
func TestReloadFails(t *testing.T) {
	d, f, log := made(t)
	atOnce(d)
	f.contexts = []netlink.Context{adopted()}
	d.kernel.resync()
	d.kernel.conn = &kernellink.Connection{Client: unreadable{f}}
	was, before := d.config, d.session.engine
	c := *d.config
	c.Protocol.HoldDown = config.Duration(time.Hour)
	d.read = func() (*config.Config, error) { return &c, nil }
	d.reload()
	if d.config != was || d.session.engine != before || !strings.Contains(log.String(), "no memory") {
		t.Fatalf("log: %s", log)
	}
	// The engine still does commands.
	var answer error
	d.session.waiting[1] = func(err error) { answer = err }
	d.session.handle(engine.Use{ID: 1, ULIDs: ulids, Pair: engine.Pair{Local: b1, Peer: a1}})
	if answer == nil || !strings.Contains(answer.Error(), "the pair can't be used") {
		t.Errorf("the answer is %v", answer)
	}
}

// running runs the loop. It returns the backend of the control socket, and a function that ends
// the loop.
func running(t *testing.T, d *daemon) (backend, func()) {
	t.Helper()
	signals, ended := make(chan os.Signal, 1), make(chan error, 1)
	go func() { ended <- d.loop(signals) }()
	return backend{d}, func() {
		signals <- syscall.SIGTERM
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func TestBackend(t *testing.T) {
	d, f, _ := made(t)
	b, end := running(t, d)
	ctx := t.Context()
	name := nameOf(ulids)
	if err := b.Open(ctx, control.OpenRequest{Name: name}); err != nil {
		t.Fatal(err)
	}
	if err := b.Open(ctx, control.OpenRequest{Name: name}); err == nil || !strings.Contains(err.Error(), "I1-SENT") {
		t.Error("opened twice:", err)
	}
	list, err := b.Contexts(ctx)
	if err != nil || len(list) != 1 || list[0].State != "i1-sent" {
		t.Errorf("%+v, %v", list, err)
	}
	s, err := b.Status(ctx)
	if err != nil || s.Contexts != 1 || s.Records != 1 || !s.Kernel || s.Sent["I1"] != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	if h, err := b.History(ctx); err != nil || len(h) != 1 {
		t.Errorf("%+v, %v", h, err)
	}
	if l, err := b.Locators(ctx); err != nil || l == nil {
		t.Errorf("%+v, %v", l, err)
	}
	stranger := control.Name{ULIDLocal: a1, ULIDPeer: netip.MustParseAddr("2001:db8:99::1")}
	p, err := b.Protections(ctx, []control.Name{name, stranger})
	if err != nil || len(p) != 2 || p[0].Why != "the peer has not answered yet" || !strings.HasPrefix(p[1].Text, "not protected: ") || p[1].Protected {
		t.Errorf("%+v, %v", p, err)
	}
	use := control.UseRequest{Name: name, LocatorLocal: a1, LocatorPeer: b1}
	if err := b.Use(ctx, use); err == nil || !strings.Contains(err.Error(), "I1-SENT") {
		t.Error("a pair before there is a context:", err)
	}
	if err := b.Close(ctx, name); err != nil {
		t.Error(err)
	}
	if err := b.Close(ctx, name); err == nil {
		t.Error("closed twice")
	}
	if err := b.Use(ctx, use); err == nil || !strings.Contains(err.Error(), "there is no context") {
		t.Error("a pair without a context:", err)
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if err := b.Refresh(canceled, name); err == nil {
		t.Error("nobody waits, and there is an answer")
	}
	end()
	if _, err := b.Status(ctx); !errors.Is(err, control.ErrUnavailable) {
		t.Error("it has ended:", err)
	}
	if len(f.calls) != 3 {
		t.Errorf("calls %q", f.calls)
	}
}

// The end of the daemon ends no context, and no peer is told.
func TestEnd(t *testing.T) {
	d, f, _ := made(t)
	f.contexts = []netlink.Context{adopted()}
	d.kernel.resync()
	calls := len(f.calls)
	_, end := running(t, d)
	end()
	if len(f.calls) != calls || d.store.records.Len() != 1 {
		t.Errorf("calls %q, %d records", f.calls[calls:], d.store.records.Len())
	}
}

func TestHistoryIsBounded(t *testing.T) {
	d, _, _ := made(t)
	for i := range 5 * historySize {
		d.history.change(control.Change{Why: fmt.Sprint(i)})
	}
	if len(d.history.changes) > 2*historySize || d.history.changes[len(d.history.changes)-1].Why != fmt.Sprint(5*historySize-1) {
		t.Errorf("%d changes, the last %+v", len(d.history.changes), d.history.changes[len(d.history.changes)-1])
	}
}

// tableWith is a table with the address a1.
func tableWith(t *testing.T) (table locator.Table) {
	t.Helper()
	if err := table.Dump(0, addressMessages()); err != nil {
		t.Fatal(err)
	}
	return table
}
