// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"fmt"

	"shim6/daemon/wire"
)

// ICMPv6 types and codes (RFC 4443).
const (
	icmpUnreachable      = 1
	icmpTooBig           = 2
	icmpParameterProblem = 4

	icmpPortUnreachable        = 4
	icmpUnrecognizedNextHeader = 1
)

// icmp deals with an ICMPv6 error. Anybody can forge one, so it is only a hint, which Probes
// then check. But an error that quotes our last I1 with its nonce says that the peer has no
// Shim6 (RFC 5533, section 7.8).
func (e *Engine) icmp(ev ICMP) {
	if ev.Message == nil {
		if c := e.byULIDs[ev.ULIDs]; c != nil && c.state.Sends() {
			e.icmpHint(c, ev)
		}
		return
	}
	sent := Pair{Local: ev.Source, Peer: ev.Destination, Encapsulation: ev.Encapsulation}
	q, ok := e.quotedBy(sent, ev.Message)
	if !ok {
		e.stats.Unmatched++
		return
	}
	if q.t == wire.TypeI1 && q.current && ev.Type == icmpParameterProblem && ev.Code == icmpUnrecognizedNextHeader {
		e.holdDown(q.c, NoSupport, ICMPHolddownTime, "ICMPv6: unrecognized Next Header in answer to I1")
		return
	}
	if q.c.state.Sends() && sent == q.c.current {
		e.icmpHint(q.c, ev)
	}
}

// icmpHint tells the Explorer of an error that might not happen with another locator pair (RFC
// 5533, section 8).
func (e *Engine) icmpHint(c *context, ev ICMP) {
	if ev.Type == icmpTooBig || ev.Type == icmpUnreachable && ev.Code == icmpPortUnreachable {
		return
	}
	e.doubt(c, HintICMP, fmt.Sprintf("ICMPv6 error of type %d, code %d", ev.Type, ev.Code))
}
