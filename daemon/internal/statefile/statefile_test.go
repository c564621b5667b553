// SPDX-License-Identifier: BSD-3-Clause

package statefile

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"shim6/daemon/internal/engine"
	"shim6/daemon/internal/writer"
	"shim6/daemon/wire"
)

var options = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmpopts.EquateEmpty(),
}

func ulids(n int) engine.ULIDs {
	return engine.ULIDs{
		Local: netip.MustParseAddr("2001:db8:1::a"),
		Peer:  netip.MustParseAddr(fmt.Sprintf("2001:db8:2::%x:%x", n>>16, n&0xffff)), FII: uint32(n),
	}
}

func record(n int) *engine.Record {
	u := ulids(n)
	locators := []wire.Locator{{Address: u.Local, Method: wire.MethodHBA}}
	preference := []wire.Preference{{Flags: wire.FlagBroken, Priority: 1, Weight: 2}}
	return &engine.Record{
		ULIDs: u, State: engine.I2Sent, TagLocal: wire.MaxContextTag, TagPeer: 5,
		Exchange:       engine.Pair{Local: u.Local, Peer: u.Peer},
		InitiatorNonce: 1, ResponderNonce: 2, Validator: []byte{1, 2, 3}, PacketTag: 7,
		PeerGeneration: 3, PeerListed: 1,
		PeerLocators: []engine.PeerLocator{{Address: u.Peer, Method: wire.MethodCGA, Verified: true, Index: -1}},
		PeerPDS:      []byte{9}, PeerKeepalive: 15 * time.Second, RequestsSeen: []uint32{8},
		LocalGeneration: 4, LocalLocators: locators, LocalPreference: preference,
		Update: &engine.UpdateRecord{RequestNonce: 6, Generation: 4, Locators: locators, Preference: preference},
	}
}

// open opens a file and returns its records in order.
func open(t *testing.T, folder string) (*File, []engine.Record) {
	t.Helper()
	f, records, err := Open(folder, nil)
	if err != nil {
		t.Fatal(err)
	}
	f.patience = time.Hour
	t.Cleanup(func() { f.Close() })
	slices.SortFunc(records, func(a, b engine.Record) int { return int(a.FII) - int(b.FII) })
	return f, records
}

// die does what a kill would: it closes the file without a flush.
func (f *File) die() {
	f.writer.Close(time.Hour)
	f.journal.Close()
	f.lock.Close()
	f.journal, f.lock = nil, nil
}

func TestRoundTrip(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "made", "anew")
	f, records := open(t, folder)
	if len(records) != 0 {
		t.Fatalf("a new file has %d records", len(records))
	}
	for n := range 3 {
		f.Put(ulids(n), record(n))
	}
	changed := record(1)
	changed.State = engine.Established
	f.Put(ulids(1), changed)
	f.Put(ulids(2), nil)
	f.Put(ulids(9), nil) // there is none
	f.Flush()
	f.die()
	_, records = open(t, folder)
	if d := cmp.Diff([]engine.Record{*record(0), *changed}, records, options); d != "" {
		t.Error(d)
	}
	st, err := os.Stat(filepath.Join(folder, name))
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v: there are secrets in it", st.Mode(), err)
	}
}

func TestLock(t *testing.T) {
	folder := t.TempDir()
	f, _ := open(t, folder)
	_, _, err := Open(folder, nil)
	if !errors.Is(err, writer.ErrInUse) || !strings.Contains(err.Error(), "is in use by another shim6d") {
		t.Errorf("opened twice: %v", err)
	}
	f.Close()
	open(t, folder)
}

