// SPDX-License-Identifier: BSD-3-Clause

// Package engine is the protocol of Shim6 (RFC 5533, sections 7 to 10): it makes
// contexts with peers, keeps them in step and ends them. docs/states.md draws the states
// of a context.
//
// An Engine is a pure core of one goroutine. It takes an Event, which says what has
// happened, and returns Actions, which say what to do. It does no I/O and has no clock:
// the time comes with each event, and Next says when a Tick is due. Random numbers come
// from Config.Random alone. So the same seed and the same events give the same run again.
//
// A program runs an Engine like this:
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
// The caller does the actions one after another, in their order, and all of them before
// it hands over the next event. The order matters:
//
//   - ContextNew and ContextSet come before the I2 or R2 that tells the peer our tag,
//     since the peer may send payload as soon as it knows the tag (RFC 5533, section
//     12.2).
//   - ContextDel comes before another context takes over the peer's tag.
//
// If the kernel refuses ContextNew or ContextSet, the caller leaves out the Sends for the
// same context that follow, and hands over a ContextRefused.
//
// Within Handle the order comes about like this. Code that changes a context notes what
// the kernel (kernelView.changed) and the Records (pending.unsaved) do not know yet, and
// calls touch. The sync of a context emits its ContextNew or ContextSet, and its Persist.
// send calls sync first, then emits the Send. flush, at the end of Handle, calls the
// Explorer and then sync for every context that was touched.
//
// # Restart
//
// The data path is in the kernel and goes on while there is no Engine. With Start a new
// Engine gets the contexts of the kernel, and the Records that the last Engine had
// persisted. It adopts every context, in whatever state, and sends nothing for it.
// Without Records it adopts the contexts as well, from what the kernel knows.
//
// # What is proved
//
// The Engine uses a locator of the peer for nothing before HBA or CGA has proved it, unless
// it lies in a prefix that the configuration trusts. It uses the locator for payload only
// after something has come back from there: the answer to a Probe (RFC 5533, section 7.2),
// or the peer's part in the exchange that made the context. The Explorer alone chooses
// another locator pair (RFC 5534).
package engine
