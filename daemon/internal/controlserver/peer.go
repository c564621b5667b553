// SPDX-License-Identifier: BSD-3-Clause

package controlserver

import (
	"context"
	"encoding/binary"
	"net"
	"os"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// peer is the process at the other end of a connection.
type peer struct {
	uid, gid uint32
	pid      int32
	groups   []uint32
	// privileged peers may change things and see tags.
	privileged bool
}

type peerKey struct{}

// peerOf is the peer of a request. The zero peer is not privileged.
func peerOf(ctx context.Context) peer {
	p, _ := ctx.Value(peerKey{}).(peer)
	return p
}

// withPeer notes who is at the other end when the connection is made. A process that hands
// its connection on to another one hands on its permissions.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	if s, ok := c.(*slot); ok {
		c = s.Conn
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		return ctx
	}
	p, err := credentials(u)
	if err != nil {
		return ctx
	}
	return context.WithValue(ctx, peerKey{}, p)
}

// peerOfConn is the peer of a connection.
func peerOfConn(c net.Conn) peer { return peerOf(withPeer(context.Background(), c)) }

func credentials(u *net.UnixConn) (peer, error) {
	raw, err := u.SyscallConn()
	if err != nil {
		return peer{}, err
	}
	var cred *unix.Ucred
	var groups []uint32
	var group uint32
	var cerr error
	err = raw.Control(func(fd uintptr) {
		if cred, cerr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); cerr != nil {
			return
		}
		groups = peerGroups(fd)
		group, cerr = groupOf(u.LocalAddr().String())
	})
	if err == nil {
		err = cerr
	}
	if err != nil {
		return peer{}, err
	}
	p := peer{uid: cred.Uid, gid: cred.Gid, pid: cred.Pid, groups: groups}
	p.privileged = p.may(uint32(os.Geteuid()), group)
	return p, nil
}

// may reports whether a peer may change things, for a daemon of this user and a
// socket of this group.
func (p peer) may(daemon, group uint32) bool {
	return p.uid == 0 || p.uid == daemon || p.gid == group || slices.Contains(p.groups, group)
}

// groupOf is the group of the socket at a path.
func groupOf(path string) (uint32, error) {
	var st unix.Stat_t
	err := unix.Stat(path, &st)
	return st.Gid, err
}

// peerGroups are the supplementary groups of a peer, none if they can't be known.
func peerGroups(fd uintptr) []uint32 {
	// As many as a process can have (NGROUPS_MAX).
	b := make([]byte, 65536*4)
	n := uint32(len(b))
	_, _, errno := syscall.Syscall6(syscall.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_PEERGROUPS,
		uintptr(unsafe.Pointer(&b[0])), uintptr(unsafe.Pointer(&n)), 0)
	if errno != 0 || int(n) > len(b) {
		return nil
	}
	groups := make([]uint32, 0, n/4)
	for i := 0; i+4 <= int(n); i += 4 {
		groups = append(groups, binary.NativeEndian.Uint32(b[i:]))
	}
	return groups
}
