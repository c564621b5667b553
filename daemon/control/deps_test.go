// SPDX-License-Identifier: BSD-3-Clause

package control

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A tool that asks the daemon, or assesses addresses without it, does not link the daemon.
func TestDependencies(t *testing.T) {
	for of, forbidden := range map[string][]string{
		"shim6/daemon/control":  {"shim6/daemon/internal/", "shim6/daemon/locator", "shim6/daemon/config", "shim6/netlink", "github.com/"},
		"shim6/daemon/config":   {"shim6/daemon/internal/", "shim6/daemon/locator"},
		"shim6/daemon/locator":  {"shim6/daemon/internal/"},
		"shim6/tools/shim6tool": {"shim6/daemon/internal/"},
		"shim6/tools/shim6web":  {"shim6/daemon/internal/", "shim6/daemon/locator"},
	} {
		out, err := exec.Command("go", "list", "-deps", of).Output()
		if err != nil {
			t.Skip("go list:", err)
		}
		for d := range strings.FieldsSeq(string(out)) {
			if slices.ContainsFunc(forbidden, func(f string) bool { return strings.HasPrefix(d, f) }) {
				t.Errorf("%s needs %s", of, d)
			}
		}
	}
}
