// SPDX-License-Identifier: BSD-3-Clause

package controlserver

import (
	"encoding/json"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"shim6/daemon/control"
)

// A reader waits for the next event, and in the end hears that there was none. A number that is
// none is refused.
func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, began := &fake{}, time.Now()
		w := as(peer{}, f, "GET", "/events?after=7", "")
		var e control.Events
		if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || w.Code != http.StatusOK || e.Sequence != 7 || len(e.Events) != 0 {
			t.Errorf("%d, %+v, %v", w.Code, e, err)
		}
		if d := time.Since(began); d != control.EventWait {
			t.Errorf("it waited %v", d)
		}
		if w := as(peer{}, f, "GET", "/events?after=x", ""); w.Code != http.StatusBadRequest {
			t.Errorf("status %d", w.Code)
		}
	})
}
