// SPDX-License-Identifier: BSD-3-Clause

package config

import (
	"crypto/rsa"
	"log/slog"
	"net/netip"
	"path"
	"time"

	"shim6/daemon/cga"
	"shim6/netlink"
)

// Config is the configuration. Every field has the name of its key.
type Config struct {
	StateDirectory string      `toml:"state-directory"`
	Log            Log         `toml:"log"`
	Control        Control     `toml:"control"`
	DebugPort      DebugPort   `toml:"debug-port"`
	Protocol       Protocol    `toml:"protocol"`
	Kernel         Kernel      `toml:"kernel"`
	Peers          Peers       `toml:"peers"`
	Locators       Locators    `toml:"locators"`
	Addresses      Addresses   `toml:"addresses"`
	Interfaces     []Interface `toml:"interface"`
	Sets           []Set       `toml:"set"`
}

// Log says what is logged, and how.
type Log struct {
	Level  slog.Level `toml:"level"`
	Format string     `toml:"format"`
}

// Control is the control socket.
type Control struct {
	Socket string `toml:"socket"`
	// Group owns the socket; "" is the daemon's own group.
	Group string `toml:"group"`
}

// DebugPort is the UDP port on the loopback.
type DebugPort struct {
	Enabled bool   `toml:"enabled"`
	Port    uint16 `toml:"port"`
}

// Protocol has values of RFC 5533 and 5534, and limits. Zero is the engine's default.
type Protocol struct {
	SendTimeout       Duration `toml:"send-timeout"`
	IdleTimeout       Duration `toml:"idle-timeout"`
	MaxContexts       int      `toml:"max-contexts"`
	MaxPeerContexts   int      `toml:"max-peer-contexts"`
	MaxPrefixContexts int      `toml:"max-prefix-contexts"`
	DebugErrors       bool     `toml:"debug-errors"`
	// HoldDown and Standby are those of reap.Config.
	HoldDown Duration `toml:"hold-down"`
	Standby  Duration `toml:"standby"`
	// UDP says whether messages and payload are sent in UDP, and UDPPort by which port.
	UDP     UDP    `toml:"udp"`
	UDPPort uint16 `toml:"udp-port"`
}

// UDP says when messages and payload are sent in UDP (docs/udp-encapsulation.md).
type UDP string

const (
	// UDPAuto: where IP protocol 140 gets no answer.
	UDPAuto UDP = "auto"
	// UDPNever: never, and the port is closed.
	UDPNever UDP = "never"
	// UDPAlways: everywhere, without an attempt by IP protocol 140.
	UDPAlways UDP = "always"
)

// Kernel has values of the kernel's configuration. nil leaves the kernel's value alone.
type Kernel struct {
	TriggerPackets *uint32   `toml:"trigger-packets"`
	TriggerTime    *Duration `toml:"trigger-time"`
	ICMPToULP      *bool     `toml:"icmp-to-ulp"`
	WatchStreams   *bool     `toml:"watch-streams"`
}

// Peers is what is known of peers beforehand.
type Peers struct {
	TrustedPrefixes []netip.Prefix `toml:"trusted-prefixes"`
}

// Locators says which addresses of this host local policy accepts (RFC 5534, section 3.1).
type Locators struct {
	UniqueLocal bool `toml:"unique-local"`
	// Allow has the only prefixes to take addresses from, unless it is empty. Deny goes
	// before Allow.
	Allow []netip.Prefix `toml:"allow"`
	Deny  []netip.Prefix `toml:"deny"`
}

// Addresses is about the addresses that shim6d makes for the prefixes that routers
// announce.
type Addresses struct {
	// Manage says whether to make them; nil: if there is no Set.
	Manage *bool `toml:"manage"`
	// Source says which addresses new connections use.
	Source Source `toml:"source"`
	// Priority is the priority of the rule for a prefix.
	Priority uint32 `toml:"priority"`
	// Table plus the index of an interface is the number of its routing table.
	Table uint32 `toml:"table"`
}

// Source says which addresses new connections use, if their programs do not say.
type Source string

const (
	// SourceProtected: the addresses that shim6d makes, before others of the same prefix.
	SourceProtected Source = "protected"
	// SourceTemporary: addresses that shim6d makes for a day at a time, so that neither a
	// peer nor an observer can tell by them whose they are.
	SourceTemporary Source = "temporary"
	// SourceSystem: the addresses that the system would take without shim6d.
	SourceSystem Source = "system"
)

