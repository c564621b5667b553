// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"shim6/daemon/config"
	"shim6/netlink"
)

// openNetns opens a namespace made by 'ip netns', or that of a path.
func openNetns(netns string) (*os.File, error) {
	path := netns
	if !strings.Contains(netns, "/") {
		path = filepath.Join("/run/netns", netns)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("network namespace %q: %w ('ip netns list' shows which there are)", netns, err)
	}
	return f, nil
}

// options are for a socket of netlink in a namespace, "" for our own. The caller calls done when the
// socket is open.
func options(netns string) (o *netlink.Options, done func(), err error) {
	if netns == "" {
		return &netlink.Options{}, func() {}, nil
	}
	f, err := openNetns(netns)
	if err != nil {
		return nil, nil, err
	}
	return &netlink.Options{NetNS: int(f.Fd())}, func() { f.Close() }, nil
}

// inNetns runs a function in a namespace, "" for our own. Sockets that the function opens stay in that
// namespace.
func inNetns(netns string, do func() error) error {
	if netns == "" {
		return do()
	}
	f, err := openNetns(netns)
	if err != nil {
		return err
	}
	defer f.Close()
	done := make(chan error)
	go func() {
		// The thread is never unlocked, so it ends with this function: no other goroutine
		// may run in the namespace.
		runtime.LockOSThread()
		if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("network namespace %q: %w (it takes CAP_SYS_ADMIN: run it as root)", netns, err)
			return
		}
		done <- do()
	}()
	return <-done
}

const defaultConfig = "etc/shim6d.conf"

// configPath is the configuration of the daemon of the namespace. A daemon that 'ip netns exec' runs
// sees the files of /etc/netns/NAME in place of those of /etc.
func (t *tool) configPath() string {
	if t.netns == "" {
		return filepath.Join(t.root, defaultConfig)
	}
	return filepath.Join(t.root, "etc/netns", t.netns, "shim6d.conf")
}

// socketPath is where the daemon of the namespace listens. The daemon of another namespace is never
// asked instead: its contexts are not ours.
func (t *tool) socketPath() (string, error) {
	if t.socket != "" {
		return t.socket, nil
	}
	if strings.Contains(t.netns, "/") {
		return "", errors.New("where the shim6d of this namespace listens is not known: name it by -socket PATH")
	}
	path := t.configPath()
	b, err := os.ReadFile(path)
	if err == nil {
		var c *config.Config
		if c, err = config.Parse(path, string(b)); err == nil {
			return c.Control.Socket, nil
		}
	}
	switch {
	case t.netns != "" && errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("where the shim6d of namespace %q listens is not known: name it by -socket PATH, or by control.socket in %s", t.netns, path)
	case t.netns != "":
		return "", err
	}
	// shim6d may run all the same, with an earlier content of the file.
	return config.DefaultSocket, nil
}
