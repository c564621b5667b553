// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"strconv"
	"time"

	"shim6/netlink"
)

// configKey is one value of the configuration.
type configKey struct {
	key
	// shown is the value: a *uint32, or a *time.Duration.
	shown any
}

// configKeys are the values of the configuration, in the order in which they are shown: their
// names are those of netlink/shim6.yaml. They set u, and show c.
func configKeys(u *netlink.ConfigUpdate, c *netlink.Config) []configKey {
	return []configKey{
		{number("max-contexts", 32, &u.MaxContexts).
			says("how many contexts the namespace may hold"), &c.MaxContexts},
		{number("max-flows", 32, &u.MaxFlows).
			says("how many ULID pairs without a context are counted"), &c.MaxFlows},
		{number("trigger-packets", 32, &u.TriggerPackets).
			says("ask for a context after N packets, 0 for never"), &c.TriggerPackets},
		{duration("trigger-time", &u.TriggerTime).
			says("ask for a context after an exchange of that time, 0s for never"), &c.TriggerTime},
		{duration("send-timeout", &u.SendTimeout).
			says("Send Timeout of RFC 5534 for new contexts, 10s to 100s"), &c.SendTimeout},
		{duration("idle-timeout", &u.IdleTimeout).
			says("report a context as quiescent after that time, 5m to 24h"), &c.IdleTimeout},
		{number("icmp-to-ulp", 32, &u.ICMPToULP).as("0|1").
			says("1: ICMPv6 errors that a daemon acts on also reach the ULP"), &c.ICMPToULP},
		{number("udp-port", 32, &u.UDPPort).
			says("the UDP port for the encapsulation udp, 0 for none"), &c.UDPPort},
		{number("watch-streams", 32, &u.WatchStreams).as("0|1").
			says("1: a steady stream that stops makes the daemon ask the path"), &c.WatchStreams},
	}
}

// printConfig prints one key a line, with an indent.
func (t *tool) printConfig(config netlink.Config, indent string) {
	for _, k := range configKeys(&netlink.ConfigUpdate{}, &config) {
		switch v := k.shown.(type) {
		case *uint32:
			fmt.Fprintf(t.out, "%s%-16s%d\n", indent, k.name, *v)
		case *time.Duration:
			fmt.Fprintf(t.out, "%s%-16s%s\n", indent, k.name, timeText(*v))
		}
	}
}

// configObject has the names and units of netlink/shim6.yaml.
func configObject(config netlink.Config) object {
	var o object
	for _, k := range configKeys(&netlink.ConfigUpdate{}, &config) {
		switch v := k.shown.(type) {
		case *uint32:
			o = append(o, field{k.name, *v})
		case *time.Duration:
			o = append(o, field{k.name, v.Milliseconds()})
		}
	}
	return o
}

// timeText writes a duration as config set reads it.
func timeText(d time.Duration) string {
	if d%time.Second == 0 {
		return strconv.FormatInt(int64(d/time.Second), 10) + "s"
	}
	return strconv.FormatInt(d.Milliseconds(), 10) + "ms"
}
