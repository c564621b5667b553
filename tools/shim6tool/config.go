// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
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

func (t *tool) configShow() error {
	c, err := t.dial(t.netns)
	if err != nil {
		return err
	}
	defer c.Close()
	config, err := c.Config()
	if err != nil {
		return err
	}
	if t.json {
		return t.printJSON(config)
	}
	for _, k := range configKeys {
		if k.number != nil {
			fmt.Fprintf(t.out, "%-16s%d\n", k.name, k.number(config))
		} else {
			fmt.Fprintf(t.out, "%-16s%s\n", k.name, timeText(k.duration(config)))
		}
	}
	return nil
}

// printJSON prints an array of one object, as ip -j does, with the names and
// units of shim6.yaml.
func (t *tool) printJSON(config netlink.Config) error {
	object := map[string]int64{}
	for _, k := range configKeys {
		if k.number != nil {
			object[k.name] = int64(k.number(config))
		} else {
			object[k.name] = k.duration(config).Milliseconds()
		}
	}
	enc := json.NewEncoder(t.out)
	if t.pretty {
		enc.SetIndent("", "    ")
	}
	return enc.Encode([]any{object})
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
	var names []string
	for _, k := range configKeys {
		names = append(names, k.name)
	}
	var update netlink.ConfigUpdate
	given := map[string]bool{}
	for ; len(args) > 0; args = args[2:] {
		found, err := words("key of config", args[0], names)
		if err != nil {
			return err
		}
		// A guess is not good enough for what gets changed.
		if len(found) > 1 {
			return usageError(fmt.Sprintf("%q may be %s", args[0], strings.Join(found, " or ")))
		}
		name := found[0]
		if len(args) == 1 {
			return usageError(name + " needs a value")
		}
		if given[name] {
			return usageError(name + " is given twice")
		}
		given[name] = true
		if err := setKey(&update, name, args[1]); err != nil {
			return usageError(fmt.Sprintf("%s: %v", name, err))
		}
	}
	c, err := t.dial(t.netns)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.SetConfig(update)
}

func setKey(update *netlink.ConfigUpdate, name, value string) error {
	for _, k := range configKeys {
		if k.name != name {
			continue
		}
		if k.number != nil {
			n, err := strconv.ParseUint(value, 10, 32)
			if err != nil {
				return fmt.Errorf("%q is not a number from 0 to 4294967295", value)
			}
			v := uint32(n)
			k.setNumber(update, &v)
			return nil
		}
		d, err := time.ParseDuration(value)
		if err != nil {
			return fmt.Errorf("%q is not a time: write a number and its unit, as in 15s or 500ms", value)
		}
		k.setDuration(update, &d)
	}
	return nil
}