// A daemon that is killed between writing and renaming leaves a file beside, which does no
// harm.
func TestKilledBeforeRename(t *testing.T) {
	folder := t.TempDir()
	f, _ := open(t, folder)
	f.Put(ulids(0), record(0))
	f.Flush()
	f.die()
	if err := os.WriteFile(filepath.Join(folder, name+".tmp"), []byte("half a fi"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, records := open(t, folder)
	if len(records) != 1 {
		t.Errorf("%d records", len(records))
	}
	if _, err := os.Stat(filepath.Join(folder, name+".tmp")); err == nil {
		t.Error("what was left over is still there")
	}
	f.Close()
}

// Wherever the file is cut, there is a set of records that was true once, or an error that says
// what is wrong. There is never a wrong record.
func TestTruncated(t *testing.T) {
	folder := t.TempDir()
	f, _ := open(t, folder)
	states := [][]engine.Record{nil}
	live := map[int]bool{}
	for _, n := range []int{0, 1, 0, 2, 1} {
		live[n] = !live[n]
		if live[n] {
			f.Put(ulids(n), record(n))
		} else {
			f.Put(ulids(n), nil)
		}
		f.Flush()
		var state []engine.Record
		for i := range 3 {
			if live[i] {
				state = append(state, *record(i))
			}
		}
		states = append(states, state)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	headLen := bytes.IndexByte(whole, '\n')
	for n := range whole {
		// All lengths would take too long. These are the lengths near ends of lines, and
		// some more.
		if around := whole[max(0, n-3):min(len(whole), n+3)]; n%31 != 0 && !bytes.Contains(around, []byte("\n")) {
			continue
		}
		sub := t.TempDir()
		if err := os.WriteFile(filepath.Join(sub, name), whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		f, records, err := Open(sub, nil)
		var damage *DamageError
		if errors.As(err, &damage) {
			if n >= headLen || damage.Line != 1 || len(records) != 0 {
				t.Fatalf("%d octets: %v", n, err)
			}
			err = nil
		}
		if err != nil {
			t.Fatalf("%d octets: %v", n, err)
		}
		slices.SortFunc(records, func(a, b engine.Record) int { return int(a.FII) - int(b.FII) })
		want := states[max(0, bytes.Count(whole[:n], []byte("\n"))-1)]
		if d := cmp.Diff(want, records, options); d != "" {
			t.Fatalf("%d octets: %s", n, d)
		}
		f.Close()
	}
}

func TestDamaged(t *testing.T) {
	good := `{"shim6d-state":1}` + "\n"
	for _, c := range []struct {
		name, text string
		line       int
		want       string
	}{
		{"nothing of ours", "hello\n", 1, "invalid character"},
		{"from the future", `{"shim6d-state":2}` + "\n", 1, "it is of version 2, and this shim6d knows 1"},
		{"zeros", good + "\x00\x00\x00\n", 2, "invalid character"},
		{"no names", good + "{}\n", 2, "it does not name its context"},
		{"other names", good + `{"Local":"::1","Peer":"::2","FII":0,"record":{"Local":"::3","Peer":"::2","FII":0}}` + "\n", 2, "it does not name its context"},
		{"two in a line", good + "{} {}\n", 2, "more in it than one object"},
		{"an unknown key", good + `{"Local":"::1","Peer":"::2","FII":0,"color":"red"}` + "\n", 2, "unknown field"},
		{"a bad address", good + `{"Local":"::1","Peer":"x","FII":0}` + "\n", 2, "ParseAddr"},
	} {
		t.Run(c.name, func(t *testing.T) {
			folder := t.TempDir()
			if err := os.WriteFile(filepath.Join(folder, name), []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			f, records, err := Open(folder, nil)
			var damage *DamageError
			if !errors.As(err, &damage) || damage.Line != c.line || !strings.Contains(err.Error(), c.want) || len(records) != 0 {
				t.Fatalf("%d records, %v", len(records), err)
			}
			if b, err := os.ReadFile(damage.File); err != nil || string(b) != c.text {
				t.Errorf("moved aside is %q, %v", b, err)
			}
			// The daemon continues with a new file.
			f.Put(ulids(0), record(0))
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			if _, records := open(t, folder); len(records) != 1 {
				t.Errorf("then there are %d records", len(records))
			}
		})
	}
}

// However often a peer has a context change, the file does not stay long. Its length is limited
// by the size of the records, not by their number.
func TestJournalIsReplaced(t *testing.T) {
	folder := t.TempDir()
	f, _ := open(t, folder)
	size := func() int64 {
		st, err := os.Stat(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		return st.Size()
	}
	// A peer sends one Update Request after another, with as many locators as it can.
	big := record(0)
	for i := range 64 {
		big.PeerLocators = append(big.PeerLocators, engine.PeerLocator{Address: ulids(i).Peer, Index: i})
	}
	var one, most int64
	for range 2000 {
		f.Put(ulids(0), big)
		f.Flush()
		if one == 0 {
			one = size()
		}
		most = max(most, size())
	}
	if one < 3000 || most > slack+4*one {
		t.Errorf("with a record of %d octets the journal grew to %d", one, most)
	}
	f.die()
	if _, records := open(t, folder); len(records) != 1 {
		t.Errorf("%d records", len(records))
	}
}

// While the file system does not answer nobody waits for it. Records to be written do not
// pile up: a context that changes a thousand times is written once.
func TestStalled(t *testing.T) {
	folder := t.TempDir()
	f, _ := open(t, folder)
	f.writer.Close(time.Hour)
	stalled := make(chan struct{})
	f.writer = writer.New(func() error {
		<-stalled
		return f.write()
	}, nil)
	f.patience = time.Millisecond
	began := time.Now()
	for n := range 1000 {
		f.Put(ulids(n%2), record(n%2))
		f.Flush()
	}
	if gone := time.Since(began); gone > time.Second {
		t.Errorf("it took %v", gone)
	}
	close(stalled)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(folder, name))
	if n := bytes.Count(b, []byte("\n")); err != nil || n > 1+2*2 {
		t.Errorf("%d lines, %v", n, err)
	}
	if _, records := open(t, folder); len(records) != 2 {
		t.Errorf("%d records", len(records))
	}
}

// Records that could not be written are written when it is possible, all of them.
func TestWriteFails(t *testing.T) {
	folder := t.TempDir()
	f, _ := open(t, folder)
	f.journal.Close() // as good as a full disk
	f.Put(ulids(0), record(0))
	f.Flush()
	if f.Err() == nil {
		t.Fatal("a write to a closed file was no error")
	}
	// A daemon that dies now leaves no old Records.
	if _, err := os.Stat(filepath.Join(folder, name)); !errors.Is(err, os.ErrNotExist) {
		t.Error("the old file is still there:", err)
	}
	f.Put(ulids(1), record(1))
	f.Flush()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, records := open(t, folder); len(records) != 2 {
		t.Errorf("%d records", len(records))
	}
}

// The daemon runs without a folder: Records are kept, and written once there is a folder. The
// error is told once.
func TestOpenFails(t *testing.T) {
	block := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(block, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	told := make(chan error, 10)
	f, records, err := Open(filepath.Join(block, "folder"), func(err error) { told <- err })
	if f == nil || len(records) != 0 || err == nil {
		t.Fatalf("%v, %d records, %v", f, len(records), err)
	}
	f.Put(ulids(0), record(0))
	f.Flush()
	if err := <-told; err == nil || f.Len() != 1 {
		t.Errorf("told %v; %d records", err, f.Len())
	}
	if err := os.Remove(block); err != nil {
		t.Fatal(err)
	}
	if err := <-told; err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil || len(told) != 0 {
		t.Errorf("%v; told %d times more", err, len(told))
	}
	if _, records := open(t, filepath.Join(block, "folder")); len(records) != 1 {
		t.Errorf("%d records", len(records))
	}
}

// Records that an older version has left in another folder are read, and removed.
func TestOldFolder(t *testing.T) {
	old := t.TempDir()
	f, _ := open(t, old)
	if !f.IsNew() {
		t.Error("it is not new")
	}
	for n := range 3 {
		f.Put(ulids(n), record(n))
	}
	f.Close()
	if err := os.WriteFile(filepath.Join(old, "lock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if records, err := Read(old); len(records) != 3 || err != nil {
		t.Errorf("%d records, %v", len(records), err)
	}
	if f, _ = open(t, old); f.IsNew() {
		t.Error("it is new")
	}
	f.Close()
	if err := Remove(old); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(old); err != nil || len(left) != 0 {
		t.Errorf("there is still %v, %v", left, err)
	}
	if records, err := Read(old); len(records) != 0 || err != nil {
		t.Errorf("of nothing: %d records, %v", len(records), err)
	}
	if err := Remove(old); err != nil {
		t.Error(err)
	}
	// Damage of that file is told, and there are no Records.
	if err := os.WriteFile(filepath.Join(old, name), []byte("hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var damage *DamageError
	if records, err := Read(old); len(records) != 0 || !errors.As(err, &damage) {
		t.Errorf("damaged: %d records, %v", len(records), err)
	}
}

// A File without changes writes nothing.
func TestFlushNothing(t *testing.T) {
	f, _ := open(t, t.TempDir())
	f.journal.Close()
	f.Flush()
	f.journal = nil
	if f.Err() != nil {
		t.Error(f.Err())
	}
}

func BenchmarkPut(b *testing.B) {
	f, _, err := Open(b.TempDir(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	r := record(0)
	for n := range b.N {
		r.ULIDs = ulids(n % 1000)
		f.Put(r.ULIDs, r)
		f.Flush()
	}
}

// BenchmarkLongestFlush tells the longest time that the loop waits when there are many contexts
// and the journal is replaced now and then.
func BenchmarkLongestFlush(b *testing.B) {
	f, _, err := Open(b.TempDir(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	const contexts = 100000
	for n := range contexts {
		f.Put(ulids(n), record(n))
	}
	f.Flush()
	f.writer.Wait(time.Hour)
	var longest time.Duration
	for n := range b.N {
		f.Put(ulids(n%contexts), record(n%contexts))
		began := time.Now()
		f.Flush()
		longest = max(longest, time.Since(began))
	}
	b.ReportMetric(longest.Seconds()*1000, "ms-longest")
}
