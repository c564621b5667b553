// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"encoding"
	"net/netip"
	"testing"

	"github.com/jsimonetti/rtnetlink/v2"
	mnetlink "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// told is a message of rtnetlink.
func told(kind uint16, m encoding.BinaryMarshaler) mnetlink.Message {
	b, err := m.MarshalBinary()
	if err != nil {
		panic(err)
	}
	return mnetlink.Message{Header: mnetlink.Header{Type: mnetlink.HeaderType(kind)}, Data: b}
}

const linkUp = unix.IFF_UP | unix.IFF_RUNNING | unix.IFF_LOWER_UP

func toldLink(index uint32, name string, flags uint32) mnetlink.Message {
	return told(unix.RTM_NEWLINK, &rtnetlink.LinkMessage{Index: index, Flags: flags, Attributes: &rtnetlink.LinkAttributes{Name: name}})
}

func toldAddress(index uint32, a netip.Addr, flags uint32) mnetlink.Message {
	return told(unix.RTM_NEWADDR, &rtnetlink.AddressMessage{Family: unix.AF_INET6, PrefixLength: 64, Index: index,
		Attributes: &rtnetlink.AddressAttributes{Address: a.AsSlice(), Flags: unix.IFA_F_PERMANENT | flags}})
}

// tell has rtnetlink tell messages.
func tell(t *testing.T, d *daemon, messages ...mnetlink.Message) {
	t.Helper()
	s := d.host.sources[0].(*rtnetlinkSource)
	if err := d.host.take(batch{source: s, facts: s.facts(messages)}); err != nil {
		t.Fatal(err)
	}
}

// atOnce has work that may have to wait done in the loop, and not beside it.
func atOnce(d *daemon) {
	d.beside = func(work func() func()) { work()() }
}

// addressMessages are what rtnetlink tells of an interface with the address a1.
func addressMessages() []mnetlink.Message {
	return []mnetlink.Message{toldLink(1, "", linkUp), toldAddress(1, a1, 0)}
}