// ManagesAddresses reports whether shim6d is to make addresses.
func (c *Config) ManagesAddresses() bool {
	if c.Addresses.Manage != nil {
		return *c.Addresses.Manage
	}
	return len(c.Sets) == 0
}

// Interface says how good the addresses of interfaces are.
type Interface struct {
	// Name may have wildcards, as in a shell. The first Interface that fits counts.
	Name string `toml:"name"`
	// Use is false for interfaces whose addresses are no locators.
	Use *bool `toml:"use"`
	// Priority and Weight are told to peers. They work as in DNS SRV records.
	Priority uint8 `toml:"priority"`
	Weight   uint8 `toml:"weight"`
	// Policy says which interfaces to send from. Peers are not told.
	Policy InterfacePolicy `toml:"policy"`
}

// Set names the files of an HBA set or a CGA, as shim6tool makes them.
type Set struct {
	PDS string `toml:"pds"`
	// Key is the private key, "" if there is none.
	Key string `toml:"key"`
	// Addresses and PrivateKey are the contents of the files.
	Addresses  []cga.Address   `toml:"-"`
	PrivateKey *rsa.PrivateKey `toml:"-"`
	// Temporary: shim6d has made it for new connections of a day (SourceTemporary).
	Temporary bool `toml:"-"`
}

// The defaults of keys for which zero is not the default.
const (
	DefaultStateDirectory = "/var/lib/shim6d"
	DefaultSocket         = "/run/shim6d/control.sock"
	DefaultDebugPort      = 19384
	// DefaultPriority is that of the last rule before the one of the main table: what an
	// administrator or a VPN has ruled decides first.
	DefaultPriority = 32765
	DefaultTable    = 14000
)

// Default is the configuration of an empty file.
func Default() *Config {
	return &Config{
		StateDirectory: DefaultStateDirectory,
		Log:            Log{Format: "text"},
		Control:        Control{Socket: DefaultSocket},
		DebugPort:      DebugPort{Port: DefaultDebugPort},
		Protocol:       Protocol{UDP: UDPAuto, UDPPort: netlink.UdpPort},
		Addresses:      Addresses{Source: SourceProtected, Priority: DefaultPriority, Table: DefaultTable},
	}
}

// Proof returns what an address was made with, and the Set that it is in, nil if it is in none.
func (c *Config) Proof(address netip.Addr) (*cga.PDS, *Set) {
	for i := range c.Sets {
		for _, a := range c.Sets[i].Addresses {
			// Other programs write files without addresses.
			if a.Addr == address || !a.Addr.IsValid() && a.PDS.VerifyULID(address) == nil {
				return a.PDS, &c.Sets[i]
			}
		}
	}
	return nil, nil
}

// Interface returns what the configuration says of an interface, the zero Interface if
// nothing.
func (c *Config) Interface(name string) Interface {
	for _, i := range c.Interfaces {
		// check has seen that the pattern is good.
		if ok, _ := path.Match(i.Name, name); ok {
			return i
		}
	}
	return Interface{}
}

// Allowed reports whether an address is acceptable on an interface, and why not.
func (c *Config) Allowed(name string, a netip.Addr) (why string, ok bool) {
	if i := c.Interface(name); i.Use != nil && !*i.Use {
		return "the configuration does not use interface " + name, false
	}
	return c.AllowedAddress(a)
}

// AllowedAddress is Allowed for an address whose interface does not matter.
func (c *Config) AllowedAddress(a netip.Addr) (why string, ok bool) {
	contains := func(list []netip.Prefix) bool {
		for _, p := range list {
			if p.Contains(a) {
				return true
			}
		}
		return false
	}
	switch {
	case a.IsPrivate() && !c.Locators.UniqueLocal:
		return "unique local addresses are not used (locators.unique-local)", false
	case contains(c.Locators.Deny):
		return "denied by locators.deny", false
	case len(c.Locators.Allow) > 0 && !contains(c.Locators.Allow):
		return "not in locators.allow", false
	}
	return "", true
}

// Duration is a time.Duration that is written as in Go: "15s".
type Duration time.Duration

// UnmarshalText takes what time.ParseDuration takes.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)
	return err
}

// MarshalText returns what UnmarshalText takes.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }
