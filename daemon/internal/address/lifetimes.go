// SPDX-License-Identifier: BSD-3-Clause

package address

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jsimonetti/rtnetlink/v2"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// This file reads the sysctls temp_prefered_lft and temp_valid_lft of a link. rtnetlink tells them,
// also to a program that sees nothing of /proc/sys.

const (
	// iflaInet6Conf is IFLA_INET6_CONF of linux/if_link.h: the sysctls of a link, each in 32
	// bits and in the order of linux/ipv6.h, where these two are DEVCONF_TEMP_VALID_LFT and
	// DEVCONF_TEMP_PREFERED_LFT.
	iflaInet6Conf  = 2
	tempValidAt    = 11
	tempPreferedAt = 12
)

// Lifetimes returns those that a link wants for temporary addresses.
func (k *Kernel) Lifetimes(index uint32) (Lifetimes, error) {
	messages, err := k.conn.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.RTM_GETLINK, Flags: netlink.Request},
		Data:   marshal(&rtnetlink.LinkMessage{Index: index}),
	})
	if err != nil {
		return Lifetimes{}, fmt.Errorf("asking rtnetlink for a link: %w", err)
	}
	for _, m := range messages {
		if l, ok := parseLifetimes(m); ok {
			return l, nil
		}
	}
	return Lifetimes{}, errors.New("rtnetlink tells no settings of IPv6 of the link")
}

func parseLifetimes(m netlink.Message) (l Lifetimes, ok bool) {
	if m.Header.Type != unix.RTM_NEWLINK || len(m.Data) < unix.SizeofIfInfomsg {
		return l, false
	}
	conf := nested(m.Data[unix.SizeofIfInfomsg:], unix.IFLA_AF_SPEC, unix.AF_INET6, iflaInet6Conf)
	if len(conf) < 4*(tempPreferedAt+1) {
		return l, false
	}
	l = DefaultLifetimes
	read := func(at int, to *time.Duration) {
		if n := int32(binary.NativeEndian.Uint32(conf[4*at:])); n > 0 {
			*to = time.Duration(n) * time.Second
		}
	}
	read(tempPreferedAt, &l.Preferred)
	read(tempValidAt, &l.Valid)
	return l, true
}

// nested returns the attribute at the end of a path of attributes in attributes, nil if it is not
// there.
func nested(b []byte, path ...uint16) []byte {
	for _, kind := range path {
		ad, err := netlink.NewAttributeDecoder(b)
		if err != nil {
			return nil
		}
		b = nil
		for ad.Next() {
			if ad.Type() == kind {
				b = ad.Bytes()
			}
		}
		if ad.Err() != nil {
			return nil
		}
	}
	return b
}
