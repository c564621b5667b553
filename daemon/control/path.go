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
	// Current: payload is sent by this pair. Inbound: the peer sends by it, as far as we
	// know.
	Current bool `json:"current"`
	Inbound bool `json:"inbound"`
	// State is unknown, working, failed, probing or no-payload. no-payload: Probes pass,
	// but payload, or long payload, does not. A pair that was good long ago and has not
	// been needed since is working.
	State string `json:"state"`
	// LastGood is when the peer last said that something had come by this pair. It is
	// left out if the peer never has.
	LastGood time.Time `json:"last-good,omitzero"`
	// RTT is how long the answer to a Probe took, in milliseconds. The answer may have
	// come by another pair. It is left out if it is not known.
	RTT float64 `json:"rtt,omitempty"`
	// Policy is the policy of our interface: normal, preferred, backup, metered or
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
	// Trigger is what caused it: send-timeout, local, deprecated, peer-locators, icmp,
	// ulp, peer, operator, return, restart, payload, silence or advice.
	Trigger string `json:"trigger"`
	// Why is the trigger in words.
	Why  string `json:"why,omitempty"`
	From Pair   `json:"from"`
	To   Pair   `json:"to"`
	// Probed are the pairs that were probed, in their order. Answered are the pairs that
	// work, as the peer has said.
	Probed   []Probed `json:"probed,omitempty"`
	Answered []Pair   `json:"answered,omitempty"`
	// LastGood tells when each of the pairs above last worked: when the peer said that a
	// Probe had come by it or, for the pair that was left, when payload began to be lost.
	// Pairs that are not known to have worked are left out.
	LastGood []LastGood `json:"last-good,omitempty"`
	// Outage is for how long payload may have been lost, in milliseconds: from the first
	// sign of that to the switch. It is 0 if no payload was lost.
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
