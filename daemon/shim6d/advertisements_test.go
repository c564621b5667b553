// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"errors"
	"io"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/jsimonetti/rtnetlink/v2"
	mnetlink "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"shim6/daemon/config"
	"shim6/daemon/locator"
)

// fakeListener counts solicitations, and returns advertisements.
type fakeListener struct {
	asked []uint32
	err   error
	next  chan locator.Advertisement
}

func (f *fakeListener) Receive() (locator.Advertisement, error) {
	a, ok := <-f.next
	if !ok {
		return a, errors.New("closed")
	}
	return a, nil
}
func (f *fakeListener) Solicit(index uint32) error { f.asked = append(f.asked, index); return f.err }
func (f *fakeListener) Close() error               { close(f.next); return nil }

// Routers are asked three times once a link is up, until one of them is heard.
func TestSolicit(t *testing.T) {
	table := &locator.Table{}
	f := &fakeListener{err: errors.New("no"), next: make(chan locator.Advertisement, 1)}
	a := newAdvertisements(newLog(config.Default(), io.Discard), table)
	a.listener = f
	own := netip.MustParseAddr("fe80::a")
	up := func(flags uint32) {
		lifetime := told(unix.RTM_NEWADDR, &rtnetlink.AddressMessage{Family: unix.AF_INET6, PrefixLength: 64, Index: 2,
			Attributes: &rtnetlink.AddressAttributes{Address: a1.AsSlice(), CacheInfo: rtnetlink.CacheInfo{Preferred: 60, Valid: 60}}})
		for _, m := range []mnetlink.Message{toldLink(2, "up1", flags), toldAddress(2, own, 0), lifetime} {
			if _, err := table.Apply(0, m); err != nil {
				t.Fatal(err)
			}
		}
	}
	sync := func(now time.Duration, want int) {
		t.Helper()
		if _, err := a.Sync(now); err != nil {
			t.Fatal(err)
		}
		if len(f.asked) != want || slices.ContainsFunc(f.asked, func(i uint32) bool { return i != 2 }) {
			t.Fatalf("after %v asked are %v, wanted %d", now, f.asked, want)
		}
	}
	sync(0, 0)
	if a.Next() != never {
		t.Errorf("without a link the next is after %v", a.Next())
	}
	up(linkUp)
	sync(0, 0)
	first := a.Next()
	if first > solicitationDelay {
		t.Errorf("the first is after %v", first)
	}
	sync(first, 1)
	sync(a.Next()-1, 1)
	sync(a.Next(), 2)
	sync(a.Next(), 3)
	if at := first + 2*solicitationInterval; a.Next() != never {
		t.Errorf("after the third, at %v, the next is after %v", at, a.Next())
	}
	// The link comes up again, and a router is heard.
	up(unix.IFF_UP)
	sync(time.Minute, 3)
	up(linkUp)
	sync(time.Minute, 3)
	sync(a.Next(), 4)
	f.next <- locator.Advertisement{Index: 2, Router: router, Message: make([]byte, 16)}
	facts, err := a.Receive()
	if err != nil || len(facts) != 1 {
		t.Fatalf("received are %d, %v", len(facts), err)
	}
	if _, err := facts[0](time.Minute); err != nil {
		t.Fatal(err)
	}
	sync(time.Hour, 4)
	if a.Next() != never {
		t.Errorf("though a router was heard the next is after %v", a.Next())
	}
	a.Close()
	if _, err := a.Receive(); err == nil {
		t.Error("it receives after its end")
	}
}

// Without the privilege nothing is heard and nobody is asked.
func TestNoAdvertisements(t *testing.T) {
	a := newAdvertisements(newLog(config.Default(), io.Discard), &locator.Table{})
	done := make(chan error)
	go func() {
		_, err := a.Receive()
		done <- err
	}()
	if _, err := a.Sync(0); err != nil || a.Next() != never {
		t.Errorf("%v, the next is after %v", err, a.Next())
	}
	a.Close()
	if err := <-done; err == nil {
		t.Error("there is no error")
	}
}
