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
		{"a_test.go", `package a

// TestA is of 5533-5.4-01.
func TestA(t *testing.T) {
	// shows.IDs(t, "5533-5.4-02")
	shows.IDs(t, "5533-5.4-03 5534-A-02", "3972-5-03")
	t.Run("b", func(t *testing.T) { shows.IDs(t, "5533-5.4-04") })
	_ = "5533-5.4-05"
}

func helper(t *testing.T) { shows.IDs(t, "5533-5.4-06") }

func Testimony(t *testing.T) { shows.IDs(t, "5533-5.4-07") }

func (x) TestB(t *testing.T) { shows.IDs(t, "5533-5.4-08") }

func FuzzA(f *testing.F) { shows.IDs(f, "boeing-1.2-04") }
`, []string{"5533-5.4-03", "5534-A-02", "3972-5-03", "5533-5.4-04", "boeing-1.2-04"}},
		{"a_test.go", `package a

var table = []struct{ name, shows string }{
	{"what 5533-5.4-01 says", "5533-5.4-02 " +
		"5533-5.4-03"}, // 5533-5.4-04
	{"nothing", ""},
}

func TestA(t *testing.T) {
	for _, x := range table {
		shows.IDs(t, x.shows)
	}
}
`, []string{"5533-5.4-02", "5533-5.4-03"}},
		{"a_test.go", "package a\n\nvar table = []struct{ shows string }{{\"5533-5.4-02\"}}\n", nil},
		{"a.go", "package a\n\nfunc TestA(t *testing.T) { shows.IDs(t, \"5533-5.4-01\") }\n", nil},
		{"tests/selftests/test_a.sh", `# run_test "zero [5533-15.1-02]" zero
run_test "one [5533-15.1-01 boeing-1.2-04]" one # [5533-15.1-03]
	session "two [5533-15.1-04]" two
one() { echo "[5533-15.1-05]"; }
`, []string{"5533-15.1-01", "boeing-1.2-04", "5533-15.1-04"}},
		{"tests/selftests/a.py", `"""What 5533-7.10.1-02 says."""
# @case("one", "5533-7.10.1-03")
@case("two (as 5533-7.10.1-04 has it)", "5533-7.10.1-01",  # 5533-7.10.1-05 ")
      "5533-7.10.1-06")
def two():
    same("5533-7.10.1-07", "5533-7.10.1-08")
`, []string{"5533-7.10.1-01", "5533-7.10.1-06"}},
		{"tests/selftests/b.py", `@case("a", "2001-db8-01", "12345-1-01", "5533-1.4-1")`, nil},
	} {
		got, err := named(tt.path, tt.text)
		if d := cmp.Diff(tt.want, got); d != "" || err != nil {
			t.Errorf("%s: %s %v", tt.path, d, err)
		}
	}
	if _, err := named("a_test.go", "package"); err == nil {
		t.Error("a file that is not Go is read")
	}
	_, err := named("a_test.go", "package a\n\n// Shows: 5533-5.4-01 5533-5.4-02\nfunc TestA(t *testing.T) {}\n")
	if err == nil || !strings.Contains(err.Error(), "5533-5.4-01 is in a comment") {
		t.Errorf("a comment: %v", err)
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
	test := func(id string) string {
		return "package a\n\nfunc TestA(t *testing.T) { shows.IDs(t, \"" + id + "\") }\n"
	}
	write("a/a_test.go", test("1111-1-01"))
	write("build/b_test.go", test("1111-1-02"))
	write("tests/selftests/test_c.sh", "run_test \"c [1111-1-03 2222-2-01]\" c\n")
	rows := []requirement{{"1111-1-01", "MUST", "wire"}, {"1111-1-02", "MUST", "wire"}, {"1111-1-03", "FORMAT", "wire"},
		{"1111-1-04", "NOTE", "wire"}, {"1111-1-05", "MUST", "wire"}, {"2222-2-01", "STATE", "daemon"}}
	found, err := shown(root)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	err = report(&b, rows, found, map[string]string{"1111-1-05": "Nobody can."}, true)
	if err == nil || !strings.HasSuffix(err.Error(), "reasons.tsv:\n  1111-1-02") {
		t.Errorf("a row with neither: %v", err)
	}
	want := `source    part    MUST  SHOULD  FORMAT  STATE  CONST  a reason  neither
RFC 1111  wire    1/3   -       1/1     -      -      1         1
RFC 2222  daemon  -     -       -       1/1    -      0         0

RFC 1111, wire, without a test, with a reason:
  1111-1-05: Nobody can.

RFC 1111, wire, without a test or a reason:
  1111-1-02
`
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
	write("a/d_test.go", test("9999-1-01"))
	if found, err = shown(root); err != nil {
		t.Fatal(err)
	}
	err = report(&b, rows, found, nil, false)
	if err == nil || !strings.Contains(err.Error(), "9999-1-01 in ") {
		t.Errorf("an unknown id: %v", err)
	}
}

