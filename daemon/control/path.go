// SPDX-License-Identifier: BSD-3-Clause

package control

import (
	"net/netip"
	"time"
)

// Pair is a locator pair. The same two addresses with another Encapsulation are another pair.
type Pair struct {
	LocatorLocal  netip.Addr    `json:"locator-local"`
	LocatorPeer   netip.Addr    `json:"locator-peer"`
	Encapsulation Encapsulation `json:"encapsulation"`
}

// Path is a locator pair of a context by which payload could be sent, as REAP sees it
// (RFC 5534).
type Path struct {
	Name
	Pair
	// Current: payload is sent by it. Inbound: the peer sends by it, as far as
	// is known.
	Current bool `json:"current"`
	Inbound bool `json:"inbound"`
	// State is unknown, working, failed, probing or no-payload: Probes pass then,
	// and payload, or what is long of it, does not. One that was good long ago
	// and has not been needed since is working.
	State string `json:"state"`
	// LastGood is when the peer last said that something had come by this pair;
	// it is left out if it never has.
	LastGood time.Time `json:"last-good,omitzero"`
	// RTT is how long a Probe's answer took, in milliseconds; the answer need
	// not have come by the same pair. It is left out if it is not known.
	RTT float64 `json:"rtt,omitempty"`
	// Policy is that of our interface: normal, preferred, backup, metered or
	// never.
	Policy string `json:"policy"`
	// PreferenceLocal is what we tell of our locator, PreferencePeer what the
	// peer tells of its own.
	PreferenceLocal Preference `json:"preference-local"`
	PreferencePeer  Preference `json:"preference-peer"`
}

// Switch tells how a context came to another locator pair.
type Switch struct {
	Time time.Time `json:"time"`
	Name
	// Direction is outbound if we send by another pair, and inbound if the peer
	// does.
	Direction string `json:"direction"`
	// Trigger is what had it begin: send-timeout, local, deprecated, peer-locators,
	// icmp, ulp, peer, operator, return, restart or payload.
	Trigger string `json:"trigger"`
	// Why is the trigger in words.
	Why  string `json:"why,omitempty"`
	From Pair   `json:"from"`
	To   Pair   `json:"to"`
	// Probed are the pairs that were probed, the first first, and Answered those
	// that the peer has said to work.
	Probed   []Probed `json:"probed,omitempty"`
	Answered []Pair   `json:"answered,omitempty"`
	// LastGood tells of the pairs above when each last worked: when the peer said
	// that a Probe had come by it or, of the pair that was left, when payload began
	// to be lost. Pairs that are not known to have worked are left out.
	LastGood []LastGood `json:"last-good,omitempty"`
	// Outage is for how long, in milliseconds, payload may have been lost: from
	// the first sign of it to the switch. It is 0 for a switch without need.
	Outage int64 `json:"outage"`
}

// LastGood is when a pair last worked.
type LastGood struct {
	Pair
	Time time.Time `json:"time"`
}

// Probed is a Probe that was sent.
type Probed struct {
	Pair
	Time time.Time `json:"time"`
}
