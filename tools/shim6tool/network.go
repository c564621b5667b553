// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"shim6/daemon/wire"
)

// network sends the packets of a probe of a pair, and receives the answers.
type network interface {
	local() netip.Addr
	// mtu is the path MTU as the host knows it.
	mtu() (int, error)
	// control sends a packet of protocol 140, datagram the same in UDP from and to a port, and
	// echo an ICMPv6 Echo Request. None is ever fragmented: a packet that is too long is the
	// error unix.EMSGSIZE.
	control(message []byte) error
	datagram(port uint16, message []byte) error
	echo(data []byte) error
	// receive waits for a packet about the peer; false if none came in time.
	receive(wait time.Duration) (arrival, bool, error)
	close()
}

// arrival is a packet that came: a control message, an Echo Reply, or an ICMPv6 error about a packet
// that was sent to the peer.
type arrival struct {
	from netip.Addr
	// message is a control message, reply the data of an Echo Reply.
	message, reply []byte
	// udp: the message came in UDP, or an error is about what was sent in UDP.
	udp bool
	// failure is an error. quoted is the part that it has of the packet in error, without the
	// IPv6 header and the one of UDP; control says whether that was of protocol 140 or in UDP.
	failure *icmpError
	quoted  []byte
	control bool
}

// icmpError is an ICMPv6 error message.
type icmpError struct {
	kind, code uint8
	// info is the MTU or the pointer.
	info uint32
}

// Types and codes of ICMPv6 (RFC 4443).
const (
	icmpUnreachable   = 1
	icmpTooBig        = 2
	icmpTimeExceeded  = 3
	icmpParameter     = 4
	icmpEchoRequest   = 128
	icmpEchoReply     = 129
	codeUnknownHeader = 1
)

// ofRoute reports whether a packet of any protocol would have got this error.
func (e icmpError) ofRoute() bool {
	const prohibited, portUnreachable, sourceFiltered = 1, 4, 5
	return e.kind == icmpTimeExceeded || e.kind == icmpUnreachable &&
		e.code != prohibited && e.code != portUnreachable && e.code != sourceFiltered
}

func (e icmpError) String() string {
	switch {
	case e.kind == icmpTooBig:
		return fmt.Sprintf("packet too big, MTU %d", e.info)
	case e.kind == icmpTimeExceeded:
		return "time exceeded: the routes make a loop"
	case e.kind == icmpParameter && e.code == codeUnknownHeader:
		return "unknown next header"
	case e.kind == icmpUnreachable:
		for code, text := range []string{"no route", "prohibited by a filter", "beyond the scope of the source",
			"address unreachable", "port unreachable", "the source address failed a filter", "the route rejects it"} {
			if int(e.code) == code {
				return text
			}
		}
	}
	return fmt.Sprintf("ICMPv6 type %d code %d", e.kind, e.code)
}

// rawNetwork is the network of the host.
type rawNetwork struct {
	// udp only asks the host about the way. shim6, icmp and carried are raw sockets, carried
	// that of UDP.
	shim6, icmp, udp, carried int
	from, to                  netip.Addr
	id, sequence              uint16
	// port is that of the last datagram.
	port uint16
}

const ipv6HeaderLen = 40

// openNetwork opens the sockets of a probe. The zero local address stands for the one that the host
// chooses.
func openNetwork(netns string, local, peer netip.Addr) (network, error) {
	n := &rawNetwork{shim6: -1, icmp: -1, udp: -1, carried: -1, to: peer}
	err := inNetns(netns, func() error { return n.open(local) })
	if err != nil {
		n.close()
		return nil, err
	}
	return n, nil
}

func (n *rawNetwork) open(local netip.Addr) (err error) {
	const flags = unix.SOCK_CLOEXEC
	if n.udp, err = unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|flags, 0); err != nil {
		return err
	}
	if local.IsValid() {
		if err := unix.Bind(n.udp, sockaddr(local)); err != nil {
			return fmt.Errorf("%v is no address of this host: %w ('ip -6 addr' shows which are)", local, err)
		}
	}
	// No packet is sent: the host says which source address it would choose.
	if err := unix.Connect(n.udp, &unix.SockaddrInet6{Addr: n.to.As16(), Port: 9}); err != nil {
		return fmt.Errorf("there is no way to %v: %w ('ip -6 route get %v' shows more)", n.to, err, n.to)
	}
	name, err := unix.Getsockname(n.udp)
	if err != nil {
		return err
	}
	n.from = netip.AddrFrom16(name.(*unix.SockaddrInet6).Addr)
	if n.shim6, err = unix.Socket(unix.AF_INET6, unix.SOCK_RAW|flags, wire.Protocol); err == nil {
		n.icmp, err = unix.Socket(unix.AF_INET6, unix.SOCK_RAW|flags, unix.IPPROTO_ICMPV6)
	}
	if err == nil {
		n.carried, err = unix.Socket(unix.AF_INET6, unix.SOCK_RAW|flags, unix.IPPROTO_UDP)
	}
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("opening a raw socket: %w (it takes CAP_NET_RAW: run it as root)", err)
	}
	if err != nil {
		return fmt.Errorf("opening a raw socket: %w", err)
	}
	for _, fd := range []int{n.shim6, n.icmp, n.carried} {
		if err := unix.Bind(fd, sockaddr(n.from)); err != nil {
			return err
		}
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_DONTFRAG, 1); err != nil {
			return err
		}
	}
	n.id = uint16(unix.Getpid())
	// The kernel makes the checksum, whose place is octet 6 of a UDP header.
	return unix.SetsockoptInt(n.carried, unix.IPPROTO_IPV6, unix.IPV6_CHECKSUM, 6)
}

