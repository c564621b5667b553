// SPDX-License-Identifier: BSD-3-Clause

package engine_test

import (
	"encoding/json"
	"strings"
	"testing"

	"shim6/daemon/internal/engine"
)

// Records of native pairs are those that an older shim6d reads, which knows no encapsulation and
// refuses keys that it does not know.
func TestNativeIsNotWritten(t *testing.T) {
	for _, want := range []engine.Pair{{}, {Encapsulation: engine.Native + 1}} {
		b, err := json.Marshal(want)
		var got engine.Pair
		if err == nil {
			err = json.Unmarshal(b, &got)
		}
		if native := want.Encapsulation == engine.Native; err != nil || got != want || strings.Contains(string(b), "Encapsulation") == native {
			t.Errorf("%s, %v", b, err)
		}
	}
}
