// SPDX-License-Identifier: BSD-3-Clause

package control

import "time"

// The names of alarms. The command on-NAME is called for each.
const (
	// AlarmSwitch: contexts came to other locator pairs.
	AlarmSwitch = "switch"
	// AlarmUnprotected: contexts have lost their protection, for a second at least.
	AlarmUnprotected = "unprotected"
	// AlarmRestored: contexts are protected again that had lost it, or are gone.
	AlarmRestored = "restored"
)

// Alarms are the names of all alarms.
var Alarms = []string{AlarmSwitch, AlarmUnprotected, AlarmRestored}

// MaxAlarm is how many contexts, or switches, an Alarm names.
const MaxAlarm = 100

// MaxAlarmLength is how many octets an Alarm has at most.
const MaxAlarmLength = 1 << 20

// Alarm is what the daemon has to tell at once. A hook reads it from its standard input. One Alarm
// has all of its kind that happens within a moment, or while the hook before it runs.
type Alarm struct {
	// Alarm is one of Alarms, and Time is when the first of its events happened.
	Alarm string    `json:"alarm"`
	Time  time.Time `json:"time"`
	// Switches are those of a switch alarm, the oldest first.
	Switches []Switch `json:"switches,omitempty"`
	// Contexts are those that have lost their protection, or have it again. Those that are gone
	// are not among them.
	Contexts []Protection `json:"contexts,omitempty"`
	// More counts switches or contexts that there was no room for.
	More int `json:"more,omitempty"`
	// Unprotected is how many contexts there are now that had protection and lost it. If it is 0,
	// all is as it was before. A restart of the daemon forgets those that had lost it.
	Unprotected int `json:"unprotected"`
}

// AlarmSocket is the socket at which the daemon with this control socket tells alarms: a stream for
// each, which has an Alarm as JSON and then ends. Nobody needs to listen.
func AlarmSocket(control string) string { return control + ".alarm" }
