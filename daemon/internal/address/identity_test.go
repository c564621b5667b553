// SPDX-License-Identifier: BSD-3-Clause

package address

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"shim6/daemon/cga"
	"shim6/daemon/wire"
	"shim6/tools/conformance/shows"
)

// one is an Identity with a set of p1 and p2. It is made once, since that takes a second.
var one = sync.OnceValue(func() *Identity { return extended(nil, p1, p2) })

func extended(i *Identity, prefixes ...cga.SubnetPrefix) *Identity {
	next, err := i.Extend(context.Background(), rand.Reader, prefixes, nil)
	if err != nil {
		panic(err)
	}
	return next
}

func addressIn(t *testing.T, i *Identity, p cga.SubnetPrefix) cga.Address {
	t.Helper()
	a, _, ok := i.Address(p)
	if !ok {
		t.Fatalf("there is no address in %v", p)
	}
	return a
}

// Addresses that are made together prove each other. The key signs for one that comes later.
func TestIdentity(t *testing.T) {
	shows.IDs(t, "5535-4-05")
	i := extended(one(), p3)
	x, y, z := addressIn(t, i, p1), addressIn(t, i, p2), addressIn(t, i, p3)
	if x.Addr != addressIn(t, one(), p1).Addr {
		t.Error("a new prefix has changed an old address")
	}
	if err := x.PDS.VerifyHBA(y.Addr); err != nil {
		t.Error(err)
	}
	if x.PDS.VerifyHBA(z.Addr) == nil {
		t.Error("what came later is in the first set")
	}
	list := &wire.LocatorList{Generation: 1, Locators: []wire.Locator{
		{Address: x.Addr, Method: wire.MethodHBA}, {Address: z.Addr, Method: wire.MethodCGA},
	}}
	signature, err := x.PDS.Sign(i.Key, list)
	if err != nil {
		t.Fatal(err)
	}
	if err := x.PDS.VerifyLocators(x.Addr, list, signature); err != nil {
		t.Error(err)
	}
	if _, _, ok := (*Identity)(nil).Address(p1); ok {
		t.Error("no Identity has an address")
	}
}

// All addresses of a set are replaced, twice, and then no more.
func TestCollide(t *testing.T) {
	shows.IDs(t, "5535-6-15")
	i := extended(one(), p3)
	seen := map[netip.Addr]bool{addressIn(t, i, p1).Addr: true, addressIn(t, i, p2).Addr: true}
	for range cga.MaxCollisionCount {
		next, err := i.Collide(0)
		if err != nil {
			t.Fatal(err)
		}
		x, y := addressIn(t, next, p1), addressIn(t, next, p2)
		if seen[x.Addr] || seen[y.Addr] || x.PDS.VerifyHBA(y.Addr) != nil {
			t.Errorf("%v and %v", x.Addr, y.Addr)
		}
		seen[x.Addr], seen[y.Addr] = true, true
		if addressIn(t, next, p3).Addr != addressIn(t, i, p3).Addr {
			t.Error("another set has changed, too")
		}
		i = next
	}
	if _, err := i.Collide(0); !errors.Is(err, ErrTaken) {
		t.Errorf("the third time: %v", err)
	}
}

// No more sets are remembered than are of use.
func TestMaxSets(t *testing.T) {
	i := &Identity{Key: one().Key}
	for range maxSets {
		i.Sets = append(i.Sets, one().Sets[0])
	}
	if i = extended(i, p3); len(i.Sets) != maxSets {
		t.Errorf("%d sets", len(i.Sets))
	}
	addressIn(t, i, p3)
}

// A set that is in use is not forgotten, even if it is the oldest, or if there are too many.
func TestForget(t *testing.T) {
	made := func(n int) *Identity {
		i := &Identity{}
		for k := range n {
			i.Sets = append(i.Sets, []cga.Address{{PDS: &cga.PDS{SubnetPrefix: numbered(2 * k)}}, {PDS: &cga.PDS{SubnetPrefix: numbered(2*k + 1)}}})
		}
		return i
	}
	var all []cga.SubnetPrefix
	for k := range maxSets + 9 {
		all = append(all, numbered(2*k+1))
	}
	for _, c := range []struct {
		sets  int
		inUse []cga.SubnetPrefix
		want  int
		gone  []int
	}{
		{maxSets, nil, maxSets, nil},
		{maxSets + 2, nil, maxSets, []int{0, 1}},
		{maxSets + 2, all[:1], maxSets, []int{1, 2}},
		{maxSets + 2, []cga.SubnetPrefix{all[0], all[2]}, maxSets, []int{1, 3}},
		{maxSets + 9, all[:maxSets+5], maxSets + 5, []int{maxSets + 5, maxSets + 8}},
		{maxSets + 9, all, maxSets + 9, nil},
	} {
		i := made(c.sets)
		i.forget(c.inUse)
		if len(i.Sets) != c.want {
			t.Errorf("of %d sets, with %d in use, %d are left, wanted %d", c.sets, len(c.inUse), len(i.Sets), c.want)
		}
		for _, n := range c.gone {
			if _, _, ok := i.Address(numbered(2 * n)); ok {
				t.Errorf("of %d sets, with %d in use, set %d is left", c.sets, len(c.inUse), n)
			}
		}
	}
}

