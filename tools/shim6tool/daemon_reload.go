// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"shim6/daemon/config"
)

func init() {
	register(command{
		object: "daemon", verb: "reload", order: changes, help: "ask shim6d to read its configuration again", form: daemonReload,
	})
}

func daemonReload(t *tool) form {
	return form{run: func([]string) error { return t.daemonReload() }}
}

// daemonReload checks the configuration first: shim6d would tell only its log what is wrong with
// it.
func (t *tool) daemonReload() error {
	s, err := t.askStatus()
	if err != nil {
		return err
	}
	// The process may have an /etc of its own: see ip-netns(8).
	path := filepath.Join(t.root, "proc", strconv.Itoa(s.PID), "root", s.Config)
	if t.netns != "" && s.Config == "/"+defaultConfig {
		path = t.configPath()
	}
	if b, err := os.ReadFile(path); err == nil {
		if _, err := config.Parse(s.Config, string(b)); err != nil {
			return fmt.Errorf("%w; shim6d goes on with the configuration that it has", err)
		}
	}
	name, err := os.ReadFile(filepath.Join(t.root, "proc", strconv.Itoa(s.PID), "comm"))
	if err != nil || strings.TrimSpace(string(name)) != "shim6d" {
		return fmt.Errorf("shim6d says that it is process %d, which is another program here: is shim6d in a container? Send it SIGHUP there", s.PID)
	}
	if err := kill(s.PID, unix.SIGHUP); err != nil {
		return fmt.Errorf("sending SIGHUP to shim6d (process %d): %w ('systemctl reload shim6d' does it)", s.PID, err)
	}
	return nil
}

// kill is replaced by tests.
var kill = unix.Kill
