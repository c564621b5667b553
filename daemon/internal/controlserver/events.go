// SPDX-License-Identifier: BSD-3-Clause

package controlserver

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"shim6/daemon/control"
)

// events serves GET /events. It waits for no turn: an answer is short and costs the daemon's loop
// next to nothing.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	after := uint64(0)
	if word := r.URL.Query().Get("after"); word != "" {
		n, err := strconv.ParseUint(word, 10, 64)
		if err != nil {
			s.refuse(w, http.StatusBadRequest, fmt.Errorf("after=%q is not the number of an event", word))
			return
		}
		after = n
	}
	ctx, cancel := context.WithTimeout(r.Context(), control.EventWait)
	defer cancel()
	events, err := s.backend.Events(ctx, after)
	if err != nil {
		s.fail(w, err)
		return
	}
	s.answer(w, http.StatusOK, events)
}
