// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"shim6/daemon/control"
)

func init() {
	register(command{
		object: "hook", verb: "run", order: changes, args: "[FOLDER]",
		help: "read an alarm of shim6d from the standard input, and call its command", form: hookRun,
	})
}

// hookFolder is where hooks are if no folder is named.
const hookFolder = "etc/shim6/hooks"

func hookRun(t *tool) form {
	folder := filepath.Join(t.root, hookFolder)
	return form{word: &folder, run: func([]string) error { return t.runHook(folder) }}
}

// runHook calls the command of an alarm, with the alarm on its standard input as it came. Without a
// command it does nothing.
func (t *tool) runHook(folder string) error {
	b, err := io.ReadAll(io.LimitReader(t.in, control.MaxAlarmLength+1))
	if err != nil {
		return fmt.Errorf("reading the alarm: %w", err)
	}
	if len(b) > control.MaxAlarmLength {
		return fmt.Errorf("an alarm has no more than %d octets: this is none of shim6d", control.MaxAlarmLength)
	}
	var a control.Alarm
	if err := json.Unmarshal(b, &a); err != nil {
		return fmt.Errorf("the standard input is no alarm of shim6d: %w ('shim6tool hook example' prints one)", err)
	}
	// The name becomes a part of a path.
	if !slices.Contains(control.Alarms, a.Alarm) {
		return fmt.Errorf("shim6tool knows no alarm %q: those of this version are %s", a.Alarm, strings.Join(control.Alarms, ", "))
	}
	path := filepath.Join(folder, "on-"+a.Alarm)
	cmd := exec.Command(path)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(b), t.out, t.err
	cmd.Env = append(os.Environ(), "SHIM6_ALARM="+a.Alarm)
	err = cmd.Run()
	if _, gone := os.Stat(path); errors.Is(gone, fs.ErrNotExist) {
		return nil
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s can't be called: 'chmod 755 %s' lets everybody call it", path, path)
	case err != nil:
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
