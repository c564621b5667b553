// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"reflect"
	"testing"
)

// Each counter has a name of its own.
func TestStatsAreNamed(t *testing.T) {
	var c Stats
	v := reflect.ValueOf(&c).Elem()
	for i := range v.NumField() {
		v.Field(i).SetUint(uint64(i + 1))
	}
	seen := map[uint64]bool{}
	for name, n := range c.Named() {
		if n == 0 || seen[n] {
			t.Errorf("%s is %d", name, n)
		}
		seen[n] = true
	}
	if len(seen) != v.NumField() {
		t.Errorf("%d of %d counters have names", len(seen), v.NumField())
	}
}
