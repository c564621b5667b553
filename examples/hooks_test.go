// SPDX-License-Identifier: BSD-3-Clause

package examples

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The hooks do what they say with the alarms that 'shim6tool hook example' prints.
func TestHooks(t *testing.T) {
	if _, err := exec.LookPath("jq"); err != nil {
		missing(t, err.Error())
	}
	folder, err := filepath.Abs("hooks")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin, "shim6/tools/shim6tool")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// This prints what it is called with, and what it reads.
	if err := os.WriteFile(filepath.Join(bin, "curl"), []byte("#!/bin/sh\necho \"$*\"\ncat\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	example := func(alarm string) string {
		t.Helper()
		out, err := exec.Command("shim6tool", "hook", "example", alarm).Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	call := func(alarm string) string {
		t.Helper()
		cmd := exec.Command("shim6tool", "hook", "run", folder)
		cmd.Stdin = strings.NewReader(alarm)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	mail := call(example("unprotected"))
	for _, want := range []string{"--upload-file -\nFrom: root@localhost\nTo: root@localhost\nSubject: Shim6 on ", ": unprotected, 1 without protection\n\n2001:db8:1::a 2001:db8:f::b is not protected: we have one provider"} {
		if !strings.Contains(mail, want) {
			t.Errorf("the mail lacks %q:\n%s", want, mail)
		}
	}
	alarm := example("switch")
	if told := call(alarm); !strings.HasSuffix(told, "--data-binary @- https://alarms.example.org/shim6\n"+alarm) {
		t.Errorf("the server is told by %s", told)
	}
}
