// SPDX-License-Identifier: BSD-3-Clause

package netlink

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/mdlayher/netlink"
)

// Config is the configuration of a network namespace.
type Config struct {
	// MaxContexts is how many contexts the namespace may hold.
	MaxContexts uint32
	// MaxFlows is how many ULID pairs without a context are counted at a
	// time.
	MaxFlows uint32
	// TriggerPackets is after how many packets of a ULID pair a context is
	// asked for, 0 if packets alone never ask.
	TriggerPackets uint32
	// TriggerTime is after how much time of active exchange a context is
	// asked for, 0 if time alone never asks.
	TriggerTime time.Duration
	// SendTimeout is the Send Timeout of new contexts (RFC 5534, section
	// 7).
	SendTimeout time.Duration
	// IdleTimeout is after how much time without a packet a context is
	// reported as quiescent (RFC 5533, section 9).
	IdleTimeout time.Duration
	// ICMPToULP is 1 if the ULP is told of those ICMPv6 errors as well
	// that a daemon acts on (RFC 5533, section 8), else 0.
	ICMPToULP uint32
}

// ConfigUpdate names the values to set. A nil field is left alone; a pointer
// to zero sets zero. Durations are whole milliseconds.
type ConfigUpdate struct {
	MaxContexts    *uint32
	MaxFlows       *uint32
	TriggerPackets *uint32
	TriggerTime    *time.Duration
	SendTimeout    *time.Duration
	IdleTimeout    *time.Duration
	ICMPToULP      *uint32
}

// Config returns the configuration of the namespace. Everybody may ask.
func (c *Client) Config() (Config, error) {
	replies, err := c.execute(cmdConfigGet, 0, nil, configAttributes)
	if err != nil {
		return Config{}, err
	}
	if len(replies) != 1 {
		return Config{}, fmt.Errorf("the kernel sent %d replies to config-get, not one", len(replies))
	}
	return parseConfig(replies[0].Data)
}

// SetConfig sets the values that update names, all of them or, on error,
// none. It takes CAP_NET_ADMIN in the user namespace that owns the network
// namespace; without it the error is an fs.ErrPermission. A value out of its
// range is an *Error with Attribute set.
func (c *Client) SetConfig(update ConfigUpdate) error {
	attributes, err := update.encode()
	if err != nil {
		return err
	}
	_, err = c.execute(cmdConfigSet, netlink.Acknowledge, attributes, configAttributes)
	return err
}

func (u ConfigUpdate) encode() ([]byte, error) {
	ae := netlink.NewAttributeEncoder()
	number := func(attr uint16, v *uint32) {
		if v != nil {
			ae.Uint32(attr, *v)
		}
	}
	var errs []error
	duration := func(attr uint16, v *time.Duration) {
		if v == nil {
			return
		}
		ms, err := milliseconds(*v)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", configAttributes[attr], err))
		}
		ae.Uint32(attr, ms)
	}
	number(attrConfigMaxContexts, u.MaxContexts)
	number(attrConfigMaxFlows, u.MaxFlows)
	number(attrConfigTriggerPackets, u.TriggerPackets)
	duration(attrConfigTriggerTime, u.TriggerTime)
	duration(attrConfigSendTimeout, u.SendTimeout)
	duration(attrConfigIdleTimeout, u.IdleTimeout)
	number(attrConfigIcmpToUlp, u.ICMPToULP)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return ae.Encode()
}

// milliseconds is a duration as the kernel takes it.
func milliseconds(d time.Duration) (uint32, error) {
	ms := d / time.Millisecond
	switch {
	case d < 0:
		return 0, fmt.Errorf("%v is negative", d)
	case d%time.Millisecond != 0:
		return 0, fmt.Errorf("%v is not a whole number of milliseconds", d)
	case ms > math.MaxUint32:
		return 0, fmt.Errorf("%v is more than the kernel can count (%v)", d, math.MaxUint32*time.Millisecond)
	}
	return uint32(ms), nil
}

// parseConfig reads the attributes of a reply or a notification. Attributes
// of a newer kernel are passed over; a missing one is an error.
func parseConfig(b []byte) (Config, error) {
	ad, err := netlink.NewAttributeDecoder(b)
	if err != nil {
		return Config{}, fmt.Errorf("the kernel's configuration can't be read: %w", err)
	}
	var c Config
	seen := map[uint16]bool{}
	ms := func() time.Duration { return time.Duration(ad.Uint32()) * time.Millisecond }
	for ad.Next() {
		seen[ad.Type()] = true
		switch ad.Type() {
		case attrConfigMaxContexts:
			c.MaxContexts = ad.Uint32()
		case attrConfigMaxFlows:
			c.MaxFlows = ad.Uint32()
		case attrConfigTriggerPackets:
			c.TriggerPackets = ad.Uint32()
		case attrConfigTriggerTime:
			c.TriggerTime = ms()
		case attrConfigSendTimeout:
			c.SendTimeout = ms()
		case attrConfigIdleTimeout:
			c.IdleTimeout = ms()
		case attrConfigIcmpToUlp:
			c.ICMPToULP = ad.Uint32()
		}
		if ad.Err() != nil {
			break
		}
	}
	if err := ad.Err(); err != nil {
		return Config{}, fmt.Errorf("the kernel's configuration can't be read: %w", err)
	}
	for attr, name := range configAttributes {
		if attr > 0 && !seen[uint16(attr)] {
			return Config{}, fmt.Errorf("the kernel's configuration lacks %s: is the module older than this program?", name)
		}
	}
	return c, nil
}
