// SPDX-License-Identifier: BSD-3-Clause

package statefile

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"shim6/daemon/internal/engine"
)

func TestCarriers(t *testing.T) {
	folder := t.TempDir()
	open := func() *Carriers {
		t.Helper()
		f, err := OpenCarriers(folder, nil)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	of := func(peer string, left time.Duration) engine.Carrier {
		return engine.Carrier{Local: netip.MustParsePrefix("2001:db8:1::/64"), Peer: netip.MustParsePrefix(peer), Left: left}
	}
	f := open()
	now := time.Now().Round(0)
	f.now = func() time.Time { return now }
	f.Put(of("2001:db8:2::/64", time.Hour))
	f.Put(of("2001:db8:3::/64", 3*time.Hour))
	f.Put(of("2001:db8:4::/64", 2*time.Hour))
	f.Put(of("2001:db8:4::/64", 0))
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	compare := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
	f = open()
	f.now = func() time.Time { return now }
	want := []engine.Carrier{of("2001:db8:2::/64", time.Hour), of("2001:db8:3::/64", 3*time.Hour)}
	if d := cmp.Diff(want, f.All(), compare); d != "" {
		t.Error(d)
	}
	// Old entries are forgotten.
	f.now = func() time.Time { return now.Add(2 * time.Hour) }
	if d := cmp.Diff([]engine.Carrier{of("2001:db8:3::/64", time.Hour)}, f.All(), compare); d != "" {
		t.Error(d)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	// A damaged file is told of, and replaced.
	if err := os.WriteFile(filepath.Join(folder, carriersName), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := OpenCarriers(folder, nil)
	if err == nil || len(f.All()) != 0 {
		t.Errorf("%v of a damaged file: %v", f.All(), err)
	}
	f.Put(of("2001:db8:2::/64", time.Hour))
	f.Close()
	if f = open(); len(f.All()) != 1 {
		t.Errorf("afterwards: %v", f.All())
	}
	f.Close()
}
