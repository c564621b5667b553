// SPDX-License-Identifier: BSD-3-Clause

package shows

import (
	"slices"
	"testing"
)

// attributes is a test that keeps its attributes.
type attributes struct {
	testing.TB
	got []string
}

func (a *attributes) Helper() {}

func (a *attributes) Attr(key, value string) { a.got = append(a.got, key+"="+value) }

func TestIDs(t *testing.T) {
	a := &attributes{TB: t}
	IDs(a, "5533-1-01 5533-1-02", "5533-1-03")
	IDs(a, "")
	IDs(a)
	if !slices.Equal(a.got, []string{"shows=5533-1-01 5533-1-02 5533-1-03"}) {
		t.Errorf("%q", a.got)
	}
}
