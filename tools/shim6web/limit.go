// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"

	mnetlink "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

const (
	// maxConnections is how many connections a listener has at a time, and maxUserConnections how many
	// of them are of one user of this host or, of others, of one network: nobody keeps all others out.
	maxConnections     = 512
	maxUserConnections = 128
)

// limitedListener is a listener that closes connections beyond the limits.
type limitedListener struct {
	net.Listener
	who func(net.Conn) string
	mu  sync.Mutex
	all int
	// users counts the connections of each.
	users map[string]int
}

func limit(l net.Listener, who func(net.Conn) string) *limitedListener {
	return &limitedListener{Listener: l, who: who, users: map[string]int{}}
}

func (l *limitedListener) take(who string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all >= maxConnections || l.users[who] >= maxUserConnections {
		return false
	}
	l.all++
	l.users[who]++
	return true
}

func (l *limitedListener) free(who string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if l.users[who]--; l.users[who] == 0 {
		delete(l.users, who)
	}
}

// Accept is that of a net.Listener.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		who := l.who(c)
		if l.take(who) {
			return &slot{Conn: c, who: who, free: sync.OnceFunc(func() { l.free(who) })}, nil
		}
		c.Close()
	}
}

// slot is a connection that counts.
type slot struct {
	net.Conn
	who  string
	free func()
}

// Close is that of a net.Conn.
func (s *slot) Close() error {
	defer s.free()
	return s.Conn.Close()
}

type whoKey struct{}

// withWho notes whose connection it is.
func withWho(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	if s, ok := c.(*slot); ok {
		ctx = context.WithValue(ctx, whoKey{}, s.who)
	}
	return ctx
}

// whose says whose request it is, "" if that is not known.
func whose(ctx context.Context) string {
	who, _ := ctx.Value(whoKey{}).(string)
	return who
}

// peerOf names who is at the other end: a user of this host, by a socket of Unix or by the loopback, or a
// network. All that are not known share one name.
func peerOf(c net.Conn) string {
	const unknown = "unknown"
	if u, ok := c.(*net.UnixConn); ok {
		raw, err := u.SyscallConn()
		if err != nil {
			return unknown
		}
		var cred *unix.Ucred
		if cerr := raw.Control(func(fd uintptr) { cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); errors.Join(cerr, err) != nil {
			return unknown
		}
		return fmt.Sprintf("user %d", cred.Uid)
	}
	remote, err1 := netip.ParseAddrPort(c.RemoteAddr().String())
	local, err2 := netip.ParseAddrPort(c.LocalAddr().String())
	if err1 != nil || err2 != nil {
		return unknown
	}
	if a := remote.Addr().Unmap(); !a.IsLoopback() {
		if a.Is4() {
			return a.String()
		}
		// A host has all addresses of its subnet.
		return netip.PrefixFrom(a.WithZone(""), 64).Masked().String()
	}
	uid, err := userOf(remote, local)
	if err != nil {
		return unknown
	}
	return fmt.Sprintf("user %d", uid)
}

// Layouts of linux/inet_diag.h, in octets.
const (
	diagFamily, diagProtocol, diagStates = 0, 1, 4
	diagID, diagRequestLen               = 8, 56
	diagIDSource, diagIDDestination      = 4, 20
	diagIDCookie                         = 40
	diagUID, diagInode, diagMessageLen   = 64, 68, 72
	sockDiagByFamily                     = 20
)

// userOf is the user who has the socket of a TCP connection of this host from one address to another.
// sock_diag tells every program.
func userOf(from, to netip.AddrPort) (uint32, error) {
	conn, err := mnetlink.Dial(unix.NETLINK_SOCK_DIAG, nil)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	messages, err := conn.Execute(mnetlink.Message{
		Header: mnetlink.Header{Type: sockDiagByFamily, Flags: mnetlink.Request}, Data: diagRequest(from, to),
	})
	if err != nil {
		return 0, err
	}
	if len(messages) != 1 {
		return 0, fmt.Errorf("the kernel tells of %d sockets", len(messages))
	}
	return diagUser(messages[0].Data)
}

// diagRequest asks for the socket of a connection. Addresses of IPv4 that are mapped are those of a
// socket of IPv6.
func diagRequest(from, to netip.AddrPort) []byte {
	b := make([]byte, diagRequestLen)
	b[diagFamily], b[diagProtocol] = unix.AF_INET6, unix.IPPROTO_TCP
	a, z := from.Addr().Unmap(), to.Addr().Unmap()
	if a.Is4() {
		b[diagFamily] = unix.AF_INET
	}
	binary.NativeEndian.PutUint32(b[diagStates:], ^uint32(0))
	id := b[diagID:]
	binary.BigEndian.PutUint16(id, from.Port())
	binary.BigEndian.PutUint16(id[2:], to.Port())
	copy(id[diagIDSource:], a.AsSlice())
	copy(id[diagIDDestination:], z.AsSlice())
	// There is no cookie to compare.
	binary.NativeEndian.PutUint64(id[diagIDCookie:], ^uint64(0))
	return b
}

// diagUser reads the answer. A socket that nobody has any more has no user.
func diagUser(b []byte) (uint32, error) {
	if len(b) < diagMessageLen || binary.NativeEndian.Uint32(b[diagInode:]) == 0 {
		return 0, errors.New("the socket is nobody's")
	}
	return binary.NativeEndian.Uint32(b[diagUID:]), nil
}
