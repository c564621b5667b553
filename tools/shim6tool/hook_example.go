// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"shim6/daemon/control"
)

func init() {
	register(command{
		object: "hook", verb: "example", order: isDefault, args: "[ALARM]",
		help: "print an alarm as shim6d tells it, to try a command with", form: hookExample,
	})
}

func hookExample(t *tool) form {
	alarm := control.AlarmSwitch
	return form{word: &alarm, run: func([]string) error {
		if !slices.Contains(control.Alarms, alarm) {
			return usageError(fmt.Sprintf("there is no alarm %q: it is one of %s", alarm, strings.Join(control.Alarms, ", ")))
		}
		return t.encode(exampleAlarm(alarm, t.now().UTC().Truncate(time.Millisecond)))
	}}
}

// exampleAlarm is an alarm at a time, between addresses of documentation (RFC 3849).
func exampleAlarm(alarm string, now time.Time) control.Alarm {
	address := netip.MustParseAddr
	name := control.Name{ULIDLocal: address("2001:db8:1::a"), ULIDPeer: address("2001:db8:f::b")}
	first := control.Pair{LocatorLocal: name.ULIDLocal, LocatorPeer: name.ULIDPeer}
	second := control.Pair{LocatorLocal: address("2001:db8:2::a"), LocatorPeer: name.ULIDPeer}
	a := control.Alarm{Alarm: alarm, Time: now}
	switch alarm {
	case control.AlarmSwitch:
		a.Switches = []control.Switch{{
			Time: now, Name: name, Direction: "outbound", Trigger: "ulp", Why: "TCP retransmits, and Probes have no answer",
			From: first, To: second, Probed: []control.Probed{{Pair: second, Time: now}}, Answered: []control.Pair{second}, Outage: 420,
		}}
	case control.AlarmUnprotected:
		a.Unprotected = 1
		a.Contexts = []control.Protection{{
			Name: name, NetworksLocal: 1, NetworksPeer: 1, LackLocal: "we have one provider", LackPeer: "the peer has told of no other provider",
			Text: "not protected: we have one provider, and the peer has told of no other provider",
		}}
	case control.AlarmRestored:
		a.Contexts = []control.Protection{{
			Name: name, Protected: true, Pairs: 1, NetworksLocal: 2, NetworksPeer: 1, LackPeer: "the peer has told of no other provider",
			Text: "protected by 1 other pair, of 2 networks here and 1 network there (the peer has told of no other provider)",
		}}
	}
	return a
}
