// SPDX-License-Identifier: BSD-3-Clause

package controlserver

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// Listen makes the socket. Everybody on the host may connect to it. A group other than ""
// becomes the socket's group. A socket without a listener is replaced.
func Listen(path, group string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("the control socket: %w", err)
	}
	if err := stale(path); err != nil {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("the control socket: %w", err)
	}
	if group != "" {
		err = setGroup(path, group)
	}
	if err == nil {
		err = os.Chmod(path, 0o666)
	}
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("the control socket: %w", err)
	}
	return l, nil
}

// stale removes the socket of a daemon that was killed.
func stale(path string) error {
	st, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the control socket: %w", err)
	}
	if st.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("the control socket: %s is there and is no socket: move it away, or name another in control.socket", path)
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
		return fmt.Errorf("the control socket: another shim6d listens at %s: end it, or name another in control.socket", path)
	}
	if !errors.Is(err, unix.ECONNREFUSED) {
		return fmt.Errorf("the control socket: %w", err)
	}
	return os.Remove(path)
}

func setGroup(path, group string) error {
	g, err := user.LookupGroup(group)
	if err != nil {
		return fmt.Errorf("%w: take another control.group", err)
	}
	gid, err := strconv.Atoi(g.Gid)
	if err != nil {
		return err
	}
	if err := os.Chown(path, -1, gid); err != nil {
		return fmt.Errorf("%w: shim6d must be a member of control.group %q", err, group)
	}
	return nil
}

// limit allows maxConnections connections of unprivileged peers at a time, and maxUserConnections of
// one user, and closes further ones. Privileged peers always get through: otherwise any user could keep root
// out.
func limit(l net.Listener, peerOf func(net.Conn) peer) net.Listener {
	return &limited{Listener: l, peerOf: peerOf, users: make(map[uint32]int)}
}

type limited struct {
	net.Listener
	peerOf func(net.Conn) peer
	mu     sync.Mutex
	// all counts the connections of unprivileged peers, and users those of each.
	all   int
	users map[uint32]int
}

// take counts a connection of a user, if there may be one more.
func (l *limited) take(uid uint32) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all >= maxConnections || l.users[uid] >= maxUserConnections {
		return false
	}
	l.all++
	l.users[uid]++
	return true
}

func (l *limited) free(uid uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if l.users[uid]--; l.users[uid] == 0 {
		delete(l.users, uid)
	}
}

func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return c, err
		}
		p := l.peerOf(c)
		switch {
		case p.privileged:
			return c, nil
		case l.take(p.uid):
			return &slot{Conn: c, free: sync.OnceFunc(func() { l.free(p.uid) })}, nil
		}
		c.Close()
	}
}

type slot struct {
	net.Conn
	free func()
}

func (s *slot) Close() error {
	defer s.free()
	return s.Conn.Close()
}
