// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"
)

// listen takes the sockets that systemd hands over or, without any, makes one. It refuses those
// that strangers can reach without showing who they are.
func listen(o *options, g *guard) ([]net.Listener, error) {
	list, err := activation.Listeners()
	if err != nil {
		return nil, fmt.Errorf("the sockets of systemd: %w", err)
	}
	if len(list) == 0 {
		l, err := open(o.listen)
		if err != nil {
			return nil, err
		}
		list = append(list, l)
	}
	for _, l := range list {
		if l == nil {
			return nil, errors.New("the sockets of systemd: one of them is no stream")
		}
		if err := g.mayListen(l.Addr()); err != nil {
			for _, l := range list {
				l.Close()
			}
			return nil, err
		}
	}
	return list, nil
}

// open makes a socket. One of Unix is for its owner alone.
func open(address string) (net.Listener, error) {
	path, ok := strings.CutPrefix(address, "unix:")
	if !ok {
		return net.Listen("tcp", address)
	}
	// The socket of a shim6web that was killed is in the way.
	if st, err := os.Lstat(path); err == nil && st.Mode().Type() == fs.ModeSocket {
		if c, err := net.Dial("unix", path); err == nil {
			c.Close()
			return nil, fmt.Errorf("another program listens at %s", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	was := unix.Umask(0o077)
	defer unix.Umask(was)
	return net.Listen("unix", path)
}

// mayListen says why shim6web must not listen at an address.
func (g *guard) mayListen(a net.Addr) error {
	if a.Network() == "unix" {
		return nil
	}
	t, ok := a.(*net.TCPAddr)
	if ok && t.IP.IsLoopback() {
		return nil
	}
	switch {
	case g.tls == nil:
		return fmt.Errorf("other hosts can reach %v: it needs -tls-cert and -tls-key, or listen at a loopback address", a)
	case g.token == "" && g.tls.ClientCAs == nil:
		return fmt.Errorf("other hosts can reach %v: it needs -token-file or -client-ca, so that not everybody may read", a)
	}
	return nil
}
