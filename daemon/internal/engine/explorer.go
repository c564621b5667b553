// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"time"

	"shim6/daemon/wire"
)

// Explorer is REAP: failure detection and locator pair exploration (RFC 5534). The Engine
// calls it in its own goroutine. The Explorer acts by the methods of the Session that it
// gets. It stores what it knows of a context under the context's names, and drops that when
// Gone is called.
type Explorer interface {
	// Established: the context has become ESTABLISHED, was adopted in that state, or was
	// made again by the peer.
	Established(s *Session)
	// Reap: the kernel says something about liveness.
	Reap(s *Session, kind ReapKind)
	// Probe: a Probe of the context has arrived, by a pair of its locators. The context can
	// send.
	Probe(s *Session, pair Pair, m *wire.Probe)
	// Hint: something makes it doubtful that the current pair works, or is the best one.
	// why says what, for people.
	Hint(s *Session, kind HintKind, why string)
	// Use: payload should be sent by a pair. Its locators are among those of the context.
	// The Explorer answers by Session.Done, now or later, but before Gone returns.
	Use(s *Session, id uint64, pair Pair)
	// ProbeAll: all pairs should be probed. The Explorer answers by Session.Done, at once.
	ProbeAll(s *Session, id uint64)
	// Doubt: somebody outside doubts the current pair. The Explorer answers by Session.Done, at once.
	Doubt(s *Session, id uint64)
	// Gone: the context was discarded.
	Gone(s *Session)
	// Tick: the time has come that Next has returned.
	Tick(e *Engine)
	// Next returns when Tick should be called; false if there is nothing to wait for.
	Next() (time.Duration, bool)
}

// HintKind is the reason of a hint. A greater one is graver.
type HintKind uint8

const (
	// HintChanged: locators or preferences have changed. The current pair is not in doubt.
	HintChanged HintKind = iota + 1
	// HintReserve: a program asks for a pair in reserve, or no more. Nothing is in doubt.
	HintReserve
	// HintICMP is an ICMPv6 error about a packet of the current pair. Anybody can forge one
	// (RFC 5534, section 3.3).
	HintICMP
	// HintSilence: payload that came steadily, or in answer to payload, has stopped.
	HintSilence
	// HintULP is negative feedback of a ULP, such as TCP that retransmits for the
	// second time (RFC 5534, section 3.3).
	HintULP
	// HintPeer: the peer has dropped its locator of the current pair, or says that the
	// locator is broken.
	HintPeer
	// HintLocal: our locator of the current pair is gone, or broken.
	HintLocal
)

// hint is a hint of which the Explorer must be told; there is none if kind is 0.
type hint struct {
	kind HintKind
	why  string
}

// doubt tells the Explorer of a hint when everything else is done. The gravest hint of an
// event counts.
func (e *Engine) doubt(c *context, kind HintKind, why string) {
	if c.state.Sends() && kind > c.pending.hint.kind {
		c.pending.hint = hint{kind, why}
		e.touch(c)
	}
}

// noExplorer is an Explorer that never leaves a pair.
type noExplorer struct{}

func (noExplorer) Established(*Session)              {}
func (noExplorer) Reap(*Session, ReapKind)           {}
func (noExplorer) Probe(*Session, Pair, *wire.Probe) {}
func (noExplorer) Hint(*Session, HintKind, string)   {}
func (noExplorer) Use(s *Session, id uint64, _ Pair) { s.Done(id, errNoExplorer) }
func (noExplorer) ProbeAll(s *Session, id uint64)    { s.Done(id, errNoExplorer) }
func (noExplorer) Doubt(s *Session, id uint64)       { s.Done(id, errNoExplorer) }
func (noExplorer) Gone(*Session)                     {}
func (noExplorer) Tick(*Engine)                      {}
func (noExplorer) Next() (time.Duration, bool)       { return 0, false }

// Now is the time of the present event, or of the last one.
func (e *Engine) Now() time.Duration { return e.now }

// Session is the context with a name, for Explorer.Tick; false if there is none.
func (e *Engine) Session(u ULIDs) (*Session, bool) {
	c := e.byULIDs[u]
	if c == nil {
		return nil, false
	}
	return &Session{e, c}, true
}
