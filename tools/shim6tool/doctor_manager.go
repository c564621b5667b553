// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// manager is the program that sets up an interface. Advice has to go to it: what is done by hand is
// gone when the program sets up the interface again.
type manager struct {
	// program is "" if none is known.
	program string
	// where is the place of its settings for the interface.
	where string
	// copied is a file of other interfaces as well, of which where has to become a copy for this
	// interface; "" if where is for this interface alone.
	copied string
}

const (
	networkd       = "systemd-networkd"
	networkManager = "NetworkManager"
	dhcpcd         = "dhcpcd"
	ifupdown       = "ifupdown"
)

// managerOf finds the manager of an interface. It is one that runs in the namespace and says that it
// manages the interface, or ifupdown, which leaves a note of what it has set up.
func (p *patient) managerOf(name string, index uint32) manager {
	number := strconv.FormatUint(uint64(index), 10)
	if p.runs("systemd-network") {
		v := p.values("run/systemd/netif/links/" + number)
		if s := v["ADMIN_STATE"]; s != "" && s != "unmanaged" {
			file := v["NETWORK_FILE"]
			if file == "" {
				file = name + ".network"
			}
			m := manager{networkd, "/etc/systemd/network/" + filepath.Base(file) + ".d/shim6.conf", ""}
			if p.shared(file) {
				m.where = "/etc/systemd/network/05-" + name + ".network"
				m.copied = file
			}
			return m
		}
	}
	if p.runs(networkManager) {
		v := p.values("run/NetworkManager/devices/" + number)
		if v["connection-uuid"] != "" && v["managed"] != "false" && v["managed"] != "0" {
			return manager{program: networkManager, where: v["connection-uuid"]}
		}
	}
	if p.runs(dhcpcd) {
		return manager{program: dhcpcd, where: "/etc/dhcpcd.exit-hook"}
	}
	if _, up := p.values("run/network/ifstate")[name]; up {
		return manager{program: ifupdown, where: "/etc/network/interfaces"}
	}
	return manager{}
}

// shared reports whether several interfaces have the same file of systemd-networkd.
func (p *patient) shared(file string) bool {
	links, _ := filepath.Glob(filepath.Join(p.root, "run/systemd/netif/links/*"))
	n := 0
	for _, l := range links {
		if p.values("run/systemd/netif/links/" + filepath.Base(l))["NETWORK_FILE"] == file {
			n++
		}
	}
	return n > 1
}

// runs reports whether a program of this name, as /proc has it in at most 15 octets, runs in the
// namespace. If it can't be seen where it runs, it is in the namespace of this process.
func (p *patient) runs(comm string) bool {
	files, _ := filepath.Glob(filepath.Join(p.root, "proc/[0-9]*/comm"))
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil || strings.TrimSpace(string(b)) != comm {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		here, err := p.host.serves(pid)
		if here || err != nil && p.netns == "" {
			return true
		}
	}
	return false
}

// values reads the lines KEY=VALUE of a file.
func (p *patient) values(name string) map[string]string {
	found := map[string]string{}
	f, err := os.Open(filepath.Join(p.root, name))
	if err != nil {
		return found
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if key, value, ok := strings.Cut(s.Text(), "="); ok {
			found[key] = value
		}
	}
	return found
}

// status is the command that shows what the manager knows of an interface.
func (m manager) status(name string) string {
	switch m.program {
	case networkd:
		return "'networkctl status " + name + "'"
	case networkManager:
		return "'nmcli device show " + name + "'"
	case dhcpcd:
		return "'dhcpcd -U " + name + "'"
	}
	return "'ip -6 addr show dev " + name + "'"
}

// routeBySource says how packets from a prefix are sent by a router of an interface.
func (m manager) routeBySource(from netip.Prefix, router, name string, index uint32) string {
	command := fmt.Sprintf("ip -6 route add default from %v via %s dev %s", from, router, name)
	switch m.program {
	case networkd:
		copied := ""
		if m.copied != "" {
			copied = fmt.Sprintf("copy %s, which other interfaces have as well, to %s, with 'Name=%s' below '[Match]', and ", m.copied, m.where, name)
		}
		return fmt.Sprintf("route by source: systemd-networkd has %s, so %sput the lines '[Route]', 'Gateway=%s' and 'Source=%v' into %s, then 'networkctl reload'",
			name, copied, router, from, m.where)
	case networkManager:
		table := 1000 + index
		return fmt.Sprintf("route by source: NetworkManager has %s, so 'nmcli connection modify %s +ipv6.routes \"::/0 %s table=%d\" +ipv6.routing-rules \"priority 1000 from %v table %d\"', then 'nmcli device reapply %s'",
			name, m.where, router, table, from, table, name)
	case dhcpcd:
		return fmt.Sprintf("route by source: dhcpcd has %s, so put '%s' into %s, and run it once", name, command, m.where)
	case ifupdown:
		return fmt.Sprintf("route by source: ifupdown has %s, so put 'up %s' below 'iface %s inet6' in %s, and run the command once", name, command, name, m.where)
	}
	return fmt.Sprintf("route by source: '%s'", command)
}
