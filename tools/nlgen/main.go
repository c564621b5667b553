// SPDX-License-Identifier: BSD-3-Clause

// Command nlgen makes all that is made from netlink/shim6.yaml: the uapi
// header, the kernel's policies and operations, and the Go constants.
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

// specPath is the specification, below the repository.
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
	var drifted []string
	for path, text := range files {
		file := filepath.Join(repo, path)
		if check {
			if d := difference(path, file, text); d != "" {
				drifted = append(drifted, d)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, text, 0o644); err != nil {
			return err
		}
	}
	if len(drifted) > 0 {
		sort.Strings(drifted)
		return fmt.Errorf("not what %s says (run make generate):\n%s", specPath, strings.Join(drifted, "\n"))
	}
	return nil
}

// difference says where a file first differs from what it should be, or "".
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
