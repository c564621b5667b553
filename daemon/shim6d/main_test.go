// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shim6/daemon/config"
)

func TestRun(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, bad := write("good", "[log]\nlevel = 'debug'\n"), write("bad", "\ncolour = 1\n")
	for _, c := range []struct {
		args        []string
		status      int
		out, errors string
	}{
		{[]string{"-check", "-config", good}, 0, good + ": ok\n", ""},
		{[]string{"--check", "-c", good}, 0, good + ": ok\n", ""},
		{[]string{"-check", "-c", bad}, exitFailed, "", "shim6d: " + bad + ":2: colour: there is no such key: "},
		{[]string{"-check", "-c", dir + "/none"}, exitFailed, "", "shim6d: " + dir + "/none: can't be read: no such file or directory\n"},
		{[]string{"-c", bad}, exitFailed, "", "shim6d: " + bad + ":2: colour"},
		{[]string{"-colour"}, exitUsage, "", "shim6d: flag provided but not defined: -colour\nshim6d: 'shim6d -help' lists the options\n"},
		{[]string{"now"}, exitUsage, "", "shim6d: \"now\": there are options only\n"},
		{[]string{"-version"}, 0, "shim6d version " + version + "\n", ""},
		{[]string{"-help"}, 0, usage, ""},
	} {
		var out, errs strings.Builder
		status := run(append([]string{"shim6d"}, c.args...), &out, &errs)
		if status != c.status || !strings.HasPrefix(out.String(), c.out) || !strings.HasPrefix(errs.String(), c.errors) {
			t.Errorf("%v: status %d\n%s%s", c.args, status, &out, &errs)
		}
	}
}

// The default configuration may be absent. A file that was named may not.
func TestReadDefault(t *testing.T) {
	dir := t.TempDir()
	if c, err := read(dir+"/none", false); err != nil || c.StateDirectory != config.DefaultStateDirectory {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := read(dir+"/none", true); err == nil {
		t.Error("a file that was named is absent, and nobody says so")
	}
	path := dir + "/conf"
	if err := os.WriteFile(path, []byte("[[set]]\npds = 'none'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := read(path, false); err == nil {
		t.Error("a file of the configuration is absent, and nobody says so")
	}
}

func TestLog(t *testing.T) {
	for _, c := range []struct{ format, journal, want string }{
		{"text", "", "time="},
		{"text", "8:1", "level=INFO msg=hello\n"},
		{"json", "8:1", `{"level":"INFO","msg":"hello"}` + "\n"},
	} {
		t.Setenv("JOURNAL_STREAM", c.journal)
		var b strings.Builder
		cfg := config.Default()
		cfg.Log.Format = c.format
		l := newLog(cfg, &b)
		l.Debug("not this")
		l.Info("hello")
		if !strings.HasPrefix(b.String(), c.want) || strings.Contains(b.String(), "not this") {
			t.Errorf("%+v: %q", c, b.String())
		}
		l.level.Set(-4)
		l.Debug("now this")
		if !strings.Contains(b.String(), "now this") {
			t.Errorf("%+v: after the level has changed: %q", c, b.String())
		}
	}
}
