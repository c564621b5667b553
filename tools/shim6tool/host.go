// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"time"

	mnetlink "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"shim6/daemon/config"
	"shim6/daemon/control"
	"shim6/daemon/locator"
)

// host is what doctor looks at beside the module and shim6d, in a namespace.
type host interface {
	// locators is what shim6d would say of the addresses.
	locators(*config.Config) ([]control.Locator, error)
	// route names the interface by which a packet would leave.
	route(local, peer netip.Addr) (string, error)
	// ruleset is what nft -j list ruleset prints; an error if it can't tell.
	ruleset() ([]byte, error)
	// serves reports whether a process is in the namespace; an error if that
	// can't be told.
	serves(pid int) (bool, error)
	// capable reports whether we have a capability.
	capable(capability uint) bool
}

// thisHost is the host that we run on.
type thisHost struct{ netns string }

func inspect(netns string) (host, error) {
	if netns != "" {
		f, err := openNetns(netns)
		if err != nil {
			return nil, err
		}
		f.Close()
	}
	return thisHost{netns}, nil
}

func (h thisHost) locators(c *config.Config) (list []control.Locator, err error) {
	var w *locator.Watcher
	if err := inNetns(h.netns, func() (err error) {
		w, err = locator.Watch()
		return err
	}); err != nil {
		return nil, err
	}
	defer w.Close()
	messages, err := w.Dump()
	if err != nil {
		return nil, err
	}
	var table locator.Table
	const now = time.Duration(1)
	if err := table.Dump(now, messages); err != nil {
		return nil, err
	}
	for _, l := range locator.Assess(&table, c, now) {
		list = append(list, l.Told(now))
	}
	return list, nil
}

func (h thisHost) route(local, peer netip.Addr) (name string, err error) {
	return name, inNetns(h.netns, func() error {
		index, err := routeIndex(local, peer)
		if err != nil {
			return err
		}
		i, err := net.InterfaceByIndex(index)
		if err == nil {
			name = i.Name
		}
		return err
	})
}

// routeIndex asks the kernel for a route, as ip route get does.
func routeIndex(local, peer netip.Addr) (int, error) {
	conn, err := mnetlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	// struct rtmsg: both addresses are whole.
	b := make([]byte, unix.SizeofRtMsg)
	b[0], b[1], b[2] = unix.AF_INET6, 128, 128
	e := mnetlink.NewAttributeEncoder()
	e.Bytes(unix.RTA_DST, peer.AsSlice())
	e.Bytes(unix.RTA_SRC, local.AsSlice())
	attributes, err := e.Encode()
	if err != nil {
		return 0, err
	}
	replies, err := conn.Execute(mnetlink.Message{
		Header: mnetlink.Header{Type: unix.RTM_GETROUTE, Flags: mnetlink.Request},
		Data:   append(b, attributes...),
	})
	if err != nil {
		return 0, err
	}
	for _, r := range replies {
		if index, ok := routeOut(r.Data); ok {
			return index, nil
		}
	}
	return 0, fmt.Errorf("the kernel tells no interface")
}

// routeOut reads the interface of a route.
func routeOut(b []byte) (int, bool) {
	if len(b) < unix.SizeofRtMsg {
		return 0, false
	}
	ad, err := mnetlink.NewAttributeDecoder(b[unix.SizeofRtMsg:])
	if err != nil {
		return 0, false
	}
	for ad.Next() {
		if value := ad.Bytes(); ad.Type() == unix.RTA_OIF && len(value) == 4 {
			return int(binary.NativeEndian.Uint32(value)), true
		}
	}
	return 0, false
}

func (h thisHost) ruleset() (out []byte, err error) {
	return out, inNetns(h.netns, func() (err error) {
		out, err = exec.Command("nft", "-j", "list", "ruleset").Output()
		return err
	})
}

func (h thisHost) serves(pid int) (bool, error) {
	path := "/proc/thread-self/ns/net"
	if h.netns != "" {
		f, err := openNetns(h.netns)
		if err != nil {
			return false, err
		}
		defer f.Close()
		path = f.Name()
	}
	ours, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	its, err := os.Stat(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return false, err
	}
	return os.SameFile(ours, its), nil
}

func (h thisHost) capable(capability uint) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&header, &data[0]) != nil {
		return false
	}
	return data[capability/32].Effective&(1<<(capability%32)) != 0
}
