// SPDX-License-Identifier: BSD-3-Clause

// Package shows lets a Go test say which requirements of the RFCs it shows.
package shows

import (
	"strings"
	"testing"
)

// IDs says that the test that calls it shows the requirements with these ids, of which
// each string may hold several, between spaces. A requirement is shown by a test that
// fails without what it requires. Command conformance finds the calls, and the tables
// whose ids come to one; a test that runs has the ids among its attributes, which
// `go test -v` prints.
func IDs(t testing.TB, ids ...string) {
	t.Helper()
	if all := strings.Join(ids, " "); all != "" {
		t.Attr("shows", all)
	}
}
