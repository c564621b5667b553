// SPDX-License-Identifier: GPL-2.0

package main

import (
	"encoding/json"
	"os"
	"path/filepath"

	"shim6/tests/lab"
)

// costs has how long each part took when it last passed, in seconds. It is kept in the cache.
type costs map[string]float64

// costsFile is the file that keeps the costs, or "" if there is no place for it.
func costsFile() string {
	dir, err := lab.CacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "costs.json")
}

// loadCosts returns the costs that are known: none, the first time.
func loadCosts() costs {
	c := costs{}
	if b, err := os.ReadFile(costsFile()); err == nil && json.Unmarshal(b, &c) != nil {
		c = costs{}
	}
	return c
}

// apply replaces guesses by known costs. A kernel that is in the cache costs next to nothing;
// the guess is for one that is not.
func (c costs) apply(parts []*part) {
	for _, p := range parts {
		if s, ok := c[p.name]; ok {
			p.cost = s
		}
	}
}

// store keeps the costs of parts that have passed. An error does not matter: there are guesses.
func (c costs) store(parts []*part) {
	for _, p := range parts {
		if p.state == passed {
			c[p.name] = p.seconds
		}
	}
	file := costsFile()
	b, err := json.MarshalIndent(c, "", "\t")
	if file == "" || err != nil || os.MkdirAll(filepath.Dir(file), 0o755) != nil {
		return
	}
	if os.WriteFile(file+".new", b, 0o644) == nil {
		os.Rename(file+".new", file)
	}
}
