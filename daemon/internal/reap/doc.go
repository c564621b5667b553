// SPDX-License-Identifier: BSD-3-Clause

// Package reap is REAP: failure detection and locator pair exploration (RFC 5534).
// It is the Explorer of an engine.Engine, and as pure as the Engine: it has no clock, no
// goroutine and no socket.
//
// The kernel has the Send and the Keepalive Timer and sends Keepalives. It knows by itself what
// packets do to these timers, and is told what Probes do to them. This package has the state
// machine of RFC 5534, section 6, the Probes, and the choice of locator pairs.
//
// # States and modes
//
// A context has a state of RFC 5534, which the kernel shares, and a mode, which says what this
// host is doing about it and why. The mode is in mode.go, with all that changes it.
// docs/states.md draws both machines and has a table of what each event does in each mode.
//
// # Exploration
//
// A context explores (modeExploring) when the Send Timer has expired, when its peer says that
// it explores, and at once when it is known that the current pair can't work: our locator is
// gone or broken, or the peer says so of its own. The first four Probes are 0.5 s apart, and by
// the most different pairs: each has another locator of ours and of the peer's than those
// before, and is the best of these pairs. Then each pause is a quarter longer, up to a minute.
// Once all pairs were probed, the two hosts are half a round apart. A host looks for a pair for
// its own direction; the peer finds its own.
//
// # Doubts
//
// An ICMPv6 error, a TCP that waits or a stream that stops is a hint, which anybody may have caused.
// The current pair is then asked, and the best other one beside it (modeDoubting), and nothing else
// happens if the current one answers. The Probes say InboundOk: we see the peer, and want to know
// whether it sees us. The answer is Operational, so the peer is not made to explore. In the same way
// a better pair than the current one is asked before the context returns to it (modeReturning), and
// pairs that might be needed, if Config.Standby says so (modeStandby).
//
// # Payload
//
// A pair works when payload passes, not when Probes do. If the timer of a TCP connection expires
// again, the current pair is asked by Probes as long as its packets, and then others are
// (modeExamining). If all Probes pass and TCP is stuck all the same, another pair is tried. See
// payload.go.
//
// # What is believed
//
// A report of a Probe counts only if we have sent a Probe with that nonce by that pair, and not
// long ago. If a message has reports and none of them counts, it is late or made up. It shows
// that the peer is there, and ends no exploration. It may also report Probes that an earlier
// daemon has sent; then the peer's next message will be right.
//
// # Memory
//
// A context that is Operational and at the pair that it should have takes no memory here, unless it
// keeps pairs in reserve. Knowledge of locator pairs is not kept by context: a pair that works for
// one context will most likely work for the next, so it is probed first.
package reap
