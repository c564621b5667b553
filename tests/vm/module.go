// SPDX-License-Identifier: GPL-2.0

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// modules builds shim6.ko and the modules of -m for a kernel, and returns a folder to
// be mounted at /lib/modules/RELEASE in the guest. The cache keeps each module, and each
// set of modules, under a digest of its content.
func (c *cache) modules(o *options, k *kernel, p *progress) (string, error) {
	unlock, err := c.lock("module-"+k.Name, p)
	if err != nil {
		return "", err
	}
	defer unlock()

	set := sha256.New()
	var files []string
	for _, m := range append([]string{""}, o.modules...) {
		built, err := c.module(o, k, m, p)
		if err != nil {
			return "", err
		}
		ko, _ := filepath.Glob(filepath.Join(built, "*.ko"))
		files = append(files, ko...)
		fmt.Fprintln(set, built)
	}
	dir := c.path("modules", k.Name+"_set-"+digest(set))
	tree := filepath.Join(dir, "lib/modules", k.Release)
	if complete(dir) {
		return tree, nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	updates := filepath.Join(tree, "updates")
	if err := os.MkdirAll(updates, 0o755); err != nil {
		return "", err
	}
	if out, err := exec.Command("cp", append(files, updates)...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("copying modules: %s", out)
	}
	if err := layModules(k, dir, tree); err != nil {
		return "", err
	}
	for _, old := range globExcept(c.path("modules", k.Name+"_*"), dir) {
		if st, err := os.Stat(filepath.Join(old, "complete")); err == nil && !recent(st) {
			os.RemoveAll(old)
		}
	}
	return tree, os.WriteFile(filepath.Join(dir, "complete"), nil, 0o644)
}

// module builds the modules that the Kbuild of a folder names, or shim6.ko for "", and
// returns the folder that has them.
func (c *cache) module(o *options, k *kernel, from string, p *progress) (string, error) {
	name, sources := "shim6", []string{"Kbuild", "VERSION", "kernel"}
	if from == "" {
		from = o.repo
	} else {
		name, sources = filepath.Base(from), []string{"."}
	}
	h := sha256.New()
	fmt.Fprintln(h, recipe, k.Name, k.Version, k.Key, name)
	for _, f := range sources {
		fmt.Fprintln(h, f)
		if err := hashFiles(h, filepath.Join(from, f)); err != nil {
			return "", err
		}
	}
	dir := c.path("modules", k.Name+"_"+name+"-"+digest(h))
	if complete(dir) {
		return dir, nil
	}
	if err := c.room(64); err != nil {
		return "", err
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	args := []string{"-r"}
	for _, f := range sources {
		args = append(args, filepath.Join(from, f))
		if f == "." {
			args[len(args)-1] = from + "/."
		}
	}
	if out, err := exec.Command("cp", append(args, dir)...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("copying the source of %s: %s", name, out)
	}
	make := []string{"-C", k.Build, "M=" + dir, "KCFLAGS=-Werror", fmt.Sprintf("-j%d", o.jobs), "modules"}
	if k.UML {
		make = append(make, "ARCH=um")
	}
	if err := p.run("building "+name+".ko for "+k.Release, c.path("logs", k.Name+"-"+name+".log"), exec.Command("make", make...)); err != nil {
		return "", err
	}
	if ko, _ := filepath.Glob(filepath.Join(dir, "*.ko")); len(ko) == 0 {
		return "", fmt.Errorf("the Kbuild of %s made no module", name)
	}
	return dir, os.WriteFile(filepath.Join(dir, "complete"), nil, 0o644)
}

// complete tells whether a folder of the cache is complete, and marks it as used, so that it
// is not removed.
func complete(dir string) bool {
	now := time.Now()
	return os.Chtimes(filepath.Join(dir, "complete"), now, now) == nil
}

// digest is the name of a folder, made of its contents.
func digest(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil))[:16] }

// layModules makes the tree that modprobe reads: a link to the kernel's own modules,
// and ours beside it, in updates.
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

// buildTools builds the project's programs, where the guest finds them.
func buildTools(repo string) error {
	cmd := exec.Command("make", "-s", "test-programs")
	cmd.Dir = repo
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the tools: %w\n%s", err, out)
	}
	return nil
}
