// SPDX-License-Identifier: BSD-3-Clause

//go:build answers

package main

import (
	"bytes"
	"strings"
	"testing"
)

// The output and the status are those of jq -rce.
func TestFilter(t *testing.T) {
	for _, c := range []struct {
		input, program string
		names          []string
		values         []any
		want           string
		status         int
	}{
		{`[{"a":"x"},{"a":"y"}]`, `.[].a`, nil, nil, "x\ny\n", 0},
		{`[{"a":"x"}]`, `.[] | select(.a == $a) | .a`, []string{"$a"}, []any{"x"}, "x\n", 0},
		{`[{"a":"x"}]`, `.[] | select(.a == "y")`, nil, nil, "", statusNothing},
		{`[]`, `.[0].a`, nil, nil, "null\n", statusFalse},
		{`[1]`, `any(.[]; . == 2)`, nil, nil, "false\n", statusFalse},
		{`[1]`, `false, true`, nil, nil, "false\ntrue\n", 0},
		{`{"n":140737488355327}`, `.n, [.n, 1.5]`, nil, nil, "140737488355327\n[140737488355327,1.5]\n", 0},
		{`{"n":"2001:db8:1::1"}`, `.n | split(":")[2]`, nil, nil, "1\n", 0},
		{`{"n":1}`, `"\(.n) \(.n + 1)"`, nil, nil, "1 2\n", 0},
		{`"a"`, `test("^(a|b)$")`, nil, nil, "true\n", 0},
		{``, `.`, nil, nil, "", statusNothing},
		{`[1]`, `.a`, nil, nil, "", statusFilter},
		{`[1`, `.`, nil, nil, "", statusFilter},
		{`[1]`, `.[`, nil, nil, "", statusFilter},
	} {
		var out bytes.Buffer
		status, err := filter(&out, []byte(c.input), c.program, c.names, c.values)
		if out.String() != c.want || status != c.status || (err != nil) != (status == statusFilter) {
			t.Errorf("%s of %s: %q, %d, %v; want %q, %d", c.program, c.input, out.String(), status, err, c.want, c.status)
		}
	}
}

// A request has a number and as many words.
func TestReadRequest(t *testing.T) {
	for request, want := range map[string]int{"": exitUsage, "x\x00": exitUsage, "1\x00a\x00": exitUsage, "3\x00a\x00b\x00": exitUsage, "3\x00a\x00b\x00c\x00": exitUsage} {
		if status, err := serve(strings.NewReader(request)); status != want || err == nil {
			t.Errorf("%q: %d, %v", request, status, err)
		}
	}
}
