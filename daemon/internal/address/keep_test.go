// SPDX-License-Identifier: BSD-3-Clause

package address

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shim6/daemon/config"
	"shim6/daemon/locator"
	"shim6/daemon/wire"
	"shim6/tools/conformance/shows"
)

const (
	keepA1 = "address replace 2001:db8:1::a/128 dev 1 valid_lft 3590 preferred_lft 0"
	// brieflyA1 is until somebody restores it, or it is gone.
	brieflyA1 = "address replace 2001:db8:1::a/128 dev 1 valid_lft 2 preferred_lft 0"
	unkeepA1  = "address delete 2001:db8:1::a/128 dev 1"
)

// These are the ways to lose a ULID, and whether it is kept.
func TestKeep(t *testing.T) {
	shows.IDs(t, "5533-1.5-01")
	ever := "address replace 2001:db8:1::a/128 dev 1 valid_lft 4294967295 preferred_lft 0"
	for _, c := range []struct {
		name string
		lose func(h *host, see func())
		want []string
	}{
		{"the link goes down", func(h *host, see func()) { h.down(up1); h.lost(up1, a1) }, []string{keepA1}},
		{"the link is removed", func(h *host, see func()) {
			h.down(up1)
			h.lost(up1, a1)
			m := SetAddress{}.Message()
			m.Header.Type = unix.RTM_DELLINK
			m.Data = []byte{0, 0, 0, 0, up1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
			h.apply(m)
		}, []string{keepA1}},
		{"the link is down and its addresses stay, but are not delivered to", func(h *host, see func()) { h.down(up1) }, []string{keepA1}},
		{"somebody deletes it", func(h *host, see func()) { h.lost(up1, a1) }, []string{brieflyA1}},
		{"somebody deletes it from a link without a carrier", func(h *host, see func()) {
			h.link(up1, "up1", unix.IFF_UP)
			h.lost(up1, a1)
		}, []string{keepA1}},
		{"somebody deletes it, and shim6d has made it", func(h *host, see func()) {
			h.apply(SetAddress{Index: up1, Address: a1, Bits: 64, Preferred: 1800, Valid: 3590}.Message())
			see()
			h.lost(up1, a1)
		}, []string{keepA1}},
		{"without an end", func(h *host, see func()) {
			h.address(up1, a1, 0, Infinite, Infinite)
			see()
			h.down(up1)
			h.lost(up1, a1)
		}, []string{ever}},
		{"the carrier goes: the link has it still", func(h *host, see func()) { h.link(up1, "up1", unix.IFF_UP) }, nil},
		{"its lifetime ends", func(h *host, see func()) { h.now += 3589 * time.Second; h.lost(up1, a1) }, nil},
		{"an RA ends its lifetime, and the kernel removes it", func(h *host, see func()) { h.address(up1, a1, 0, 0, 0); see(); h.lost(up1, a1) }, nil},
		{"it is deprecated, and then deleted", func(h *host, see func()) { h.address(up1, a1, 0, 0, 3590); see(); h.lost(up1, a1) }, nil},
		{"it is deprecated, and the link goes down", func(h *host, see func()) {
			h.address(up1, a1, 0, 0, 3590)
			h.down(up1)
			h.lost(up1, a1)
		}, []string{keepA1}},
		{"another link has it as well", func(h *host, see func()) {
			h.address(up2, a1, 0, 1800, 3600)
			h.down(up1)
			h.lost(up1, a1)
		}, nil},
		{"another one is lost, which no context has", func(h *host, see func()) {
			h.address(up2, a2, 0, 1800, 3600)
			h.lost(up2, a2)
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, k := newHost(t), Keeper{}
			h.address(up1, a1, 0, 1800, 3600)
			h.wants(k.Update(h.now, &h.table, uses(a1)))
			h.now = 10 * time.Second
			c.lose(h, func() { h.wants(k.Update(h.now, &h.table, uses(a1))) })
			h.wants(k.Update(h.now, &h.table, uses(a1)), c.want...)
			// Nothing else is to be done.
			h.wants(k.Update(h.now, &h.table, uses(a1)))
		})
	}
}

// lostOne is a host that keeps a1, after ten seconds.
func lostOne(t *testing.T) (*host, *Keeper) {
	h, k := newHost(t), &Keeper{}
	h.address(up1, a1, 0, 1800, 3600)
	h.wants(k.Update(h.now, &h.table, uses(a1)))
	h.now = 10 * time.Second
	h.down(up1)
	h.lost(up1, a1)
	h.wants(k.Update(h.now, &h.table, uses(a1)), keepA1)
	if !Keeps(&h.table) {
		t.Fatal("nothing is kept")
	}
	return h, k
}

// These are the ways in which keeping ends.
func TestKeepNoMore(t *testing.T) {
	shows.IDs(t, "5533-1.5-01")
	t.Run("it comes back", func(t *testing.T) {
		h, k := lostOne(t)
		h.up(up1)
		h.address(up1, a1, unix.IFA_F_TENTATIVE, 1800, 3600)
		h.wants(k.Update(h.now, &h.table, uses(a1)))
		h.address(up1, a1, 0, 1800, 3600)
		h.wants(k.Update(h.now, &h.table, uses(a1)), unkeepA1)
		h.wants(k.Update(h.now, &h.table, uses(a1)))
		// The link loses it again.
		h.down(up1)
		h.lost(up1, a1)
		h.wants(k.Update(h.now, &h.table, uses(a1)), "address replace 2001:db8:1::a/128 dev 1 valid_lft 3600 preferred_lft 0")
	})
	t.Run("a program renews its configuration", func(t *testing.T) {
		h, k := newHost(t), &Keeper{}
		h.address(up1, a1, 0, 1800, 3600)
		h.wants(k.Update(h.now, &h.table, uses(a1)))
		h.lost(up1, a1)
		h.wants(k.Update(h.now, &h.table, uses(a1)), brieflyA1)
		h.now = time.Second
		h.address(up1, a1, unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED, 1800, 3600)
		h.wants(k.Update(h.now, &h.table, uses(a1)))
		h.address(up1, a1, unix.IFA_F_TENTATIVE, 1800, 3600)
		h.wants(k.Update(h.now, &h.table, uses(a1)), "address replace 2001:db8:1::a/128 dev 1 valid_lft 3600 preferred_lft 0")
		h.wants(k.Update(h.now, &h.table, uses(a1)))
		h.now += time.Second
		h.address(up1, a1, 0, 1800, 3600)
		h.wants(k.Update(h.now, &h.table, uses(a1)), unkeepA1)
	})
	t.Run("another host has it when the link is back", func(t *testing.T) {
		h, k := lostOne(t)
		h.up(up1)
		h.address(up1, a1, unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED, 1800, 3600)
		h.wants(k.Update(h.now, &h.table, uses(a1)))
	})
	t.Run("no context has it any more", func(t *testing.T) {
		h, k := lostOne(t)
		h.wants(k.Update(h.now, &h.table, uses(a2)), unkeepA1)
		h.wants(k.Update(h.now, &h.table, uses(a1)))
	})
	t.Run("its lifetime ends: the kernel removes it", func(t *testing.T) {
		h, k := lostOne(t)
		h.now += 3590 * time.Second
		h.lost(lo, a1)
		h.wants(k.Update(h.now, &h.table, uses(a1)))
	})
	t.Run("the administrator deletes it from the loopback too", func(t *testing.T) {
		h, k := lostOne(t)
		h.lost(lo, a1)
		h.wants(k.Update(h.now, &h.table, uses(a1)))
	})
}

// After a restart the mark tells what was kept. Other addresses of the loopback are left alone.
func TestKeepRestart(t *testing.T) {
	h, _ := lostOne(t)
	h.address(lo, a2, 0, Infinite, Infinite)
	var k Keeper
	h.wants(k.Update(h.now, &h.table, uses(a1, a2)))
	h.up(up1)
	h.address(up1, a1, 0, 1800, 3600)
	h.wants(k.Update(h.now, &h.table, uses(a1, a2)), unkeepA1)
	h.wants(k.Update(h.now, &h.table, uses()))
}

// Where the loopback has no IPv6, another link that works keeps the ULID.
func TestKeepElsewhere(t *testing.T) {
	h, k := newHost(t), Keeper{}
	h.address(up1, a1, 0, 1800, 3600)
	k.Update(h.now, &h.table, uses(a1))
	h.down(up1)
	h.lost(up1, a1)
	list := k.Update(h.now, &h.table, uses(a1))
	if len(list) != 1 {
		t.Fatalf("actions %v", list)
	}
	if other, ok := Elsewhere(list[0], &h.table); ok {
		t.Errorf("there is another link: %v", other)
	}
	h.address(up2, a2, 0, 1800, 3600)
	other, ok := Elsewhere(list[0], &h.table)
	if want := "address replace 2001:db8:1::a/128 dev 3 valid_lft 3600 preferred_lft 0"; !ok || other.String() != want {
		t.Fatalf("%v %v, wanted %s", other, ok, want)
	}
	h.apply(other.Message())
	if l := locator.Assess(&h.table, config.Default(), h.now); len(l) != 2 || l[0].Address != a1 || !l[0].Available || l[0].Operational {
		t.Errorf("assessed as %+v", l)
	}
	h.up(up1)
	h.address(up1, a1, 0, 1800, 3600)
	h.wants(k.Update(h.now, &h.table, uses(a1)), "address delete 2001:db8:1::a/128 dev 3")
}

// An Action that has failed is not tried for ever: the context goes.
func TestKeepFails(t *testing.T) {
	h, k := newHost(t), Keeper{}
	h.address(up1, a1, 0, Infinite, Infinite)
	k.Update(h.now, &h.table, uses(a1))
	h.lost(up1, a1)
	if got := k.Update(h.now, &h.table, uses(a1)); len(got) != 1 {
		t.Fatalf("actions %v", got)
	}
	h.wants(k.Update(h.now, &h.table, uses(a1)))
}

// A kept address is a ULID, and no working locator, whatever the configuration says of the
// loopback. But it is no ULID if the configuration denies the address.
func TestKeptLocator(t *testing.T) {
	shows.IDs(t, "5533-1.5-01")
	h, _ := lostOne(t)
	c := config.Default()
	no := false
	c.Interfaces = []config.Interface{{Name: "lo", Use: &no}}
	// The kernel tells that it is deprecated.
	h.apply(SetAddress{Index: lo, Address: a1, Bits: hostBits, Flags: unix.IFA_F_DEPRECATED, Valid: 3590}.Message())
	want := []locator.Locator{{
		Address: a1, Preference: wire.Preference{Flags: wire.FlagBroken}, Interface: "lo", ValidUntil: 3600 * time.Second,
		Available: true, Why: "kept on lo for contexts: its link has lost it",
	}}
	if got := locator.Assess(&h.table, c, h.now); !reflect.DeepEqual(got, want) {
		t.Errorf("assessed as %+v, wanted %+v", got, want)
	}
	c.Locators.Deny = []netip.Prefix{netip.PrefixFrom(a1, 128)}
	if got := locator.Assess(&h.table, c, h.now); len(got) != 1 || got[0].Available {
		t.Errorf("what is denied is a ULID: %+v", got)
	}
}
