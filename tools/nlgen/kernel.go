// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// generateC returns the C files by path. The kernel's own generator makes them; it is that of
// Linux 6.12, so that its output changes only when we want it to.
func generateC(repo, source string) (map[string][]byte, error) {
	gen := filepath.Join(source, "tools/net/ynl/ynl-gen-c.py")
	if _, err := os.Stat(gen); err != nil {
		return nil, fmt.Errorf("-kernel-source %s: %w; it must be the source of Linux 6.12", source, err)
	}
	root, err := os.MkdirTemp("", "nlgen")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(root)
	specFile, err := laySpec(repo, source, root)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, f := range []struct {
		path string
		args []string
	}{
		{"kernel/uapi/linux/shim6.h", []string{"--mode", "uapi", "--header"}},
		{"kernel/netlink_gen.h", []string{"--mode", "kernel", "--header"}},
		{"kernel/netlink_gen.c", []string{"--mode", "kernel", "--source"}},
	} {
		out := filepath.Join(root, filepath.Base(f.path))
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		args := append([]string{gen, "--spec", specFile, "-o", out}, f.args...)
		msg, err := exec.CommandContext(ctx, "/usr/bin/python3", args...).CombinedOutput()
		cancel()
		if err != nil {
			return nil, fmt.Errorf("the kernel's generator failed on %s (it needs python3-yaml and python3-jsonschema): %w\n%s", specPath, err, msg)
		}
		text, err := os.ReadFile(out)
		if err != nil {
			return nil, err
		}
		files[f.path] = touchUp(f.path, text)
	}
	return files, nil
}

// laySpec copies the specification and the schema into root, which then looks like a kernel tree
// to the generator. It returns the specification's path.
func laySpec(repo, source, root string) (string, error) {
	dir := filepath.Join(root, "Documentation/netlink")
	if err := os.MkdirAll(filepath.Join(dir, "specs"), 0o755); err != nil {
		return "", err
	}
	// The generator walks up until it sees this file. Without it, it would never stop.
	if err := os.WriteFile(filepath.Join(root, "MAINTAINERS"), nil, 0o644); err != nil {
		return "", err
	}
	schema, err := os.ReadFile(filepath.Join(source, "Documentation/netlink/genetlink.yaml"))
	if err != nil {
		return "", err
	}
	// The flag uns-admin-perm lets a container's own administrator write. The generator of
	// 6.12 knows it, but the schema of new families only that of later kernels.
	old, wanted := []byte("enum: [ admin-perm ]"), []byte("enum: [ admin-perm, uns-admin-perm ]")
	if !bytes.Contains(schema, wanted) {
		if !bytes.Contains(schema, old) {
			return "", fmt.Errorf("the schema %s/Documentation/netlink/genetlink.yaml lists no operation flags where nlgen looks for them", source)
		}
		schema = bytes.Replace(schema, old, wanted, 1)
	}
	if err := os.WriteFile(filepath.Join(dir, "genetlink.yaml"), schema, 0o644); err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(repo, specPath))
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "specs/shim6.yaml")
	return file, os.WriteFile(file, text, 0o644)
}

// touchUp replaces a kernel tree's paths by ours, and includes compat.h, so that old kernels
// compile the tables.
func touchUp(path string, text []byte) []byte {
	s := string(text)
	s = strings.Replace(s, "/*\tDocumentation/netlink/specs/shim6.yaml */", "/*\t"+specPath+" */", 1)
	s = strings.Replace(s, "/* To regenerate run: tools/net/ynl/ynl-regen.sh */\n", "", 1)
	s = strings.Replace(s, "/* YNL-GEN", "/* To regenerate run: make generate */\n/* YNL-GEN", 1)
	if strings.HasSuffix(path, ".c") {
		s = strings.Replace(s, "#include <net/netlink.h>", "#include \"compat.h\"\n\n#include <net/netlink.h>", 1)
	}
	return []byte(s)
}
