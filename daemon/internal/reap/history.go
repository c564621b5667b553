// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"fmt"
	"time"

	"shim6/daemon/internal/engine"
)

// Trigger is what has a context look for another locator pair.
type Trigger uint8

const (
	// SendTimeout: the Send Timer has run out (RFC 5534, section 6.4).
	SendTimeout Trigger = iota + 1
	// Local: our locator is gone or broken.
	Local
	// Deprecated: our locator is on its way out.
	Deprecated
	// PeerLocators: the peer has dropped its locator, or says that it is broken.
	PeerLocators
	// ICMP: there was an ICMPv6 error, and then no answer.
	ICMP
	// ULP: TCP retransmitted, and there was no answer.
	ULP
	// Peer: the peer explores, or sends by another pair.
	Peer
	// Operator: somebody has said so.
	Operator
	// Return: a pair that is preferred works again.
	Return
	// Restart: the context explored already when the daemon came.
	Restart
	// Payload: Probes were answered, and payload did not arrive.
	Payload
)

var triggerNames = [...]string{
	"none", "send-timeout", "local", "deprecated", "peer-locators", "icmp", "ulp", "peer", "operator", "return", "restart", "payload",
}

// String is the name that the control socket has for it.
func (t Trigger) String() string {
	if int(t) < len(triggerNames) {
		return triggerNames[t]
	}
	return fmt.Sprintf("Trigger(%d)", uint8(t))
}

// Switch tells how a context came to another locator pair.
type Switch struct {
	// Time is that of the Engine's clock.
	Time time.Duration
	engine.ULIDs
	// Inbound: it is the peer that sends by another pair, and not we.
	Inbound  bool
	Trigger  Trigger
	Why      string
	From, To engine.Pair
	// Probed are the last Probes that were sent before, the first first, and
	// Answered the pairs that the peer has said to work.
	Probed   []Probed
	Answered []engine.Pair
	// Good tells of From, To and those that were probed when each last worked, as
	// far as it is known to have.
	Good []LastGood
	// Outage is since when payload may have been lost; 0 if none was.
	Outage time.Duration
}

// Probed is a Probe that was sent.
type Probed struct {
	engine.Pair
	Time time.Duration
}

// LastGood is when a pair is known to have worked last: when the peer said that a
// Probe had come by it or, of the pair that was left, when payload began to be lost.
type LastGood struct {
	engine.Pair
	Time time.Duration
}

// History keeps the last Switches. The zero History keeps DefaultHistory of them.
type History struct {
	// Size is how many are kept.
	Size int
	ring []Switch
	// next is the place of the oldest one, once there are Size.
	next int
}

// DefaultHistory is how many Switches are kept if nothing is said.
const DefaultHistory = 1000

func (h *History) add(s Switch) {
	size := h.Size
	if size <= 0 {
		size = DefaultHistory
	}
	if len(h.ring) < size {
		h.ring = append(h.ring, s)
		return
	}
	h.ring[h.next] = s
	h.next = (h.next + 1) % size
}

// Switches are a copy of all that are kept, the oldest first. What is in them is not
// to be changed.
func (h *History) Switches() []Switch {
	l := make([]Switch, 0, len(h.ring))
	l = append(l, h.ring[h.next:]...)
	return append(l, h.ring[:h.next]...)
}
