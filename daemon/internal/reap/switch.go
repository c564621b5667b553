// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"fmt"
	"slices"
	"time"

	"shim6/daemon/internal/engine"
)

// Trigger is why a context looks for another locator pair.
type Trigger uint8

const (
	// SendTimeout: the Send Timer has run out (RFC 5534, section 6.4).
	SendTimeout Trigger = iota + 1
	// Local: our locator is gone or broken.
	Local
	// Deprecated: our locator is deprecated, or its interface is not to be used.
	Deprecated
	// PeerLocators: the peer has dropped its locator, or says that it is broken.
	PeerLocators
	// ICMP: an ICMPv6 error came, and then no answer to a Probe.
	ICMP
	// ULP: TCP retransmitted, and then no answer to a Probe came.
	ULP
	// Peer: the peer explores, or sends by another pair.
	Peer
	// Operator: an operator wants the pair.
	Operator
	// Return: a pair that is preferred works again.
	Return
	// Restart: the context explored already when the daemon started.
	Restart
	// Payload: Probes were answered, and payload did not arrive.
	Payload
	// Silence: payload that came steadily has stopped, and then no answer to a Probe came.
	Silence
	// Advice: a program has said that the pair may not work, and then no answer to a Probe came.
	Advice
)

var triggerNames = [...]string{
	"none", "send-timeout", "local", "deprecated", "peer-locators", "icmp", "ulp", "peer", "operator", "return", "restart", "payload", "silence", "advice",
}

// String is the name of t on the control socket.
func (t Trigger) String() string {
	if int(t) < len(triggerNames) {
		return triggerNames[t]
	}
	return fmt.Sprintf("Trigger(%d)", uint8(t))
}

// BlackHole reports whether t says that packets got lost and nothing said so: neither this host, nor
// the peer, nor a router between them.
func (t Trigger) BlackHole() bool {
	switch t {
	case SendTimeout, ULP, Payload, Silence, Advice:
		return true
	}
	return false
}

// Switch tells how a context came to another locator pair.
type Switch struct {
	// Time is on the Engine's clock.
	Time time.Duration
	engine.ULIDs
	// Inbound: the peer sends by another pair than before. Otherwise this host does.
	Inbound  bool
	Trigger  Trigger
	Why      string
	From, To engine.Pair
	// Probed are the last Probes sent before the Switch, the oldest first. Answered are the
	// pairs that the peer has said to work.
	Probed   []Probed
	Answered []engine.Pair
	// Good tells when From, To and the pairs probed last worked. Pairs that are not known to
	// have worked are left out.
	Good []LastGood
	// Outage is for how long payload may have been lost; 0 if none was.
	Outage time.Duration
}

// Probed is a Probe that was sent.
type Probed struct {
	engine.Pair
	Time time.Duration
}

// LastGood is when a pair is known to have worked last: when the peer said that a Probe had
// come by it. For the pair that was left, it may be when payload began to be lost.
type LastGood struct {
	engine.Pair
	Time time.Duration
}

// record tells Config.OnSwitch of a Switch, and fills in what is common to all.
func (r *Explorer) record(s *engine.Session, x *exploration, sw Switch) {
	sw.Time, sw.ULIDs = s.Now(), x.ulids
	for i := range x.sent {
		if x.sent[i].at >= x.cause.began {
			sw.Probed = append(sw.Probed, Probed{x.sent[i].pair, x.sent[i].at})
		}
	}
	sw.Answered = slices.Clone(x.confirmed)
	sw.Good = r.lastGood(x, &sw)
	if !sw.Inbound {
		r.stats.Switches++
		if sw.Trigger == ULP {
			// TCP's hint about the new pair does not wait for those about the old one.
			x.hints, x.silences, x.advices = hints{}, hints{}, hints{}
		}
	}
	if r.config.OnSwitch != nil {
		r.config.OnSwitch(&sw)
	}
}

// lastGood is Switch.Good.
func (r *Explorer) lastGood(x *exploration, sw *Switch) []LastGood {
	pairs := []engine.Pair{sw.From, sw.To}
	for _, p := range sw.Probed {
		pairs = append(pairs, p.Pair)
	}
	var list []LastGood
	for i, p := range pairs {
		if slices.Contains(pairs[:i], p) {
			continue
		}
		good, has := time.Duration(0), false
		if v := r.paths.get(p); v != nil {
			good, has = v.good, v.hasGood
		}
		if failing := x.cause.failing; i == 0 && !sw.Inbound && x.cause.failed && (!has || good < failing) {
			good, has = failing, true
		}
		if has {
			list = append(list, LastGood{p, good})
		}
	}
	return list
}