// A requirement of a counted level needs a test, or a reason why not.
func TestRequired(t *testing.T) {
	met := map[string][]string{"5533-1-01": {"a_test.go"}}
	for _, tt := range []struct {
		row  requirement
		fine bool
	}{
		{requirement{"5533-1-01", "MUST", "daemon"}, true},
		{requirement{"5533-1-02", "MUST", "daemon"}, false},
		{requirement{"5534-1-02", "STATE", "reap"}, false},
		{requirement{"5535-1-02", "CONST", "crypto"}, false},
		{requirement{"3972-1-02", "FORMAT", "wire"}, false},
		{requirement{"5533-1-02", "MUST", "kernel"}, false},
		{requirement{"5533-1-03", "MUST", "daemon"}, true}, // with a reason
		{requirement{"5533-1-02", "SHOULD", "daemon"}, false},
		{requirement{"5533-1-02", "NOTE", "daemon"}, true},
		{requirement{"5533-1-02", "MAY", "daemon"}, true},
		{requirement{"5533-1-02", "MUST", "tool"}, false},
		{requirement{"6316-1-02", "MUST", "kernel"}, false},
	} {
		err := report(&strings.Builder{}, []requirement{{"5533-1-01", "MUST", "daemon"}, tt.row}, met, map[string]string{"5533-1-03": "Nobody can."}, false)
		if (err == nil) != tt.fine || err != nil && !strings.Contains(err.Error(), "reasons.tsv:\n  "+tt.row.id) {
			t.Errorf("%v: %v", tt.row, err)
		}
	}
}

func TestParseReasons(t *testing.T) {
	rows := []requirement{{"5533-1-01", "MUST", "wire"}, {"5533-1-02", "SHOULD", "wire"}, {"5533-1-03", "NOTE", "wire"}, {"5533-1-04", "MUST", "wire"}}
	found := map[string][]string{"5533-1-02": {"a_test.go"}}
	for _, tt := range []struct{ text, err string }{
		{"# Why.\n\n5533-1-01\tNobody can (5533-1-02).\n5533-1-04\tAs 5533-1-02.\n", ""},
		{"5533-1-01 5533-1-04\tNobody can (5533-1-02).\n", ""},
		{"5533-1-01 5533-1-05\tNobody can.", "no requirement has the id 5533-1-05"},
		{"5533-1-05\tNobody can.", "line 1: no requirement has the id 5533-1-05"},
		{"5533-*\tNobody can.", "no requirement has the id 5533-*"},
		{"\n5533-1-02\tNobody can.", "line 2: 5533-1-02 has a test, in a_test.go"},
		{"5533-1-03\tNobody can.", "5533-1-03 needs no reason, for its level is NOTE"},
		{"5533-1-01\tNobody can.\n5533-1-01\tNobody can.", "line 2: 5533-1-01 has a reason already"},
		{"5533-1-01\tNobody can (5533-1-04).", "the reason refers to 5533-1-04, which no test names"},
		{"5533-1-01", "not ids, a tab and a sentence"},
		{"5533-1-01\t", "not ids, a tab and a sentence"},
		{"5533-1-01\tNobody can", "not ids, a tab and a sentence"},
		{"5533-1-01\t Nobody can.", "not ids, a tab and a sentence"},
		{"5533-1-01\tNobody\tcan.", "not ids, a tab and a sentence"},
		{"5533-1-05\tNobody can.\n5533-1-06\tNobody can.", "line 2: no requirement has the id 5533-1-06"},
	} {
		why, err := parseReasons(tt.text, rows, found)
		switch {
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
			t.Errorf("%q: %v, want %q", tt.text, err, tt.err)
		case tt.err == "" && (err != nil || len(why) != 2 || why["5533-1-01"] != "Nobody can (5533-1-02)."):
			t.Errorf("%q: %v, %v", tt.text, why, err)
		}
	}
}

// The tree's own tests name only requirements of the table, each requirement has a test or a
// reason, and the table is complete.
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
