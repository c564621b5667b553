// SPDX-License-Identifier: GPL-2.0

// Package lab is what the runner of guests (tests/vm) and the scheduler of tests
// (tests/suite) have in common.
package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// CacheDir returns the folder that outlives a run, as an absolute path. It need not exist.
func CacheDir() (string, error) {
	dir := os.Getenv("SHIM6_CACHE")
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("no place for the cache: %w; set SHIM6_CACHE", err)
		}
		dir = filepath.Join(base, "shim6")
	}
	return filepath.Abs(dir)
}

// Quote makes one word of s for a shell.
func Quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
