// SPDX-License-Identifier: BSD-3-Clause

package config

import (
	"net/netip"
	"path"
	"path/filepath"
	"strings"
	"time"

	"shim6/netlink"
)

// minIdleTimeout is the least that RFC 5533, section 9, lets a context be idle before it
// is discarded. The engine's own limit is the same.
const minIdleTimeout = 5 * time.Minute

// check looks for values that are out of range or make no sense.
func (f *file) check() error {
	c := f.config
	if c.Log.Format != "text" && c.Log.Format != "json" {
		return f.wrong("log.format", "%q is no format: take text or json", c.Log.Format)
	}
	for _, p := range []struct{ key, path string }{{"state-directory", c.StateDirectory}, {"control.socket", c.Control.Socket}} {
		if !filepath.IsAbs(p.path) {
			return f.wrong(p.key, "%q is no absolute path: begin it with /", p.path)
		}
	}
	if len(c.Control.Socket) > 107 {
		return f.wrong("control.socket", "a socket's path has at most 107 octets, not %d: take a shorter one", len(c.Control.Socket))
	}
	if c.DebugPort.Port == 0 {
		return f.wrong("debug-port.port", "0 is no port: take 1 to 65535, or set enabled = false")
	}
	if err := f.checkNumbers(); err != nil {
		return err
	}
	for _, l := range []struct {
		key  string
		list []netip.Prefix
	}{{"peers.trusted-prefixes", c.Peers.TrustedPrefixes}, {"locators.allow", c.Locators.Allow}, {"locators.deny", c.Locators.Deny}} {
		for _, p := range l.list {
			if !p.Addr().Is6() || p.Addr().Is4In6() {
				return f.wrong(l.key, "%v is no IPv6 prefix", p)
			}
			if p != p.Masked() {
				return f.wrong(l.key, "%v has bits after its length: did you mean %v?", p, p.Masked())
			}
		}
	}
	for _, i := range c.Interfaces {
		if _, err := path.Match(i.Name, ""); err != nil || i.Name == "" {
			return f.wrong("interface.name", "%q is no name or pattern of an interface, such as eth0 or wlan*", i.Name)
		}
	}
	for _, s := range c.Sets {
		if s.PDS == "" {
			return f.wrong("set", "a set needs pds: the file that 'shim6tool hba generate' made")
		}
	}
	return nil
}

func (f *file) checkNumbers() error {
	c := f.config
	for _, d := range []struct {
		key      string
		v        Duration
		min, max time.Duration
	}{
		{"protocol.send-timeout", c.Protocol.SendTimeout, netlink.SendTimeoutMin * time.Millisecond, netlink.SendTimeoutMax * time.Millisecond},
		{"protocol.idle-timeout", c.Protocol.IdleTimeout, minIdleTimeout, netlink.IdleTimeoutMax * time.Millisecond},
		{"protocol.hold-down", c.Protocol.HoldDown, time.Second, time.Hour},
		{"protocol.standby", c.Protocol.Standby, 0, 24 * time.Hour},
	} {
		if v := time.Duration(d.v); f.defined(d.key) && (v < d.min || v > d.max || v%time.Millisecond != 0) {
			return f.wrong(d.key, "%v is out of range: take %v to %v, in whole milliseconds", v, d.min, d.max)
		}
	}
	for _, n := range []struct {
		key string
		v   int
	}{
		{"protocol.max-contexts", c.Protocol.MaxContexts},
		{"protocol.max-peer-contexts", c.Protocol.MaxPeerContexts},
		{"protocol.max-prefix-contexts", c.Protocol.MaxPrefixContexts},
	} {
		if f.defined(n.key) && (n.v < 1 || n.v > netlink.MaxContextsLimit) {
			return f.wrong(n.key, "%d is out of range: take 1 to %d", n.v, netlink.MaxContextsLimit)
		}
	}
	switch v := c.Protocol.UDP; v {
	case UDPAuto, UDPNever, UDPAlways:
	default:
		return f.wrong("protocol.udp", "%q is no choice: take auto, never or always", v)
	}
	if c.Protocol.UDPPort == 0 && c.Protocol.UDP != UDPNever {
		return f.wrong("protocol.udp-port", "0 is no port: take 1 to 65535, or set udp = \"never\"")
	}
	switch v := c.Addresses.Source; v {
	case SourceProtected, SourceSystem:
	case SourceTemporary:
		if !c.ManagesAddresses() {
			return f.wrong("addresses.source", "temporary addresses are among those that shim6d makes, and it makes none here: add manage = true, or take protected or system")
		}
	default:
		return f.wrong("addresses.source", "%q is no choice: take protected, temporary or system", v)
	}
	// Priorities behind the rules of the main and the local table are allowed: an
	// administrator may have a reason.
	if n := c.Addresses.Priority; n < 1 || n > 0xfffffffe {
		return f.wrong("addresses.priority", "%d is out of range: take 1 to 4294967294, and less than 32766 to come before the main table", n)
	}
	if n := c.Addresses.Table; n < 256 || n > 0xf0000000 {
		return f.wrong("addresses.table", "%d is out of range: take 256 to 4026531840", n)
	}
	if n := c.Kernel.TriggerPackets; n != nil && *n > netlink.TriggerPacketsLimit {
		return f.wrong("kernel.trigger-packets", "%d is out of range: take 0 (never) to %d", *n, netlink.TriggerPacketsLimit)
	}
	if d := c.Kernel.TriggerTime; d != nil {
		if v := time.Duration(*d); v < 0 || v > netlink.TriggerTimeLimit*time.Millisecond || v%time.Millisecond != 0 {
			return f.wrong("kernel.trigger-time", "%v is out of range: take 0s (never) to %v, in whole milliseconds", v, netlink.TriggerTimeLimit*time.Millisecond)
		}
	}
	return nil
}

func (f *file) defined(key string) bool { return f.meta.IsDefined(strings.Split(key, ".")...) }
