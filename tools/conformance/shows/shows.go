// SPDX-License-Identifier: BSD-3-Clause

// Package shows lets a Go test name the requirements of the RFCs that it shows.
package shows

import (
	"strings"
	"testing"
)

// IDs says that the calling test shows the requirements with these ids. A string may hold several
// ids, between spaces. A test shows a requirement if it fails for code that does not meet it.
//
// Command conformance finds the calls in the source, and the tables whose ids are passed to a call.
// A test that runs has the ids among its attributes, which `go test -v` prints.
func IDs(t testing.TB, ids ...string) {
	t.Helper()
	if all := strings.Join(ids, " "); all != "" {
		t.Attr("shows", all)
	}
}
