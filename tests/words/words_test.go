// SPDX-License-Identifier: GPL-2.0

package main

import (
	"fmt"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"a.go", "// It ends, or\n// else it fails.\nvar x int", "1 or else"},
		{"a.go", "var x = 1 // sent anew\n", "1 anew"},
		{"a.go", "var x = `sent anew`\n", "1 anew"},
		{"a.go", "// \"anew\" is outdated, as is `in vain`.\n", ""},
		{"a.go", "// It is sent.\n// What is sent is counted.\n", "2 free subject"},
		{"a.go", "// It is sent. What is\n// counted?\n", ""},
		{"a.go", "// Of what is listed the first counts.\n", "1 free subject"},
		{"a.go", "// It shows\n// What is sent.\n", ""},
		{"a.go", "// Send:\n//   - What is sent\n", "2 free subject"},
		{"a.go", "var what = What // nothing\n", ""},
		{"a.go", "var x = \"http://a // b\" // Who asks\n", "1 free subject"},
		{"a.c", "/* What\n * is sent.\n */\n", "1 free subject"},
		{"a.c", "/**\n * f() - sends\n * @x: whence\n */\n", "3 whence"},
		{"a.c", "int x; /* Who asks. */\nint y;\n", "1 free subject"},
		{"a.sh", "# What is sent.\nfor what; do\n", "1 free subject"},
		{"a.sh", "run_test \"it begins anew\" f\n", "1 anew"},
		{"a.py", "\"\"\"What it does.\n\nWho asks.\"\"\"\nWhat = 1\n", "1 free subject, 3 free subject"},
		{"a.md", "# What it is\n\nIt is,\nat\nlast. What is left\nis right.\n", "4 at last, 5 free subject"},
		{"a.md", "```\nWhat it is\n```\n", ""},
		{"a.8", ".Sh NAME\nWhat it is, in\n.Nm shim6d\n.Pp\nIt is for\nwho asks.\n", "2 free subject, 5 free who"},
		{"a.yaml", "doc: What it is\n  doc: >-\n  But for\n  this.\n", "1 free subject, 3 but for"},
		{"a.sh", "\x00 anew", ""},
		{"x/testdata/a.md", "anew", ""},
	} {
		var got []string
		for _, f := range check(tt.name, tt.text) {
			got = append(got, fmt.Sprintf("%s %s", strings.TrimPrefix(f.where, tt.name+":"), f.rule.name))
		}
		if s := strings.Join(got, ", "); s != tt.want {
			t.Errorf("%s: %q: %q, wanted %q", tt.name, tt.text, s, tt.want)
		}
	}
}

func TestSubjects(t *testing.T) {
	for text, want := range map[string]string{
		"tests: read JSON with jq":                  "",
		"daemon/internal/engine, netlink: one type": "",
		"One proof of a network":                    "commit form",
		"tests: " + strings.Repeat("x", 66):         "commit length",
		"Tests: it ends.":                           "commit form, commit period",
	} {
		var got []string
		for _, f := range checkSubject("0123456", text) {
			got = append(got, f.rule.name)
		}
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("%q: %q, wanted %q", text, s, want)
		}
	}
}

func TestIsBelow(t *testing.T) {
	for _, tt := range []struct {
		name  string
		paths []string
		want  bool
	}{
		{"tests/a.sh", nil, true},
		{"tests/a.sh", []string{"docs", "./tests/"}, true},
		{"tests/a.sh", []string{"tests/a.sh"}, true},
		{"tests/a.sh", []string{"test"}, false},
	} {
		if got := isBelow(tt.name, tt.paths); got != tt.want {
			t.Errorf("%s below %v: %v", tt.name, tt.paths, got)
		}
	}
}