func sockaddr(a netip.Addr) *unix.SockaddrInet6 { return &unix.SockaddrInet6{Addr: a.As16()} }

func (n *rawNetwork) close() {
	for _, fd := range []int{n.shim6, n.icmp, n.udp, n.carried} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

func (n *rawNetwork) local() netip.Addr { return n.from }

func (n *rawNetwork) mtu() (int, error) {
	return unix.GetsockoptInt(n.udp, unix.IPPROTO_IPV6, unix.IPV6_MTU)
}

func (n *rawNetwork) control(message []byte) error {
	return unix.Sendto(n.shim6, message, 0, sockaddr(n.to))
}

func (n *rawNetwork) datagram(port uint16, message []byte) error {
	n.port = port
	b := binary.BigEndian.AppendUint16(nil, port)
	b = binary.BigEndian.AppendUint16(b, port)
	b = binary.BigEndian.AppendUint16(b, uint16(wire.UDPHeaderLen+len(message)))
	b = binary.BigEndian.AppendUint16(b, 0)
	return unix.Sendto(n.carried, append(b, message...), 0, sockaddr(n.to))
}

func (n *rawNetwork) echo(data []byte) error {
	n.sequence++
	// The kernel makes the checksum.
	b := []byte{icmpEchoRequest, 0, 0, 0}
	b = binary.BigEndian.AppendUint16(b, n.id)
	b = binary.BigEndian.AppendUint16(b, n.sequence)
	return unix.Sendto(n.icmp, append(b, data...), 0, sockaddr(n.to))
}

func (n *rawNetwork) receive(wait time.Duration) (arrival, bool, error) {
	until := time.Now().Add(wait)
	b := make([]byte, 4096)
	for {
		left := time.Until(until)
		if left < 0 {
			return arrival{}, false, nil
		}
		polled := []unix.PollFd{{Fd: int32(n.shim6), Events: unix.POLLIN}, {Fd: int32(n.icmp), Events: unix.POLLIN}, {Fd: int32(n.carried), Events: unix.POLLIN}}
		// The wait is rounded up; otherwise the last millisecond would be a busy loop.
		if _, err := unix.Poll(polled, int(left/time.Millisecond)+1); err != nil && !errors.Is(err, unix.EINTR) {
			return arrival{}, false, err
		}
		for i, p := range polled {
			if p.Revents == 0 {
				continue
			}
			length, from, err := unix.Recvfrom(int(p.Fd), b, unix.MSG_DONTWAIT)
			if err != nil {
				// An error about an earlier packet; the other socket gets it in full.
				continue
			}
			sender := netip.AddrFrom16(from.(*unix.SockaddrInet6).Addr)
			if i == 0 && sender == n.to {
				return arrival{from: sender, message: b[:length]}, true, nil
			}
			if i == 1 {
				if a, ok := parseICMP(b[:length], sender, n.from, n.to, n.id); ok {
					return a, true, nil
				}
			}
			if i == 2 && sender == n.to && isDatagram(b[:length], n.port) {
				return arrival{from: sender, message: b[wire.UDPHeaderLen:length], udp: true}, true, nil
			}
		}
	}
}

// isDatagram reports whether a UDP header has a destination port. A translator may have changed the
// source port.
func isDatagram(b []byte, port uint16) bool {
	return port != 0 && len(b) >= wire.UDPHeaderLen && binary.BigEndian.Uint16(b[2:]) == port
}

// parseICMP returns false for a message that is not about packets from local to peer.
func parseICMP(b []byte, from, local, peer netip.Addr, id uint16) (arrival, bool) {
	if len(b) < 8 {
		return arrival{}, false
	}
	info := binary.BigEndian.Uint32(b[4:])
	if b[0] == icmpEchoReply {
		return arrival{from: from, reply: b[8:]}, from == peer && info>>16 == uint32(id)
	}
	quoted := b[8:]
	if b[0] >= icmpEchoRequest || len(quoted) < ipv6HeaderLen {
		return arrival{}, false
	}
	a := arrival{from: from, failure: &icmpError{b[0], b[1], info}, quoted: quoted[ipv6HeaderLen:]}
	a.udp = quoted[6] == unix.IPPROTO_UDP && len(a.quoted) >= wire.UDPHeaderLen
	a.control = quoted[6] == wire.Protocol || a.udp
	if a.udp {
		a.quoted = a.quoted[wire.UDPHeaderLen:]
	}
	return a, netip.AddrFrom16([16]byte(quoted[8:])) == local && netip.AddrFrom16([16]byte(quoted[24:])) == peer &&
		(a.control || quoted[6] == unix.IPPROTO_ICMPV6)
}
