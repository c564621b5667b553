// SPDX-License-Identifier: BSD-3-Clause

// Package reap is REAP: failure detection and locator pair exploration (RFC 5534).
// It is the Explorer of an engine.Engine, and as pure as that is.
//
// The kernel has the Send and the Keepalive Timer and sends Keepalives: what packets
// do to these it does itself, what Probes do it is told. This package has the state
// machine of RFC 5534, section 6, the Probes, and the choice of locator pairs.
//
// # Exploration
//
// A context explores when the Send Timer has run out, when its peer says that it
// does, and at once when it is known that the current pair can't work: our locator is
// gone or broken, or the peer says so of its own. The first four Probes are 0.5 s
// apart, and by the most different pairs: another locator of ours and of the peer's
// than those before, and the best of these. Then each pause is a quarter longer, up to
// a minute, and once all were probed the two hosts are half a round apart. What is
// sought is a pair for our direction; the peer finds its own.
//
// # Doubts
//
// An ICMPv6 error or a TCP that retransmits is a hint, which anybody may have caused.
// The current pair is then asked by one Probe, and nothing else happens if that is
// answered. Such a Probe says InboundOk: we see the peer, and want to know whether it
// sees us, to which Operational is the answer, so that the peer is not made to
// explore. In the same way a better pair than the current one is asked before the
// context returns to it, and pairs that might be needed, if Config.Standby says so.
//
// # Payload
//
// A pair works when payload passes, not when Probes do. TCP whose timer expires again has
// the current pair asked by Probes as long as its packets, and then others; if all pass and
// TCP is stuck all the same, another pair is tried. See payload.go.
//
// # What is believed
//
// A report of a Probe received counts if we have sent one with that nonce by that
// pair, and not long ago. A message that has reports, of which none counts, is late or
// made up: it shows that the peer is there, and ends no exploration. It may be
// that a Probe was meant for us when the daemon was another one, and then the next
// will be right.
//
// # Memory
//
// A context that is Operational and at the pair that it should have takes none here.
// What is known of locator pairs is not by context: what works for one will most
// likely work for the next, so it is probed first.
package reap
