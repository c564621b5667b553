// SPDX-License-Identifier: BSD-3-Clause

// Command nlgen generates everything that comes from netlink/shim6.yaml: the uapi header, the
// kernel's attribute policies and operations, and the Go constants.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// specPath is the specification's path in the repository.
const specPath = "netlink/shim6.yaml"

func main() {
	repo := flag.String("repo", ".", "the repository's `folder`")
	source := flag.String("kernel-source", "", "a `folder` with the source of Linux 6.12, for the C files")
	goOnly := flag.Bool("go", false, "only the Go file")
	check := flag.Bool("check", false, "write nothing; fail if a file differs from what would be written")
	flag.Parse()
	if err := run(*repo, *source, *goOnly, *check); err != nil {
		fmt.Fprintf(os.Stderr, "nlgen: %v\n", err)
		os.Exit(1)
	}
}

func run(repo, source string, goOnly, check bool) error {
	text, err := os.ReadFile(filepath.Join(repo, specPath))
	if err != nil {
		return fmt.Errorf("%w; run it in the repository, or give -repo", err)
	}
	s, err := parseSpec(text)
	if err != nil {
		return fmt.Errorf("%s: %w", specPath, err)
	}
	files := map[string][]byte{}
	if !goOnly {
		if source == "" {
			return fmt.Errorf("the C files need -kernel-source; `make generate` gives it, and -go makes the Go file alone")
		}
		if files, err = generateC(repo, source); err != nil {
			return err
		}
	}
	if files["netlink/shim6_gen.go"], err = generateGo(s); err != nil {
		return err
	}
	if check {
		return compare(repo, files)
	}
	for path, text := range files {
		file := filepath.Join(repo, path)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// compare returns an error that names each file that differs from what it should be.
func compare(repo string, files map[string][]byte) error {
	var drifted []string
	for path, text := range files {
		if d := difference(path, filepath.Join(repo, path), text); d != "" {
			drifted = append(drifted, d)
		}
	}
	if len(drifted) == 0 {
		return nil
	}
	sort.Strings(drifted)
	return fmt.Errorf("not what %s says (run make generate):\n%s", specPath, strings.Join(drifted, "\n"))
}

// difference returns the first line in which a file differs from what it should be, "" if there is
// none.
func difference(path, file string, want []byte) string {
	got, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	if bytes.Equal(got, want) {
		return ""
	}
	g, w := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := 0; ; i++ {
		switch {
		case i >= len(g) || i >= len(w):
			return fmt.Sprintf("%s: %d lines, wanted %d", path, len(g), len(w))
		case g[i] != w[i]:
			return fmt.Sprintf("%s:%d:\n\t-%s\n\t+%s", path, i+1, g[i], w[i])
		}
	}
}
