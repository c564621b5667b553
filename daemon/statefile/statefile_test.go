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

	"shim6/daemon/engine"
	"shim6/daemon/wire"
)

var options = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmpopts.EquateEmpty(),
}

func ulids(n int) engine.ULIDs {
	return engine.ULIDs{
		Local: netip.MustParseAddr("2001:db8:1::a"),
		Peer:  netip.MustParseAddr(fmt.Sprintf("2001:db8:2::%x", n)), FII: uint32(n),
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
	f, records, err := Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	slices.SortFunc(records, func(a, b engine.Record) int { return int(a.FII) - int(b.FII) })
	return f, records
}

// die is what a kill does: the file is closed, and nothing is flushed.
func (f *File) die() {
	f.journal.Close()
	f.lock.Close()
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
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
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
	_, _, err := Open(folder)
	if err == nil || !strings.Contains(err.Error(), "is in use by another shim6d") {
		t.Errorf("opened twice: %v", err)
	}
	f.Close()
	open(t, folder)
}

// A daemon that is killed between the writing and the renaming leaves a file
// beside, which harms nobody.
func TestKilledBeforeRename(t *testing.T) {
	folder := t.TempDir()
	f, _ := open(t, folder)
	f.Put(ulids(0), record(0))
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
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

// Wherever the file ends, there is either a set of records that was true once, or
// an error that says what is wrong, and never a wrong record.
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
		// Every length would take long: all about the ends of lines, and some.
		if around := whole[max(0, n-3):min(len(whole), n+3)]; n%31 != 0 && !bytes.Contains(around, []byte("\n")) {
			continue
		}
		sub := t.TempDir()
		if err := os.WriteFile(filepath.Join(sub, name), whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		f, records, err := Open(sub)
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
			f, records, err := Open(folder)
			var damage *DamageError
			if !errors.As(err, &damage) || damage.Line != c.line || !strings.Contains(err.Error(), c.want) || len(records) != 0 {
				t.Fatalf("%d records, %v", len(records), err)
			}
			if b, err := os.ReadFile(damage.File); err != nil || string(b) != c.text {
				t.Errorf("moved aside is %q, %v", b, err)
			}
			// The daemon goes on with a new one.
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
	var most int64
	for range 10 * slack {
		f.Put(ulids(0), record(0))
		if err := f.Flush(); err != nil {
			t.Fatal(err)
		}
		most = max(most, size())
	}
	if one := size() / int64(f.lines+1); most > 2*(slack+10)*one {
		t.Errorf("the journal grew to %d octets", most)
	}
	f.die()
	if _, records := open(t, folder); len(records) != 1 {
		t.Errorf("%d records", len(records))
	}
}

// What could not be written is written when it can.
func TestWriteFails(t *testing.T) {
	folder := t.TempDir()
	f, _ := open(t, folder)
	f.journal.Close() // as good as a full disk
	f.Put(ulids(0), record(0))
	if err := f.Flush(); err == nil {
		t.Fatal("a write to a closed file was no error")
	}
	f.Put(ulids(1), record(1))
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
	f.die()
	if _, records := open(t, folder); len(records) != 2 {
		t.Errorf("%d records", len(records))
	}
}

// A disk that stays full costs a little, not all of the Records each time; and what was
// not written is not lost, even if a journal that had grown could not be replaced.
func TestWriteFailsForLong(t *testing.T) {
	folder := t.TempDir()
	f, _ := open(t, folder)
	for i := range 80 {
		f.Put(ulids(i), record(i))
	}
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
	// A folder in the way of the temporary file.
	block := filepath.Join(folder, name+".tmp")
	if err := os.Mkdir(block, 0o700); err != nil {
		t.Fatal(err)
	}
	f.lines = slack + 1000
	for i := range 5 {
		f.Put(ulids(100+i), record(100+i))
		if err := f.Flush(); err == nil {
			t.Fatal("it was written")
		}
		if want := 10 - i; f.skip != want {
			t.Errorf("%d flushes to skip, want %d", f.skip, want)
		}
	}
	if err := os.Remove(block); err != nil {
		t.Fatal(err)
	}
	n := 0
	for f.Put(ulids(200), record(200)); f.Flush() != nil; f.Put(ulids(200), record(200)) {
		n++
	}
	if n != 6 {
		t.Errorf("%d flushes until it was tried again", n)
	}
	f.die()
	if _, records := open(t, folder); len(records) != 86 {
		t.Errorf("%d records", len(records))
	}
}

func TestOpenErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(file); err == nil || !strings.Contains(err.Error(), "making the state directory") {
		t.Error(err)
	}
}

// A File that has nothing new writes nothing.
func TestFlushNothing(t *testing.T) {
	f, _ := open(t, t.TempDir())
	f.journal.Close()
	if err := f.Flush(); err != nil {
		t.Error(err)
	}
}

func BenchmarkPut(b *testing.B) {
	f, _, err := Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	r := record(0)
	for n := range b.N {
		r.ULIDs = ulids(n % 1000)
		f.Put(r.ULIDs, r)
		if err := f.Flush(); err != nil {
			b.Fatal(err)
		}
	}
}
