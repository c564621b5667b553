// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"strconv"
	"time"

	"shim6/netlink"
)

// configKey is one value of the configuration: its name as in shim6.yaml, and
// where it stands. Exactly one of the pairs of functions is set.
type configKey struct {
	name        string
	number      func(netlink.Config) uint32
	setNumber   func(*netlink.ConfigUpdate, *uint32)
	duration    func(netlink.Config) time.Duration
	setDuration func(*netlink.ConfigUpdate, *time.Duration)
}

type (
	configT = netlink.Config
	updateT = netlink.ConfigUpdate
)

// configKeys are in the order in which they are shown.
var configKeys = []configKey{
	{name: "max-contexts",
		number:    func(c configT) uint32 { return c.MaxContexts },
		setNumber: func(u *updateT, v *uint32) { u.MaxContexts = v }},
	{name: "max-flows",
		number:    func(c configT) uint32 { return c.MaxFlows },
		setNumber: func(u *updateT, v *uint32) { u.MaxFlows = v }},
	{name: "trigger-packets",
		number:    func(c configT) uint32 { return c.TriggerPackets },
		setNumber: func(u *updateT, v *uint32) { u.TriggerPackets = v }},
	{name: "trigger-time",
		duration:    func(c configT) time.Duration { return c.TriggerTime },
		setDuration: func(u *updateT, v *time.Duration) { u.TriggerTime = v }},
	{name: "send-timeout",
		duration:    func(c configT) time.Duration { return c.SendTimeout },
		setDuration: func(u *updateT, v *time.Duration) { u.SendTimeout = v }},
	{name: "idle-timeout",
		duration:    func(c configT) time.Duration { return c.IdleTimeout },
		setDuration: func(u *updateT, v *time.Duration) { u.IdleTimeout = v }},
	{name: "icmp-to-ulp",
		number:    func(c configT) uint32 { return c.ICMPToULP },
		setNumber: func(u *updateT, v *uint32) { u.ICMPToULP = v }},
}

func (t *tool) configShow(args []string) error {
	if len(args) > 0 {
		return usageError(fmt.Sprintf("config show takes no %q", args[0]))
	}
	var config netlink.Config
	if err := t.with(func(c client) (err error) {
		config, err = c.Config()
		return err
	}); err != nil {
		return err
	}
	if t.json {
		return t.printJSON([]object{configObject(config)})
	}
	t.printConfig(config, "")
	return nil
}

// printConfig prints a key a line, with an indent.
func (t *tool) printConfig(config netlink.Config, indent string) {
	for _, k := range configKeys {
		if k.number != nil {
			fmt.Fprintf(t.out, "%s%-16s%d\n", indent, k.name, k.number(config))
		} else {
			fmt.Fprintf(t.out, "%s%-16s%s\n", indent, k.name, timeText(k.duration(config)))
		}
	}
}

// configObject has the names and units of shim6.yaml.
func configObject(config netlink.Config) object {
	var o object
	for _, k := range configKeys {
		if k.number != nil {
			o = append(o, field{k.name, k.number(config)})
		} else {
			o = append(o, field{k.name, k.duration(config).Milliseconds()})
		}
	}
	return o
}

// timeText writes a duration so that config set reads it back.
func timeText(d time.Duration) string {
	if d%time.Second == 0 {
		return strconv.FormatInt(int64(d/time.Second), 10) + "s"
	}
	return strconv.FormatInt(d.Milliseconds(), 10) + "ms"
}

func (t *tool) configSet(args []string) error {
	if len(args) == 0 {
		return usageError("config set needs a key and a value")
	}
	var update netlink.ConfigUpdate
	var keys []key
	for _, k := range configKeys {
		if k.number != nil {
			var v *uint32
			n := number(k.name, 32, &v)
			keys = append(keys, key{name: k.name, set: func(value string) error {
				err := n.set(value)
				k.setNumber(&update, v)
				return err
			}})
			continue
		}
		var v *time.Duration
		d := duration(k.name, &v)
		keys = append(keys, key{name: k.name, set: func(value string) error {
			err := d.set(value)
			k.setDuration(&update, v)
			return err
		}})
	}
	if _, err := parseKeys("key of config", keys, args); err != nil {
		return err
	}
	return t.with(func(c client) error { return c.SetConfig(update) })
}
