// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	crand "crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shim6/daemon/cga"
	"shim6/daemon/config"
	"shim6/daemon/internal/address"
	"shim6/daemon/internal/engine"
	"shim6/daemon/internal/kernellink"
	"shim6/daemon/internal/statefile"
	"shim6/daemon/internal/writer"
	"shim6/netlink"
)

// eventually reports whether something becomes true within some seconds.
func eventually(is func() bool) bool {
	for range 500 {
		if is() {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

// served does the requests to the loop until something becomes true. It reports whether that
// happened in time.
func served(d *daemon, is func() bool) bool {
	return eventually(func() bool {
		select {
		case do := <-d.requests:
			do()
		default:
		}
		return is()
	})
}

// syncBuilder is a log that several goroutines may write.
type syncBuilder struct {
	lines chan string
	text  strings.Builder
}

func newSyncBuilder() *syncBuilder { return &syncBuilder{lines: make(chan string, 1000)} }

func (b *syncBuilder) Write(p []byte) (int, error) {
	b.lines <- string(p)
	return len(p), nil
}

// String may be called by one goroutine only.
func (b *syncBuilder) String() string {
	for {
		select {
		case l := <-b.lines:
			b.text.WriteString(l)
		default:
			return b.text.String()
		}
	}
}

func (b *syncBuilder) count(what string) int { return strings.Count(b.String(), what) }

// on is a configuration with its folders in dir.
func on(dir string) *config.Config {
	c := config.Default()
	c.StateDirectory = filepath.Join(dir, "state")
	c.Control.Socket = filepath.Join(dir, "socket")
	return c
}

// opened is a daemon with these folders, and its log.
func opened(t *testing.T, c *config.Config) (*daemon, *syncBuilder) {
	t.Helper()
	log := newSyncBuilder()
	d, err := newDaemon(c, "f", newLog(c, log))
	if err != nil {
		t.Fatal(err)
	}
	return d, log
}

// identityOf returns an identity that has an address in the prefix of a1, and that address.
func identityOf(t *testing.T) (*address.Identity, cga.Address) {
	t.Helper()
	i, err := (*address.Identity)(nil).Extend(t.Context(), crand.Reader, []cga.SubnetPrefix{cga.PrefixOf(a1)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, _, _ := i.Address(cga.PrefixOf(a1))
	return i, a
}

// shim6d starts without a state directory. The identity that it makes outlives a restart, and
// is saved once there is a directory. Each is logged once.
func TestStateDirectoryMissing(t *testing.T) {
	dir := t.TempDir()
	c := on(dir)
	if err := os.WriteFile(c.StateDirectory, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d, log := opened(t, c)
	if log.count("the state directory can't be used") != 1 {
		t.Errorf("log: %s", log)
	}
	d.addresses.load()
	if d.addresses.unknown || d.addresses.identity != nil {
		t.Fatalf("%+v", d.addresses)
	}
	i, a := identityOf(t)
	d.addresses.use(i)
	if !eventually(func() bool { return d.store.keys.Err() != nil }) {
		t.Fatal("no failure")
	}
	d.close()
	if log.count("can't be saved, which is tried again") != 1 {
		t.Errorf("log: %s", log)
	}
	d, _ = opened(t, c)
	d.addresses.load()
	if b, _, _ := d.addresses.identity.Address(cga.PrefixOf(a1)); b.Addr != a.Addr {
		t.Errorf("after a restart it is %v, and was %v", b.Addr, a.Addr)
	}
	d.close()
	if err := os.Remove(c.StateDirectory); err != nil {
		t.Fatal(err)
	}
	d, log = opened(t, c)
	defer d.close()
	d.addresses.load()
	saved := func() bool {
		i, err := address.Load(c.StateDirectory)
		b, _, _ := i.Address(cga.PrefixOf(a1))
		return err == nil && b.Addr == a.Addr
	}
	unsaved := filepath.Join(runtimeFolder(c), address.KeyFile)
	if !eventually(saved) || !eventually(func() bool { _, err := os.Stat(unsaved); return errors.Is(err, os.ErrNotExist) }) {
		t.Errorf("it is not saved; log: %s", log)
	}
}

// The keys on a disk that was missing are not replaced by keys that were made meanwhile. These
// are used until a restart, and then forgotten.
func TestStateDirectoryComesLate(t *testing.T) {
	c := on(t.TempDir())
	first, _ := identityOf(t)
	d, _ := opened(t, c)
	made, _ := identityOf(t)
	if err := first.Save(c.StateDirectory); err != nil {
		t.Fatal(err)
	}
	d.addresses.use(made)
	if !eventually(func() bool { return errors.Is(d.store.keys.Err(), address.ErrOtherKey) }) {
		t.Errorf("saved in place of another key: %v", d.store.keys.Err())
	}
	d.close()
	d, _ = opened(t, c)
	defer d.close()
	d.addresses.load()
	if i := d.addresses.identity; i == nil || !i.Key.Equal(first.Key) {
		t.Error("the key of the state directory is not used")
	}
	if i, err := address.Load(runtimeFolder(c)); i != nil || err != nil {
		t.Errorf("the other one is still there: %v", err)
	}
}

// shim6d does not wait long for a state directory that does not answer, and uses its answer
// when that comes.
func TestStateDirectoryHangs(t *testing.T) {
	c := on(t.TempDir())
	i, a := identityOf(t)
	if err := os.MkdirAll(c.StateDirectory, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := i.Save(c.StateDirectory); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(c.StateDirectory, address.KeyFile)
	text, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	// To open this file waits until somebody writes to it.
	if err := errors.Join(os.Remove(key), unix.Mkfifo(key, 0o600)); err != nil {
		t.Fatal(err)
	}
	d, log := opened(t, c)
	d.kernel.conn = &kernellink.Connection{Client: &fake{d: d}}
	began := time.Now()
	d.addresses.load()
	if gone := time.Since(began); gone > 3*diskPatience || !d.addresses.unknown || log.count("does not answer") != 1 {
		t.Errorf("after %v: %+v; log: %s", gone, d.addresses, log)
	}
	if err := d.session.Start(); err != nil {
		t.Fatal(err)
	}
	b, end := running(t, d)
	if s, err := b.Status(t.Context()); err != nil || s.KeysError == "" {
		t.Errorf("%+v, %v", s, err)
	}
	w, err := os.OpenFile(key, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if !eventually(func() bool { s, err := b.Status(t.Context()); return err == nil && s.KeysError == "" }) {
		t.Error("it is not used")
	}
	end()
	if b, _, _ := d.addresses.identity.Address(cga.PrefixOf(a1)); b.Addr != a.Addr {
		t.Errorf("there is %v, and not %v", b.Addr, a.Addr)
	}
	d.close()
}

// Files that can't be read at first are read when they can. Until then nothing is made in their
// place.
func TestStateDirectoryUnreadable(t *testing.T) {
	c := on(t.TempDir())
	d, log := opened(t, c)
	defer d.close()
	key := filepath.Join(c.StateDirectory, address.KeyFile)
	if err := os.Mkdir(key, 0o700); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		d.addresses.load()
		if !served(d, func() bool { return d.addresses.rereadAt != 0 }) {
			t.Fatal("it is not read again")
		}
	}
	if !d.addresses.unknown || d.addresses.newKey != nil || log.count("until these files can be read") != 1 {
		t.Errorf("%+v; log: %s", d.addresses, log)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	d.addresses.load()
	if !served(d, func() bool { return !d.addresses.unknown }) {
		t.Error("it can be read, and is not")
	}
}

// Everybody may look into the folder of the control socket. The folders of the state are only
// for shim6d.
func TestStateModes(t *testing.T) {
	defer unix.Umask(unix.Umask(0o022))
	c := on(filepath.Join(t.TempDir(), "run", "shim6d"))
	d, _ := opened(t, c)
	defer d.close()
	for path, want := range map[string]os.FileMode{
		filepath.Dir(c.Control.Socket): 0o755, runtimeFolder(c): 0o700, c.StateDirectory: 0o700,
		filepath.Join(runtimeFolder(c), "contexts.jsonl"): 0o600,
	} {
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, st, err)
		}
	}
}

// Two daemons can't use one folder.
func TestStateInUse(t *testing.T) {
	c := on(t.TempDir())
	d, _ := opened(t, c)
	defer d.close()
	for what, change := range map[string]func(*config.Config){
		"another control.socket":  func(c *config.Config) { c.StateDirectory += "2" },
		"another state-directory": func(c *config.Config) { c.Control.Socket += "2" },
	} {
		second := *c
		change(&second)
		for range 2 {
			_, err := newDaemon(&second, "f", newLog(c, newSyncBuilder()))
			if !errors.Is(err, writer.ErrInUse) || !strings.Contains(err.Error(), what) {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
}

// Records that an older version has kept in the state directory are moved, once.
func TestOldRecords(t *testing.T) {
	c := on(t.TempDir())
	old, _, err := statefile.Open(c.StateDirectory, nil)
	if err != nil {
		t.Fatal(err)
	}
	old.Put(ulids, &engine.Record{ULIDs: ulids, State: engine.Established, TagLocal: 5, TagPeer: 6, PeerGeneration: 77})
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	d, _ := opened(t, c)
	d.host.table = tableWith(t)
	f := &fake{d: d, contexts: []netlink.Context{adopted()}}
	d.kernel.conn = &kernellink.Connection{Client: f}
	if err := d.session.Start(); err != nil {
		t.Fatal(err)
	}
	if i := slices.Collect(d.session.engine.Contexts()); len(i) != 1 || i[0].PeerGeneration != 77 {
		t.Errorf("contexts %+v", i)
	}
	file := filepath.Join(c.StateDirectory, "contexts.jsonl")
	if !eventually(func() bool { _, err := os.Stat(file); return errors.Is(err, syscall.ENOENT) }) {
		t.Error("they are still in the state directory")
	}
	d.close()
	if d, _ = opened(t, c); d.store.records.Len() != 1 {
		t.Errorf("after a restart there are %d", d.store.records.Len())
	}
	d.close()
}
