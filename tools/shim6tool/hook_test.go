// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shim6/daemon/control"
)

// hook makes a command below the root of a world.
func (w *world) hook(t *testing.T, alarm, script string, mode os.FileMode) string {
	t.Helper()
	name := hookFolder + "/on-" + alarm
	w.write(t, name, "#!/bin/sh\n"+script+"\n")
	path := filepath.Join(w.root, name)
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// Each alarm has an example, and each example calls its own command, which reads it.
func TestHooks(t *testing.T) {
	w := &world{}
	for _, alarm := range control.Alarms {
		status, text, errs := callWorld(w, "hook", "example", alarm)
		var a control.Alarm
		if err := json.Unmarshal([]byte(text), &a); err != nil || status != 0 || a.Alarm != alarm || !a.Time.Equal(now.Truncate(1e6)) {
			t.Fatalf("%s: status %d, %v\n%s%s", alarm, status, err, text, errs)
		}
		if alarm == control.AlarmSwitch && len(a.Switches) != 1 || alarm != control.AlarmSwitch && len(a.Contexts) != 1 {
			t.Errorf("%+v", a)
		}
		w.hook(t, alarm, `echo "$SHIM6_ALARM $(cat)"`, 0o755)
		w.in = text
		if status, out, errs := callWorld(w, "hook", "run"); status != 0 || out != alarm+" "+text || errs != "" {
			t.Errorf("%s: status %d\n%s%s", alarm, status, out, errs)
		}
	}
	if status, out, _ := callWorld(w, "hook"); status != 0 || !strings.HasPrefix(out, `{"alarm":"switch"`) {
		t.Errorf("status %d\n%s", status, out)
	}
}

// An alarm without a command is none of our business. All else that is wrong is said.
func TestHooksFail(t *testing.T) {
	_, example, _ := callWorld(&world{}, "hook", "example")
	w := &world{in: example}
	w.write(t, "here", "")
	if status, out, errs := callWorld(w, "hook", "run"); status != 0 || out+errs != "" {
		t.Errorf("without a command: status %d\n%s%s", status, out, errs)
	}
	folder := w.root + "/mine"
	w.write(t, "mine/on-switch", "#!/bin/sh\nexit 3\n")
	for _, c := range []struct {
		name, in, want string
		mode           os.FileMode
		args           []string
		status         int
	}{
		{"a command that fails", example, folder + "/on-switch: exit status 3\n", 0o755, []string{folder}, exitRefused},
		{"a command without rights", example, "'chmod 755 " + folder + "/on-switch'", 0o644, []string{folder}, exitRefused},
		{"no alarm", "hello", "the standard input is no alarm of shim6d: ", 0o755, nil, exitRefused},
		{"nothing", "", "'shim6tool hook example' prints one", 0o755, nil, exitRefused},
		{"an alarm of another version", `{"alarm":"../../evil"}`, `shim6tool knows no alarm "../../evil": those of this version are switch, unprotected, restored`, 0o755, nil, exitRefused},
		{"too long", strings.Repeat(" ", control.MaxAlarmLength+1), "an alarm has no more than 1048576 octets", 0o755, nil, exitRefused},
		{"two folders", example, "hook run takes no", 0o755, []string{"a", "b"}, exitUsage},
	} {
		if err := os.Chmod(folder+"/on-switch", c.mode); err != nil {
			t.Fatal(err)
		}
		w.in = c.in
		if status, out, errs := callWorld(w, append([]string{"hook", "run"}, c.args...)...); status != c.status || out != "" || !strings.Contains(errs, c.want) {
			t.Errorf("%s: status %d\n%s%s", c.name, status, out, errs)
		}
	}
	if status, _, errs := callWorld(w, "hook", "example", "fire"); status != exitUsage || !strings.Contains(errs, "it is one of switch, unprotected, restored") {
		t.Errorf("status %d\n%s", status, errs)
	}
}
