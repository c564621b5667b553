// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"encoding/binary"
	"net/netip"

	mnetlink "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// connection is a TCP connection of this host over IPv6. The octets are those that the peer has
// acknowledged and those that came, without headers and repetitions.
type connection struct {
	// cookie names it as long as the host is up.
	cookie      uint64
	local, peer netip.Addr
	octets
}

// Layouts of linux/inet_diag.h and linux/tcp.h, in octets.
const (
	diagFamily, diagProtocol, diagExtensions = 0, 1, 2
	diagStates, diagRequestLen               = 4, 56
	diagSource, diagDestination, diagCookie  = 8, 24, 44
	diagMessageLen                           = 72
	diagInfo                                 = 2 // INET_DIAG_INFO
	infoAcked, infoReceived                  = 120, 128
	sockDiagByFamily                         = 20
	// established, fin-wait and close-wait: the states in which data goes.
	diagDataStates = 1<<1 | 1<<4 | 1<<5 | 1<<8
)

// sockets asks the kernel for the connections of this network namespace. It tells every program.
func sockets() ([]connection, error) {
	conn, err := mnetlink.Dial(unix.NETLINK_SOCK_DIAG, nil)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	request := make([]byte, diagRequestLen)
	request[diagFamily], request[diagProtocol], request[diagExtensions] = unix.AF_INET6, unix.IPPROTO_TCP, 1<<(diagInfo-1)
	binary.NativeEndian.PutUint32(request[diagStates:], diagDataStates)
	messages, err := conn.Execute(mnetlink.Message{
		Header: mnetlink.Header{Type: sockDiagByFamily, Flags: mnetlink.Request | mnetlink.Dump}, Data: request,
	})
	if err != nil {
		return nil, err
	}
	list := make([]connection, 0, len(messages))
	for _, m := range messages {
		if c, ok := parseConnection(m.Data); ok {
			list = append(list, c)
		}
	}
	return list, nil
}

// parseConnection is false for a connection of IPv4, and one of which the kernel tells too little.
func parseConnection(b []byte) (c connection, ok bool) {
	if len(b) < diagMessageLen {
		return c, false
	}
	c.local, _ = netip.AddrFromSlice(b[diagSource : diagSource+16])
	c.peer, _ = netip.AddrFromSlice(b[diagDestination : diagDestination+16])
	if c.local.Is4In6() || c.peer.Is4In6() {
		return c, false
	}
	c.cookie = binary.NativeEndian.Uint64(b[diagCookie:])
	d, err := mnetlink.NewAttributeDecoder(b[diagMessageLen:])
	if err != nil {
		return c, false
	}
	for d.Next() {
		if info := d.Bytes(); d.Type() == diagInfo && len(info) >= infoReceived+8 {
			c.out = binary.NativeEndian.Uint64(info[infoAcked:])
			c.in = binary.NativeEndian.Uint64(info[infoReceived:])
			ok = true
		}
	}
	return c, ok
}
