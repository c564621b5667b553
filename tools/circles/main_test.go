// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestCircles(t *testing.T) {
	const empty = "/* nothing */\n"
	tests := []struct {
		name  string
		files map[string]string
		want  string // part of the error, "" for none
	}{
		{"one way", map[string]string{
			"a.c": "int a(void)\n{\n\treturn b();\n}\n",
			"b.c": "int b(void)\n{\n\treturn 0; /* a() calls it, \"a()\" too */\n}\n",
			"a.h": empty,
		}, ""},
		{"a static function of the same name is another function", map[string]string{
			"a.c": "static int c(void)\n{\n\treturn b();\n}\n",
			"b.c": "int b(void)\n{\n\treturn c();\n}\n",
			"a.h": empty,
		}, ""},
		{"two files", map[string]string{
			"a.c": "struct x *\na(int one,\n  int two)\n{\n\treturn b();\n}\n",
			"b.c": "int __init b(void)\n{\n\treturn a(1, 2);\n}\n",
			"a.h": empty,
		}, "a.c uses b.c: b"},
		{"three files, by a pointer to a function", map[string]string{
			"a.c": "int a(void)\n{\n\treturn b();\n}\n",
			"b.c": "int b(void)\n{\n\treturn c();\n}\n",
			"c.c": "static const struct ops o = { .call = a };\nint c(void)\n{\n\treturn 0;\n}\n",
			"d.c": "int d(void)\n{\n\treturn a();\n}\n",
			"a.h": empty,
		}, "form a circle: a.c b.c c.c\n"},
		{"headers", map[string]string{
			"a.c": empty,
			"a.h": "#include \"b.h\"\n",
			"b.h": "#include <linux/types.h>\n#include \"a.h\"\n",
		}, "form a circle: a.h b.h\n"},
		{"no file", map[string]string{"a.h": empty}, "there is no *.c"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			err := run(&out, folder(t, test.files), true)
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v, wanted %q", err, test.want)
			}
		})
	}
}