// In use are known prefixes, and those in which we have an address, kept addresses included.
func TestInUse(t *testing.T) {
	h := newHost(t)
	h.address(up2, netip.MustParseAddr("2001:db8:9::9"), 0, Infinite, Infinite)
	h.apply(SetAddress{Index: up1, Address: a1, Bits: subnetBits, Preferred: 1, Valid: 2}.Message())
	h.apply(SetAddress{Index: lo, Address: a2, Bits: hostBits, Valid: 2}.Message())
	got := InUse([]Prefix{{Index: up1, Prefix: p3}}, &h.table)
	if want := []cga.SubnetPrefix{p3, p1, p2}; !slices.Equal(got, want) {
		t.Errorf("in use is %v, wanted %v", got, want)
	}
}

// Many prefixes are in several sets. The PDS of each set leaves room in the longest message for
// all of its locators, or for half of them and a signature.
func TestManyPrefixes(t *testing.T) {
	var many []cga.SubnetPrefix
	for k := range 2*maxSetPrefixes + 1 {
		many = append(many, numbered(k))
	}
	i := extended(one(), many...)
	if len(i.Sets) != 4 || len(i.Sets[1]) != maxSetPrefixes || len(i.Sets[3]) != 1 {
		t.Fatalf("%d sets", len(i.Sets))
	}
	for _, p := range many {
		addressIn(t, i, p)
	}
	dir := t.TempDir()
	if err := i.Save(dir); err != nil {
		t.Fatal(err)
	}
	if again, err := Load(dir); err != nil || !reflect.DeepEqual(again.Sets, i.Sets) {
		t.Errorf("what was saved is not what was loaded: %v", err)
	}
	set := i.Sets[1]
	pds, err := set[0].PDS.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		locators int
		method   wire.VerificationMethod
	}{{maxSetPrefixes, wire.MethodHBA}, {maxSetPrefixes / 2, wire.MethodCGA}} {
		list := &wire.LocatorList{}
		for _, a := range set[:c.locators] {
			list.Locators = append(list.Locators, wire.Locator{Address: a.Addr, Method: c.method})
		}
		options := wire.Options{
			&wire.ResponderValidator{Validator: make([]byte, 128)}, &wire.ULIDPair{Sender: set[0].Addr, Receiver: a1},
			&wire.ForkedInstanceIdentifier{}, &wire.KeepaliveTimeout{}, list,
			&wire.LocatorPreferences{ElementLen: 3, Elements: make([]wire.Preference, c.locators)},
			&wire.CGAParameterDataStructure{PDS: pds},
		}
		if c.method == wire.MethodCGA {
			options = append(options, &wire.CGASignature{Signature: make([]byte, i.Key.Size())})
		}
		if _, err := wire.Append(nil, &wire.I2bis{Options: options}); err != nil {
			t.Errorf("of %d locators: %v", c.locators, err)
		}
	}
}

func TestStore(t *testing.T) {
	dir := t.TempDir()
	if i, err := Load(dir); i != nil || err != nil {
		t.Fatalf("of nothing: %v, %v", i, err)
	}
	i := extended(one(), p3)
	if err := i.Save(dir); err != nil {
		t.Fatal(err)
	}
	again, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !again.Key.Equal(i.Key) || !reflect.DeepEqual(again.Sets, i.Sets) {
		t.Error("what was saved is not what was loaded")
	}
	for _, name := range []string{KeyFile, AddressesFile} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if next, err := i.Collide(1); err != nil {
		t.Error(err)
	} else if err = next.Save(dir); err != nil {
		t.Error(err)
	} else if again, err = Load(dir); err != nil || addressIn(t, again, p3).PDS.CollisionCount != 1 {
		t.Errorf("after a collision: %v", err)
	}
	// If the file can't be written nothing is lost, and no remains are left.
	if err := i.Save(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("to nowhere: %v", err)
	}
	names, _ := filepath.Glob(dir + "/*.tmp")
	if len(names) > 0 {
		t.Errorf("%v is left", names)
	}
	// The host has died before it had addresses.
	if err := os.Remove(filepath.Join(dir, AddressesFile)); err != nil {
		t.Fatal(err)
	}
	if again, err = Load(dir); err != nil || len(again.Sets) != 0 || !again.Key.Equal(i.Key) {
		t.Errorf("a key alone: %+v, %v", again, err)
	}
}

