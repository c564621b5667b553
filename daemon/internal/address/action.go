// SPDX-License-Identifier: BSD-3-Clause

package address

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"shim6/daemon/locator"
)

// Action is a change of what the kernel has. String is the change in the words of ip.
type Action interface {
	// Message is the request to rtnetlink.
	Message() netlink.Message
	String() string
}

// Infinite is a lifetime that does not end (RFC 4861, section 4.6.2).
const Infinite = 0xffffffff

// ifaProto is IFA_PROTO of linux/if_addr.h.
const ifaProto = 11

// SetAddress adds an address to an interface, or changes it if it is there.
type SetAddress struct {
	Index   uint32
	Address netip.Addr
	Bits    uint8
	// Flags are IFA_F_* of linux/if_addr.h.
	Flags uint32
	// Preferred and Valid are lifetimes in seconds. New sessions do not take an address
	// whose Preferred is 0 while there is another one.
	Preferred, Valid uint32
}

// Message is RTM_NEWADDR.
func (a SetAddress) Message() netlink.Message {
	flags := a.Flags
	if a.Valid == Infinite {
		flags |= unix.IFA_F_PERMANENT
	}
	m := addressMessage(unix.RTM_NEWADDR, a.Index, a.Address, a.Bits, flags)
	m.Header.Flags |= netlink.Create | netlink.Replace
	b := make([]byte, 0, unix.SizeofIfaCacheinfo)
	b = binary.NativeEndian.AppendUint32(b, a.Preferred)
	b = binary.NativeEndian.AppendUint32(b, a.Valid)
	m.Data = append(m.Data, attributes(func(e *netlink.AttributeEncoder) {
		e.Bytes(unix.IFA_CACHEINFO, b[:cap(b)])
		e.Uint32(unix.IFA_FLAGS, flags)
		e.Uint8(ifaProto, locator.Protocol)
	})...)
	return m
}

func (a SetAddress) String() string {
	return fmt.Sprintf("address replace %v/%d dev %d valid_lft %d preferred_lft %d", a.Address, a.Bits, a.Index, a.Valid, a.Preferred)
}

// DeleteAddress removes an address from an interface.
type DeleteAddress struct {
	Index   uint32
	Address netip.Addr
	Bits    uint8
}

// Message is RTM_DELADDR.
func (a DeleteAddress) Message() netlink.Message {
	return addressMessage(unix.RTM_DELADDR, a.Index, a.Address, a.Bits, 0)
}

func (a DeleteAddress) String() string {
	return fmt.Sprintf("address delete %v/%d dev %d", a.Address, a.Bits, a.Index)
}

func addressMessage(kind netlink.HeaderType, index uint32, a netip.Addr, bits uint8, flags uint32) netlink.Message {
	// ifaddrmsg
	b := []byte{unix.AF_INET6, bits, uint8(flags), unix.RT_SCOPE_UNIVERSE}
	b = binary.NativeEndian.AppendUint32(b, index)
	b = append(b, attributes(func(e *netlink.AttributeEncoder) {
		e.Bytes(unix.IFA_LOCAL, a.AsSlice())
		e.Bytes(unix.IFA_ADDRESS, a.AsSlice())
	})...)
	return netlink.Message{Header: netlink.Header{Type: kind, Flags: netlink.Request | netlink.Acknowledge}, Data: b}
}

func attributes(add func(*netlink.AttributeEncoder)) []byte {
	e := netlink.NewAttributeEncoder()
	add(e)
	b, err := e.Encode()
	if err != nil {
		// No attribute of ours is too long.
		panic("address: " + err.Error())
	}
	return b
}
