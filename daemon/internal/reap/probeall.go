// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"errors"

	"shim6/daemon/internal/engine"
)

var errBusy = errors.New("the context is being probed already: 'shim6tool path' shows what its pairs have answered")

// ProbeAll asks all pairs of a context, the current one first, because an operator wants to know which
// of them work. It is modeStandby with all pairs in place of some: the context stays where it is,
// unless none answers. The answer to the command says only that the Probes have begun; what they
// show is in Paths.
func (r *Explorer) ProbeAll(s *engine.Session, id uint64) {
	x := r.make(s, engine.ReapOperational)
	if x.state != engine.ReapOperational || x.mode != modeIdle || x.use != nil {
		s.Done(id, errBusy)
		return
	}
	c := s.Info()
	pairs := []engine.Pair{c.Current}
	for _, p := range r.candidates(s, &c) {
		if !p.SamePath(c.Current) {
			pairs = append(pairs, p.Pair)
		}
	}
	r.ask(s, x, modeStandby, Operator, "an operator wants to know which pairs work", pairs)
	s.Done(id, nil)
}
