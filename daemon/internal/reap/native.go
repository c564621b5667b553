// SPDX-License-Identifier: BSD-3-Clause

package reap

import "shim6/daemon/internal/engine"

// This file is about contexts whose current pair is in UDP: IP protocol 140 may pass as well. The native
// Probe may have been lost by chance, or because the path came back only after it, and a firewall may
// have been changed. So the same addresses are asked natively after the hold-down, and then ever more
// rarely.

// natively is the current pair without UDP; false if it is, or may not be tried.
func (r *Explorer) natively(s *engine.Session) (engine.Pair, bool) {
	p := s.Info().Current
	_, _, both := s.Encapsulations(p)
	return p.By(engine.Native), both && p.Encapsulation == engine.UDP
}

// considerNative sets the time to ask natively. Whatever else is asked, except pairs in reserve, takes
// it back (see to), so that these Probes come alone. x is not nil.
func (r *Explorer) considerNative(s *engine.Session, x *exploration) {
	h := &x.home
	switch _, ok := r.natively(s); {
	case !ok || x.pinned:
		h.nativeAt, h.natives = 0, 0
	case h.nativeAt == 0:
		h.nativeAt = s.Now() + r.holdAfter(s, h.natives)
	}
}

// askNatively begins modeReturning, or waits on if payload is known not to pass natively.
func (r *Explorer) askNatively(s *engine.Session, x *exploration) {
	x.home.nativeAt = 0
	p, ok := r.natively(s)
	if !ok || x.pinned || r.unfit(x, p, s.Now()) != 0 {
		r.consider(s, x)
		return
	}
	x.home.natives = min(x.home.natives+1, 8)
	r.ask(s, x, modeReturning, Return, "native messages may pass again", []engine.Pair{p})
	x.question.native = true
}
