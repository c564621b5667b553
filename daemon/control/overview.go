// SPDX-License-Identifier: BSD-3-Clause

package control

import (
	"context"
	"net/netip"
	"time"
)

// MaxGlances is how many contexts an Overview has.
const MaxGlances = 100

// MaxGlancePairs is how many locator pairs a Glance has.
const MaxGlancePairs = 16

// Overview is all that fits on one screen or in a table of counters, however many contexts there
// are. The daemon makes it beside its work, and not more often than it can afford to: with many
// contexts an answer may be some seconds old, and Time says how old.
type Overview struct {
	Time   time.Time `json:"time"`
	Status Status    `json:"status"`
	// States and ReapStates count contexts. Those that are in hold-down are not among them.
	States     map[string]int `json:"states"`
	ReapStates map[string]int `json:"reap-states"`
	// Protected counts the contexts that have somewhere to go, and Unprotected the others by
	// what they lack.
	Protected   int    `json:"protected"`
	Unprotected []Lack `json:"unprotected"`
	Links       []Link `json:"links"`
	// Glances are up to MaxGlances contexts: those that explore or are not protected first, then
	// those that came to another pair lately, then the oldest.
	Glances []Glance `json:"glances"`
	// Switches counts since the start of the daemon. Outages are those of outbound switches.
	Switches []SwitchCount `json:"switches"`
	Outages  Outages       `json:"outages"`
	// Sequence is the number of the last Event that had happened.
	Sequence uint64 `json:"sequence"`
}

// Lack counts contexts that are not protected for the same reasons. The reasons are words of a
// short, fixed list.
type Lack struct {
	// Why says why there is no context that can send; "" if there is one.
	Why string `json:"why,omitempty"`
	// Local and Peer say what each host lacks.
	Local    string `json:"local,omitempty"`
	Peer     string `json:"peer,omitempty"`
	Contexts int    `json:"contexts"`
}

// Link is a router of this host and its link or, if there is none, the link alone. One that has no
// locator any more is told of for an hour after the last Probe by it.
type Link struct {
	Interface string     `json:"interface"`
	Router    netip.Addr `json:"router,omitzero"`
	// Operational: packets from one of the locators can leave, as far as this host knows.
	Operational bool `json:"operational"`
	// Why says why the link is not operational.
	Why      string       `json:"why,omitempty"`
	Policy   string       `json:"policy,omitempty"`
	Locators []netip.Addr `json:"locators"`
	// Outbound counts the contexts whose payload leaves by the link.
	Outbound int `json:"outbound"`
	// ProbesAnswered counts the Probes that left by the link and that peers have got, and
	// ProbesLost those of which they have not said so within two seconds. They begin at 0 again
	// when the protocol is configured.
	ProbesAnswered uint64 `json:"probes-answered"`
	ProbesLost     uint64 `json:"probes-lost"`
	// RTT is the mean of the last round trips of Probes, in milliseconds; 0 if none is known.
	RTT float64 `json:"rtt,omitempty"`
}

// Glance is a context as it is seen at a glance.
type Glance struct {
	Name
	State     string `json:"state"`
	ReapState string `json:"reap-state,omitempty"`
	Protected bool   `json:"protected"`
	// Text says in words how far the context is protected.
	Text string `json:"text"`
	// Pairs are the first MaxGlancePairs locator pairs, those in use before all others.
	Pairs []GlancePair `json:"pairs"`
	// More counts further pairs.
	More int `json:"more,omitempty"`
	// Switched is when the context last came to another pair; it is left out if it never did.
	Switched time.Time `json:"switched,omitzero"`
}

// GlancePair is what a Path says of a locator pair, in short.
type GlancePair struct {
	Pair
	Interface string  `json:"interface,omitempty"`
	Current   bool    `json:"current,omitempty"`
	Inbound   bool    `json:"inbound,omitempty"`
	State     string  `json:"state"`
	RTT       float64 `json:"rtt,omitempty"`
}

// SwitchCount counts switches of a direction and a trigger.
type SwitchCount struct {
	Direction string `json:"direction"`
	Trigger   string `json:"trigger"`
	Count     uint64 `json:"count"`
}

// Outages is how long payload may have been lost before switches.
type Outages struct {
	// Bounds are upper bounds in milliseconds, and Counts the outages up to each of them that
	// are longer than the one before. Counts has one more, for longer ones.
	Bounds []int64  `json:"bounds"`
	Counts []uint64 `json:"counts"`
	// Sum is in milliseconds.
	Sum int64 `json:"sum"`
}

// Overview asks for all that fits on one screen.
func (c *Client) Overview(ctx context.Context) (o *Overview, err error) {
	o = &Overview{}
	return o, c.get(ctx, "/overview", o)
}
