// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNamed(t *testing.T) {
	for _, tt := range []struct {
		path, text string
		want       []string
	}{
		{"a_test.go", "// Shows: 5533-5.4-01 5534-A-02, 3972-5-03\n// 5533-5.4-02 is no claim\nx := \"Shows: 5533-1-01\"",
			[]string{"5533-5.4-01", "5534-A-02", "3972-5-03"}},
		{"tests/selftests/test_a.sh", `run_test "one [5533-15.1-01 boeing-1.2-04]" one`, []string{"5533-15.1-01", "boeing-1.2-04"}},
		{"tests/selftests/a.py", `@case("two", "5533-7.10.1-01")`, []string{"5533-7.10.1-01"}},
		{"a.go", "// Shows: 5533-5.4-01", nil},
		{"tests/selftests/b.py", "2001-db8-01 12345-1-01 5533-1.4-1", nil},
	} {
		if d := cmp.Diff(tt.want, named(tt.path, tt.text)); d != "" {
			t.Errorf("%s: %s", tt.path, d)
		}
	}
}

func TestReport(t *testing.T) {
	root := t.TempDir()
	write := func(path, text string) {
		t.Helper()
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("a/a_test.go", "// Shows: 1111-1-01\n")
	write("build/b_test.go", "// Shows: 1111-1-02\n")
	write("tests/selftests/test_c.sh", "run_test \"c [1111-1-03 2222-2-01]\" c\n")
	rows := []requirement{{"1111-1-01", "MUST", "wire"}, {"1111-1-02", "MUST", "wire"}, {"1111-1-03", "FORMAT", "wire"},
		{"1111-1-04", "NOTE", "wire"}, {"2222-2-01", "STATE", "daemon"}}
	found, err := shown(root)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := report(&b, rows, found, true); err != nil {
		t.Fatal(err)
	}
	want := `source    part    MUST  SHOULD  FORMAT  STATE  CONST
RFC 1111  wire    1/2   -       1/1     -      -
RFC 2222  daemon  -     -       -       1/1    -

RFC 1111, wire, without a test:
  1111-1-02
`
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
	write("a/d_test.go", "// Shows: 9999-1-01\n")
	if found, err = shown(root); err != nil {
		t.Fatal(err)
	}
	err = report(&b, rows, found, false)
	if err == nil || !strings.Contains(err.Error(), "9999-1-01 in ") {
		t.Errorf("an unknown id: %v", err)
	}
}

// The tree's own tests name requirements that there are, and the table is whole.
func TestTree(t *testing.T) {
	var b strings.Builder
	if err := run(&b, []string{"-v", "../.."}); err != nil {
		t.Fatal(err)
	}
	rows, err := requirements()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 996 {
		t.Errorf("the table has %d rows", len(rows))
	}
}
