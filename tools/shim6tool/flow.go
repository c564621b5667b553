// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"shim6/daemon/control"
	"shim6/netlink"
)

// sortFlows puts those with the most packets first: they will have a context first.
func sortFlows(list []netlink.Flow) {
	slices.SortFunc(list, func(a, b netlink.Flow) int {
		return cmp.Or(cmp.Compare(b.Packets, a.Packets), a.Local.Compare(b.Local), a.Peer.Compare(b.Peer))
	})
}

func flowName(f netlink.Flow) control.Name {
	return control.Name{ULIDLocal: f.Local, ULIDPeer: f.Peer}
}

// flowProtections asks shim6d about the first pairs of a list.
func (t *tool) flowProtections(list []netlink.Flow) map[control.Name]control.Protection {
	var names []control.Name
	for _, f := range list[:min(len(list), control.MaxProtections)] {
		names = append(names, flowName(f))
	}
	return t.protectionsOf(names)
}

// flowObject has the names and units of netlink/shim6.yaml, and the answer of shim6d, if there is one.
func flowObject(f netlink.Flow, all map[control.Name]control.Protection) object {
	o := object{
		{"ulid-local", f.Local}, {"ulid-peer", f.Peer},
		{"packets", f.Packets}, {"trigger-packets", f.TriggerPackets}, {"trigger-time", f.TriggerTime.Milliseconds()},
		{"age", f.Age.Milliseconds()}, {"idle", f.Idle.Milliseconds()}, {"heard", f.Heard},
	}
	if f.Asked != nil {
		o = append(o, field{"asked", f.Asked.Milliseconds()})
	}
	if p, ok := all[flowName(f)]; ok {
		o = append(o, field{"protection", protectionObject(p)})
	}
	return o
}

// flowText says how much was counted, of how much.
func flowText(f netlink.Flow) string {
	var words []string
	switch {
	case f.TriggerPackets > 0:
		words = append(words, fmt.Sprintf("%d of %d packets", f.Packets, f.TriggerPackets))
	case f.Packets == 1:
		words = append(words, "1 packet")
	default:
		words = append(words, fmt.Sprintf("%d packets", f.Packets))
	}
	if f.TriggerTime > 0 {
		words = append(words, fmt.Sprintf("%s of %s", timeText(f.Age.Truncate(100*time.Millisecond)), timeText(f.TriggerTime)))
	}
	return strings.Join(words, ", ")
}

// flowWhy says why there is no context, as far as the kernel knows.
func flowWhy(f netlink.Flow) string {
	switch {
	case f.TriggerPackets == 0 && f.TriggerTime == 0:
		return "neither packets nor time ask for a context: 'shim6tool config' and 'shim6tool policy' show trigger-packets and trigger-time"
	case f.Asked != nil:
		return fmt.Sprintf("shim6d was asked for a context %s ago", timeText(f.Asked.Truncate(100*time.Millisecond)))
	case !f.Heard:
		return "the peer has sent nothing yet"
	}
	return ""
}

// printFlow prints a pair on a line, and what is known of why it has no context on others.
func (t *tool) printFlow(f netlink.Flow, all map[control.Name]control.Protection) {
	fmt.Fprintf(t.out, "%v %v %s\n", f.Local, f.Peer, flowText(f))
	if why := flowWhy(f); why != "" {
		fmt.Fprintf(t.out, "    %s\n", why)
	}
	if p, ok := all[flowName(f)]; ok {
		fmt.Fprintf(t.out, "    %s\n", p.Text)
	}
}
