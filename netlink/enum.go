// SPDX-License-Identifier: BSD-3-Clause

package netlink

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// enumText is the name of v, or its number if only a newer kernel knows the value.
func enumText[E ~uint32](names map[E]string, v E) string {
	if s, ok := names[v]; ok {
		return s
	}
	return fmt.Sprintf("%d", uint32(v))
}

// enumValue sets v to the value with the name b; what names the enumeration in errors.
func enumValue[E ~uint32](names map[E]string, v *E, what string, b []byte) error {
	for _, k := range slices.Sorted(maps.Keys(names)) {
		if names[k] == string(b) {
			*v = k
			return nil
		}
	}
	var all []string
	for _, k := range slices.Sorted(maps.Keys(names)) {
		all = append(all, names[k])
	}
	return fmt.Errorf("%q is no %s: take one of %s", b, what, strings.Join(all, ", "))
}
