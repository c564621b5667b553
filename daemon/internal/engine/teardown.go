// SPDX-License-Identifier: BSD-3-Clause

package engine

import "shim6/daemon/wire"

// expire discards a context that has been quiescent for long enough and that no ULP is known
// to need (RFC 5533, section 9). The peer isn't told.
func (e *Engine) expire(ev Expire) {
	c := e.byULIDs[ev.ULIDs]
	if c == nil || c.tagLocal != ev.Tag || !c.state.Sends() || ev.InUse || ev.Idle < e.config.IdleTimeout {
		return
	}
	e.discard(c, Idle, "quiescent")
}

func (e *Engine) close(ev Close) error {
	c := e.byULIDs[ev.ULIDs]
	if c == nil {
		return errNoContext
	}
	e.discard(c, Idle, "by command")
	return nil
}

// contextGone discards a context that somebody else has deleted from the kernel.
func (e *Engine) contextGone(ev ContextGone) {
	c := e.byULIDs[ev.ULIDs]
	if c == nil || !c.kernel.present || ev.Tag <= wire.MaxContextTag && c.tagLocal != ev.Tag {
		return
	}
	c.kernel.present = false
	e.discard(c, Idle, "somebody has deleted it from the kernel")
}

// contextRefused gives up a context that the kernel has refused: without it in the kernel, the
// peer's payload could not be received. The kernel may have lost others, too, so it asks for
// a Dump.
func (e *Engine) contextRefused(ev ContextRefused) {
	c := e.byULIDs[ev.ULIDs]
	if c == nil {
		return
	}
	why := "the kernel has refused it"
	if ev.Err != nil {
		why += ": " + ev.Err.Error()
	}
	e.discard(c, Idle, why)
	e.resync()
}
