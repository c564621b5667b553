// SPDX-License-Identifier: BSD-3-Clause

// Package engine is the protocol of Shim6 (RFC 5533, sections 7 to 10): it makes
// contexts with peers, keeps them in step and ends them.
//
// An Engine is a pure core of one goroutine. It is told what has happened, as an
// Event, and answers with what is to be done, as Actions. It does no I/O and has
// no clock: the time comes with each event, and Next says when a Tick is due.
// Random numbers come from Config.Random alone, so that a run with the same seed
// and the same events does the same again.
//
// Who runs an Engine does this:
//
//	e, err := engine.New(config)
//	do(e.Handle(now(), engine.Locators{...}))
//	do(e.Handle(now(), engine.Start{Contexts: dump, Records: records}))
//	for {
//		deadline, ok := e.Next()
//		... wait for an event, or until deadline, which is a Tick ...
//		do(e.Handle(now(), event))
//	}
//
// # Order
//
// Actions are to be done one after another, in their order, and before the next
// event is handed over. The order matters: a peer may send payload as soon as it
// knows our tag, so ContextNew and ContextSet come before the I2 or R2 that tells
// it (RFC 5533, section 12.2), and a ContextDel before another context takes over
// the peer's tag. If the kernel refuses ContextNew or ContextSet, the Sends for
// the same context that follow are to be left out, and a ContextRefused is handed
// over.
//
// # Restart
//
// The data path is in the kernel and goes on while there is no Engine. A new one
// is given what the kernel has, and the Records that the last one had persisted:
// Start. It adopts every context, in whatever state, and sends nothing for it.
// Without Records it adopts them as well, from what the kernel knows.
//
// # What is proved
//
// A locator of the peer is used for nothing before it is proved by HBA or CGA, or
// lies in a prefix that the configuration trusts, and not for payload before
// something has come back from there: a Probe's answer (RFC 5533, section 7.2) or
// the peer's part in the exchange that made the context. The choice of another
// locator pair is the Explorer's (RFC 5534); nothing else changes it.
package engine
