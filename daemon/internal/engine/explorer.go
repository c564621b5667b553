// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"net/netip"
	"time"

	"shim6/daemon/wire"
)

// Explorer is REAP: failure detection and locator pair exploration (RFC 5534). It
// is called by the Engine, in the Engine's goroutine, and acts by the methods of
// the Session that it is given. What it keeps of a context it keeps by the
// context's names, and drops when Gone is called.
type Explorer interface {
	// Established: the context has become ESTABLISHED, or is adopted in that
	// state, or was made anew by the peer.
	Established(s *Session)
	// Reap: the kernel tells of liveness.
	Reap(s *Session, kind ReapKind)
	// Probe: a Probe has arrived, of a context that can be used, and between
	// locators of it.
	Probe(s *Session, source, destination netip.Addr, m *wire.Probe)
	// Hint: something makes it doubtful that the current pair works, or is the
	// one to have. Why says what, for people.
	Hint(s *Session, kind HintKind, why string)
	// Use: payload is to be sent by a pair, whose locators are those of the context.
	// Session.Done answers it, now or later, and before Gone returns in any case.
	Use(s *Session, id uint64, pair Pair)
	// Gone: there is no such context any more.
	Gone(s *Session)
	// Tick: the time that Next has told has come.
	Tick(e *Engine)
	// Next is when Tick is to be called; false if there is nothing to wait
	// for.
	Next() (time.Duration, bool)
}

// HintKind is what a hint is to be taken for.
type HintKind uint8

const (
	// HintChanged: there are other locators or preferences than before; nothing
	// is the matter with the current pair.
	HintChanged HintKind = iota + 1
	// HintICMP is an ICMPv6 error about a packet of the current pair. Anybody can
	// make one up (RFC 5534, section 3.3).
	HintICMP
	// HintULP is negative feedback of a ULP, such as TCP that retransmits for the
	// second time (RFC 5534, section 3.3).
	HintULP
	// HintPeer: the peer has dropped its locator of the current pair, or says
	// that it is broken.
	HintPeer
	// HintLocal: our locator of the current pair is gone, or broken.
	HintLocal
)

// hint is what the Explorer is yet to be told; none if kind is 0.
type hint struct {
	kind HintKind
	why  string
}

// doubt has the Explorer told of a hint, unless it will be of a graver one.
func (e *Engine) doubt(c *context, kind HintKind, why string) {
	if c.state.Sends() && kind > c.pending.hint.kind {
		c.pending.hint = hint{kind, why}
		e.touch(c)
	}
}

// noExplorer is an Explorer that never leaves a pair.
type noExplorer struct{}

func (noExplorer) Established(*Session)                                {}
func (noExplorer) Reap(*Session, ReapKind)                             {}
func (noExplorer) Probe(*Session, netip.Addr, netip.Addr, *wire.Probe) {}
func (noExplorer) Hint(*Session, HintKind, string)                     {}
func (noExplorer) Use(s *Session, id uint64, _ Pair)                   { s.Done(id, errNoExplorer) }
func (noExplorer) Gone(*Session)                                       {}
func (noExplorer) Tick(*Engine)                                        {}
func (noExplorer) Next() (time.Duration, bool)                         { return 0, false }

// Now is the time of the event that is being dealt with, or was last.
func (e *Engine) Now() time.Duration { return e.now }

// Session is the context of a name, for an Explorer that was called by Tick.
func (e *Engine) Session(u ULIDs) (*Session, bool) {
	c := e.byULIDs[u]
	if c == nil {
		return nil, false
	}
	return &Session{e, c}, true
}
