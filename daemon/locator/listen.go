// SPDX-License-Identifier: BSD-3-Clause

package locator

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/net/ipv6"
)

// Listener hears Router Advertisements, whoever else handles them: the kernel, or a program. It
// is in the network namespace of the thread that made it.
type Listener struct {
	raw  net.PacketConn
	conn *ipv6.PacketConn
}

// routerHops is the hop limit of a message that no router has forwarded (RFC 4861, section 6.1).
const routerHops = 255

// Listen returns a Listener. It takes CAP_NET_RAW.
func Listen() (*Listener, error) {
	raw, err := net.ListenPacket("ip6:ipv6-icmp", "::")
	if err != nil {
		return nil, fmt.Errorf("opening a socket for Router Advertisements: %w", err)
	}
	l := &Listener{raw, ipv6.NewPacketConn(raw)}
	var filter ipv6.ICMPFilter
	filter.SetAll(true)
	filter.Accept(ipv6.ICMPTypeRouterAdvertisement)
	if err := errors.Join(
		l.conn.SetICMPFilter(&filter),
		l.conn.SetControlMessage(ipv6.FlagHopLimit|ipv6.FlagInterface, true),
		l.conn.SetMulticastHopLimit(routerHops),
		l.conn.SetMulticastLoopback(false),
	); err != nil {
		raw.Close()
		return nil, fmt.Errorf("preparing a socket for Router Advertisements: %w", err)
	}
	return l, nil
}

// Close ends the Listener. A Receive that waits returns an error.
func (l *Listener) Close() error { return l.raw.Close() }

// Receive waits for a Router Advertisement of a router on the link. After an error the Listener is
// of no use.
func (l *Listener) Receive() (Advertisement, error) {
	b := make([]byte, 1<<16)
	for {
		n, c, from, err := l.conn.ReadFrom(b)
		if err != nil {
			return Advertisement{}, fmt.Errorf("receiving Router Advertisements: %w", err)
		}
		if c == nil || c.HopLimit != routerHops {
			continue
		}
		ip, ok := from.(*net.IPAddr)
		if !ok {
			continue
		}
		router, _ := netip.AddrFromSlice(ip.IP)
		if router.IsLinkLocalUnicast() {
			return Advertisement{uint32(c.IfIndex), router, b[:n:n]}, nil
		}
	}
}

// Solicit asks the routers of a link to advertise themselves (RFC 4861, section 4.1).
func (l *Listener) Solicit(index uint32) error {
	i, err := net.InterfaceByIndex(int(index))
	if err != nil {
		return fmt.Errorf("sending a Router Solicitation: %w", err)
	}
	m := []byte{byte(ipv6.ICMPTypeRouterSolicitation), 0, 0, 0, 0, 0, 0, 0}
	if len(i.HardwareAddr) == optionUnit-2 {
		m = append(m, optionSourceAddress, 1)
		m = append(m, i.HardwareAddr...)
	}
	to := &net.IPAddr{IP: net.IPv6linklocalallrouters, Zone: i.Name}
	if _, err := l.conn.WriteTo(m, &ipv6.ControlMessage{HopLimit: routerHops, IfIndex: i.Index}, to); err != nil {
		return fmt.Errorf("sending a Router Solicitation on %s: %w", i.Name, err)
	}
	return nil
}
