// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The manual page has the options of the program, and says the same of the socket as its unit.
func TestManual(t *testing.T) {
	b, err := os.ReadFile("../../docs/man/shim6web.8")
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, m := range regexp.MustCompile(`(?m)^  (?:-v, )?(?:-h, )?-([a-z-]+)`).FindAllStringSubmatch(usage, -1) {
		want = append(want, m[1])
	}
	want = append(want, "tls-key")
	_, options, _ := strings.Cut(string(b), ".Sh OPTIONS\n")
	options, _, _ = strings.Cut(options, ".Sh ")
	for _, line := range regexp.MustCompile(`(?m)^\.It (Fl .*)`).FindAllString(options, -1) {
		for _, m := range regexp.MustCompile(`Fl ([a-z-]{2,})`).FindAllStringSubmatch(line, -1) {
			got = append(got, m[1])
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		t.Errorf("the page has %q, the program %q", got, want)
	}
	unit, err := os.ReadFile("shim6web.socket")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(unit), "ListenStream="+defaultListen+"\n") || !strings.Contains(string(b), defaultListen) {
		t.Errorf("the unit or the page does not have %s", defaultListen)
	}
}
