// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"time"

	"github.com/jsimonetti/rtnetlink/v2"
	mnetlink "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"shim6/daemon/config"
	"shim6/daemon/control"
	"shim6/daemon/locator"
)

// host is the part of a namespace that doctor looks at, beside the module and shim6d.
type host interface {
	// locators are the addresses as shim6d would see them.
	locators(*config.Config) ([]control.Locator, error)
	// layout is how the host hangs on its links.
	layout() (layout, error)
	// route returns how a packet would leave.
	route(local, peer netip.Addr) (way, error)
	// ruleset is the output of 'nft -j list ruleset'.
	ruleset() ([]byte, error)
	// serves reports whether a process is in the namespace.
	serves(pid int) (bool, error)
	// capable reports whether this process has a capability.
	capable(capability uint) bool
}

// thisHost is the host on which the tool runs.
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

// dumped is when the state of the links is read, by a clock that begins then: lifetimes that end are
// not over.
const dumped = time.Duration(1)

// table reads the state of the links.
func (h thisHost) table() (*locator.Table, error) {
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
	t := &locator.Table{}
	return t, t.Dump(dumped, messages)
}

func (h thisHost) locators(c *config.Config) (list []control.Locator, err error) {
	t, err := h.table()
	if err != nil {
		return nil, err
	}
	for _, l := range locator.Assess(t, c, dumped) {
		list = append(list, l.Told(dumped))
	}
	return list, nil
}

func (h thisHost) layout() (layout, error) {
	t, err := h.table()
	if err != nil {
		return layout{}, err
	}
	l := layout{routers: map[string][]netip.Addr{}}
	for _, a := range t.Assigned() {
		if list := t.Routers(a.Index); len(list) > 0 {
			l.routers[a.Interface] = list
		}
		if a.Address.IsGlobalUnicast() {
			l.addresses = append(l.addresses, a)
		}
	}
	return l, nil
}

func (h thisHost) route(local, peer netip.Addr) (w way, err error) {
	return w, inNetns(h.netns, func() error {
		index, router, err := routeOf(local, peer)
		if err != nil {
			return err
		}
		w.router = router
		i, err := net.InterfaceByIndex(index)
		if err == nil {
			w.name = i.Name
		}
		return err
	})
}

// routeFrom is a RouteMessage that asks for a route from a source. RouteAttributes has no RTA_SRC;
// its Src is RTA_PREFSRC, which the kernel ignores in a question.
type routeFrom struct {
	rtnetlink.RouteMessage
	source netip.Addr
}

func (r *routeFrom) MarshalBinary() ([]byte, error) {
	b, err := r.RouteMessage.MarshalBinary()
	if err != nil {
		return nil, err
	}
	e := mnetlink.NewAttributeEncoder()
	e.Bytes(unix.RTA_SRC, r.source.AsSlice())
	a, err := e.Encode()
	return append(b, a...), err
}

// routeOf asks the kernel for the route of a packet, as 'ip route get' does, and returns the index of
// its interface, and its router, if there is one.
func routeOf(local, peer netip.Addr) (index int, router netip.Addr, err error) {
	conn, err := rtnetlink.Dial(nil)
	if err != nil {
		return 0, router, err
	}
	defer conn.Close()
	// RouteService.Get is not used: it asks for a dump of all routes.
	replies, err := conn.Execute(&routeFrom{rtnetlink.RouteMessage{
		Family: unix.AF_INET6, DstLength: 128, SrcLength: 128,
		Attributes: rtnetlink.RouteAttributes{Dst: peer.AsSlice()},
	}, local}, unix.RTM_GETROUTE, mnetlink.Request)
	if err != nil {
		return 0, router, err
	}
	for _, r := range replies {
		if route, ok := r.(*rtnetlink.RouteMessage); ok && route.Attributes.OutIface != 0 {
			router, _ = netip.AddrFromSlice(route.Attributes.Gateway)
			return int(route.Attributes.OutIface), router, nil
		}
	}
	return 0, router, errors.New("the kernel tells no interface")
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
