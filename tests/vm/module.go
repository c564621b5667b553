// SPDX-License-Identifier: GPL-2.0

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// modules builds shim6.ko and the modules of -m for a kernel, and returns a
// folder to be mounted at /lib/modules/RELEASE in the guest.
func (c *cache) modules(o *options, k *kernel, p *progress) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, recipe, k.Name, k.Version, k.Key)
	for _, f := range []string{"Kbuild", "VERSION"} {
		b, err := os.ReadFile(filepath.Join(o.repo, f))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %d\n%s", f, len(b), b)
	}
	dirs := append([]string{filepath.Join(o.repo, "kernel")}, o.modules...)
	for _, d := range dirs {
		fmt.Fprintln(h, filepath.Base(d))
		if err := hashFiles(h, d); err != nil {
			return "", err
		}
	}
	id := hex.EncodeToString(h.Sum(nil))[:16]
	unlock, err := c.lock("module-"+k.Name, p)
	if err != nil {
		return "", err
	}
	defer unlock()

	dir := c.path("modules", k.Name+"_"+id)
	tree := filepath.Join(dir, "lib/modules", k.Release)
	if _, err := os.Stat(filepath.Join(dir, "complete")); err == nil {
		return tree, nil
	}
	if err := c.room(64); err != nil {
		return "", err
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	updates := filepath.Join(tree, "updates")
	if err := os.MkdirAll(updates, 0o755); err != nil {
		return "", err
	}
	shim6 := filepath.Join(dir, "build/shim6")
	copyTree := exec.Command("sh", "-c", `mkdir -p "$2" && cp -r "$1/Kbuild" "$1/VERSION" "$1/kernel" "$2"`, "sh", o.repo, shim6)
	if out, err := copyTree.CombinedOutput(); err != nil {
		return "", fmt.Errorf("copying the module's source: %s", out)
	}
	builds := []string{shim6}
	for _, m := range o.modules {
		to := filepath.Join(dir, "build", filepath.Base(m))
		if out, err := exec.Command("cp", "-r", m, to).CombinedOutput(); err != nil {
			return "", fmt.Errorf("copying %s: %s", m, out)
		}
		builds = append(builds, to)
	}
	for _, b := range builds {
		args := []string{"-C", k.Build, "M=" + b, "KCFLAGS=-Werror", fmt.Sprintf("-j%d", runtime.NumCPU()), "modules"}
		if k.UML {
			args = append(args, "ARCH=um")
		}
		name := filepath.Base(b)
		if err := p.run("building "+name+".ko for "+k.Release, c.path("logs", k.Name+"-"+name+".log"), exec.Command("make", args...)); err != nil {
			return "", err
		}
		ko, _ := filepath.Glob(filepath.Join(b, "*.ko"))
		if len(ko) == 0 {
			return "", fmt.Errorf("the Kbuild of %s made no module", name)
		}
		for _, f := range ko {
			if out, err := exec.Command("cp", f, updates).CombinedOutput(); err != nil {
				return "", fmt.Errorf("copying %s: %s", f, out)
			}
		}
	}
	if err := layModules(k, dir, tree); err != nil {
		return "", err
	}
	for _, old := range globExcept(c.path("modules", k.Name+"_*"), dir) {
		if st, err := os.Stat(old); err == nil && !recent(st) {
			os.RemoveAll(old)
		}
	}
	return tree, os.WriteFile(filepath.Join(dir, "complete"), nil, 0o644)
}

// layModules makes the tree that modprobe reads: the kernel's own modules by a
// link, ours beside them in updates.
func layModules(k *kernel, dir, tree string) error {
	own := filepath.Join(k.Modules, "lib/modules", k.Release)
	if _, err := os.Stat(filepath.Join(own, "kernel")); err == nil {
		if err := os.Symlink(filepath.Join(own, "kernel"), filepath.Join(tree, "kernel")); err != nil {
			return err
		}
	}
	for _, f := range []string{"modules.order", "modules.builtin", "modules.builtin.modinfo"} {
		b, err := os.ReadFile(filepath.Join(own, f))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(tree, f), b, 0o644); err != nil {
			return err
		}
	}
	if out, err := exec.Command("depmod", "-b", dir, k.Release).CombinedOutput(); err != nil {
		return fmt.Errorf("depmod: %s", out)
	}
	dep, err := os.ReadFile(filepath.Join(tree, "modules.dep"))
	if err == nil && !strings.Contains(string(dep), "updates/shim6.ko") {
		err = fmt.Errorf("depmod did not list shim6.ko in %s", tree)
	}
	return err
}

// buildTools puts the project's programs where the guest finds them.
func buildTools(repo string) error {
	cmd := exec.Command("make", "-s", "test-programs")
	cmd.Dir = repo
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the tools: %w\n%s", err, out)
	}
	return nil
}
