// SPDX-License-Identifier: BSD-3-Clause

package examples

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The script updates the zone when the addresses have changed, and again if that has failed; and
// not when there is nothing to publish.
func TestDNS(t *testing.T) {
	script, err := filepath.Abs("dns/shim6-dns")
	if err != nil {
		t.Fatal(err)
	}
	bin, folder := t.TempDir(), t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// run returns what nsupdate was called with.
	run := func() string {
		t.Helper()
		done := filepath.Join(bin, "done")
		if err := os.WriteFile(done, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(script, "www", "example.org", "-k", "key")
		cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "RUNTIME_DIRECTORY="+folder, "DONE="+done)
		// It may fail.
		_ = cmd.Run()
		return read(t, done)
	}
	address := func(a string) { write("shim6tool", `echo "$* `+a+`"`) }
	const update = `echo "$1 $2: $(cat "$3")" >>"$DONE"`
	const first, second = "-k key: locator dns www nsupdate example.org 1::1\n", "-k key: locator dns www nsupdate example.org 2::2\n"
	write("nsupdate", update)
	address("1::1")
	for _, want := range []string{first, ""} {
		if got := run(); got != want {
			t.Errorf("it tells %q, wanted %q", got, want)
		}
	}
	address("2::2")
	write("nsupdate", update+"\nexit 2")
	for range 2 {
		if got := run(); got != second {
			t.Errorf("while the name server refuses it tells %q", got)
		}
	}
	write("nsupdate", update)
	write("shim6tool", "exit 2")
	if got := run(); got != "" {
		t.Errorf("of nothing it tells %q", got)
	}
	address("2::2")
	if got := run(); got != second {
		t.Errorf("in the end it tells %q", got)
	}
}

// The units are good, and call the script as it wants to be called.
func TestDNSUnits(t *testing.T) {
	unit := read(t, "dns/shim6-dns.service")
	if !strings.Contains(unit, "\nExecStart=/usr/local/sbin/shim6-dns www.example.org. example.org. -k ") {
		t.Error("the service does not call the script with a name, a zone and a key")
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		missing(t, "no systemd-analyze, which reads units")
		return
	}
	folder := t.TempDir()
	// The program must be there.
	unit = strings.ReplaceAll(unit, "/usr/local/sbin/shim6-dns", "/bin/true")
	for name, text := range map[string]string{"shim6-dns.service": unit, "shim6-dns.timer": read(t, "dns/shim6-dns.timer")} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(analyze, "verify", "--man=no", filepath.Join(folder, "shim6-dns.service"), filepath.Join(folder, "shim6-dns.timer"))
	cmd.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+folder+":")
	if out := output(t, cmd); strings.Contains(out, "shim6-dns") {
		t.Errorf("systemd-analyze says %s", out)
	}
}
