// SPDX-License-Identifier: GPL-2.0

// Package lab has what the runner of guests (tests/vm) and the scheduler of tests
// (tests/suite) share.
package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// CacheDir returns the absolute path of the cache, a folder that outlives a run. It need not
// exist.
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

// Quote returns s as one word for a shell.
func Quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