// Load says what is wrong with the files, and makes nothing else of them.
func TestLoadErrors(t *testing.T) {
	dir := t.TempDir()
	if err := one().Save(dir); err != nil {
		t.Fatal(err)
	}
	key, _ := os.ReadFile(filepath.Join(dir, KeyFile))
	text, _ := os.ReadFile(filepath.Join(dir, AddressesFile))
	other, err := (*Identity)(nil).Extend(context.Background(), rand.Reader, []cga.SubnetPrefix{p1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := t.TempDir()
	if err := other.Save(elsewhere); err != nil {
		t.Fatal(err)
	}
	otherKey, _ := os.ReadFile(filepath.Join(elsewhere, KeyFile))
	second := bytes.Index(text[1:], []byte("-----BEGIN")) + 1
	for _, c := range []struct {
		name      string
		key, text []byte
		want      string
	}{
		{"no key in it", []byte("x"), text, KeyFile + ": there is no private key in it"},
		{"half a key", key[:len(key)/2], text, KeyFile},
		{"another key", otherKey, text, "with another key"},
		{"half a file", key, text[:len(text)-20], AddressesFile},
		{"half a set", key, text[second:], "its set lacks members"},
		{"mixed up", key, append(bytes.Clone(text[second:]), text[:second]...), AddressesFile},
	} {
		for name, b := range map[string][]byte{KeyFile: c.key, AddressesFile: c.text} {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Load(dir); c.name != "mixed up" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", c.name, err)
		} else if c.name == "mixed up" && err != nil {
			// Each has its prefix in it, so that nothing depends on the order.
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// An administrator may replace or remove a key that is too short, or known to others, together
// with the addresses. Addresses made with the old key are not taken for the new one's.
func TestAnotherKey(t *testing.T) {
	shows.IDs(t, "3972-7.1-01 3972-7.1-02")
	old := one()
	longer, err := rsa.GenerateKey(rand.Reader, cga.MaxNewKeyBits)
	if err != nil {
		t.Fatal(err)
	}
	b, err := x509.MarshalPKCS8PrivateKey(longer)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: pemKey, Bytes: b})
	for _, c := range []struct {
		name string
		key  []byte
	}{{"a longer one", text}, {"none", nil}} {
		dir := t.TempDir()
		if err = old.Save(dir); err != nil {
			t.Fatal(err)
		}
		if c.key == nil {
			err = os.Remove(filepath.Join(dir, KeyFile))
		} else {
			err = os.WriteFile(filepath.Join(dir, KeyFile), c.key, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		if i, err := Load(dir); err == nil && i != nil && len(i.Sets) > 0 {
			t.Errorf("%s: the addresses of another key are taken", c.name)
		}
		if err := os.RemoveAll(filepath.Join(dir, AddressesFile)); err != nil {
			t.Fatal(err)
		}
		i, err := Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		if i, err = i.Extend(context.Background(), rand.Reader, []cga.SubnetPrefix{p1, p2}, nil); err != nil {
			t.Fatal(err)
		}
		x, was := addressIn(t, i, p1), addressIn(t, old, p1)
		if i.Key.Equal(old.Key) || x.Addr == was.Addr || c.key != nil && !i.Key.Equal(longer) {
			t.Errorf("%s: %v, and was %v", c.name, x.Addr, was.Addr)
		}
		// The old key does not sign for it any more, and the new one does.
		list := &wire.LocatorList{Generation: 1, Locators: []wire.Locator{{Address: x.Addr, Method: wire.MethodHBA}, {Address: was.Addr, Method: wire.MethodCGA}}}
		if _, err := x.PDS.Sign(old.Key, list); err == nil {
			t.Errorf("%s: the old key signs for %v", c.name, x.Addr)
		}
		signature, err := x.PDS.Sign(i.Key, list)
		if err != nil {
			t.Fatal(err)
		}
		if err := x.PDS.VerifyLocators(x.Addr, list, signature); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
