// SPDX-License-Identifier: GPL-2.0

package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// counter compiles the plugin by which QEMU counts what a guest does (-t counted), and returns
// its file. The cache keeps it under a digest of its source.
func (c *cache) counter(repo string, p *progress) (string, error) {
	source := filepath.Join(repo, "tests/vm/counter/references.c")
	text, err := os.ReadFile(source)
	if err != nil {
		return "", err
	}
	unlock, err := c.lock("counter", p)
	if err != nil {
		return "", err
	}
	defer unlock()
	h := sha256.New()
	h.Write(text)
	file := c.path("counter", digest(h)+".so")
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return "", err
	}
	// A compiler that is interrupted leaves no file of this name.
	cmd := exec.Command("gcc", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", file+".new", source)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("compiling %s: %w\n%s", source, err, out)
	}
	return file, os.Rename(file+".new", file)
}
