// SPDX-License-Identifier: BSD-3-Clause

package netlink

import (
	"fmt"
	"time"
)

// Config is the configuration of a network namespace.
type Config struct {
	// MaxContexts is how many contexts the namespace may hold.
	MaxContexts uint32
	// MaxFlows is how many ULID pairs without a context are counted at a time.
	MaxFlows uint32
	// TriggerPackets is the number of packets of a ULID pair after which the kernel asks
	// the daemon for a context; 0 if packets alone never ask.
	TriggerPackets uint32
	// TriggerTime is the time of active exchange after which the kernel asks the daemon
	// for a context; 0 if time alone never asks.
	TriggerTime time.Duration
	// SendTimeout is the Send Timeout of new contexts (RFC 5534, section 7).
	SendTimeout time.Duration
	// IdleTimeout is the time without a packet after which a context is reported as
	// quiescent (RFC 5533, section 9).
	IdleTimeout time.Duration
	// ICMPToULP is 1 if the ULP is told also of the ICMPv6 errors that a daemon acts on
	// (RFC 5533, section 8); otherwise 0.
	ICMPToULP uint32
	// UDPPort is the UDP port of the encapsulation in UDP, which UDPPort of this package
	// is for a host that has no other wish; 0 if none is open.
	UDPPort uint32
	// WatchStreams is 1 if the daemon is told of steady streams that stop, and of answers that do
	// not come as they have until then; otherwise 0.
	WatchStreams uint32
}

// ConfigUpdate has the values to set. A nil field leaves the kernel's value; a pointer to zero
// sets zero. Durations are whole milliseconds.
type ConfigUpdate struct {
	MaxContexts    *uint32
	MaxFlows       *uint32
	TriggerPackets *uint32
	TriggerTime    *time.Duration
	SendTimeout    *time.Duration
	IdleTimeout    *time.Duration
	ICMPToULP      *uint32
	UDPPort        *uint32
	WatchStreams   *uint32
}

// Config returns the configuration of the namespace. It takes no privilege.
func (c *Client) Config() (Config, error) {
	return get(c, "config-get", cmdConfigGet, configAttributes, func(*encoder) {}, parseConfig)
}

// SetConfig sets the values of update: all of them or, on error, none. It takes CAP_NET_ADMIN
// in the user namespace that owns the network namespace; without it the error is an
// fs.ErrPermission. A value out of its range is an *Error with Attribute set.
func (c *Client) SetConfig(update ConfigUpdate) error {
	return c.change(cmdConfigSet, configAttributes, func(e *encoder) {
		optional(attrConfigMaxContexts, update.MaxContexts, e.Uint32)
		optional(attrConfigMaxFlows, update.MaxFlows, e.Uint32)
		optional(attrConfigTriggerPackets, update.TriggerPackets, e.Uint32)
		optional(attrConfigTriggerTime, update.TriggerTime, e.milliseconds)
		optional(attrConfigSendTimeout, update.SendTimeout, e.milliseconds)
		optional(attrConfigIdleTimeout, update.IdleTimeout, e.milliseconds)
		optional(attrConfigIcmpToUlp, update.ICMPToULP, e.Uint32)
		optional(attrConfigUdpPort, update.UDPPort, e.Uint32)
		optional(attrConfigWatchStreams, update.WatchStreams, e.Uint32)
	})
}

// parseConfig reads the attributes of a reply or a notification. It ignores those of a newer
// kernel; a missing one is an error.
func parseConfig(b []byte) (Config, error) {
	var c Config
	seen := map[uint16]bool{}
	err := decode(b, "configuration", func(d *decoder) {
		seen[d.Type()] = true
		switch d.Type() {
		case attrConfigMaxContexts:
			c.MaxContexts = d.Uint32()
		case attrConfigMaxFlows:
			c.MaxFlows = d.Uint32()
		case attrConfigTriggerPackets:
			c.TriggerPackets = d.Uint32()
		case attrConfigTriggerTime:
			c.TriggerTime = d.milliseconds()
		case attrConfigSendTimeout:
			c.SendTimeout = d.milliseconds()
		case attrConfigIdleTimeout:
			c.IdleTimeout = d.milliseconds()
		case attrConfigIcmpToUlp:
			c.ICMPToULP = d.Uint32()
		case attrConfigUdpPort:
			c.UDPPort = d.Uint32()
		case attrConfigWatchStreams:
			c.WatchStreams = d.Uint32()
		}
	})
	if err != nil {
		return Config{}, err
	}
	for attr, name := range configAttributes {
		if attr > 0 && !seen[uint16(attr)] {
			return Config{}, fmt.Errorf("the kernel's configuration lacks %s: is the module older than this program?", name)
		}
	}
	return c, nil
}
