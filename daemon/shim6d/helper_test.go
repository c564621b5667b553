// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"encoding"

	"github.com/jsimonetti/rtnetlink/v2"
	mnetlink "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// addressMessages are what rtnetlink tells of an interface with the address a1.
func addressMessages() []mnetlink.Message {
	message := func(kind uint16, m encoding.BinaryMarshaler) mnetlink.Message {
		b, err := m.MarshalBinary()
		if err != nil {
			panic(err)
		}
		return mnetlink.Message{Header: mnetlink.Header{Type: mnetlink.HeaderType(kind)}, Data: b}
	}
	return []mnetlink.Message{
		message(unix.RTM_NEWLINK, &rtnetlink.LinkMessage{Index: 1, Flags: unix.IFF_UP | unix.IFF_RUNNING | unix.IFF_LOWER_UP}),
		message(unix.RTM_NEWADDR, &rtnetlink.AddressMessage{Family: unix.AF_INET6, PrefixLength: 64, Index: 1,
			Attributes: &rtnetlink.AddressAttributes{Address: a1.AsSlice(), Flags: unix.IFA_F_PERMANENT}}),
	}
}
