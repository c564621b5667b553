// SPDX-License-Identifier: GPL-2.0

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// fetchStock fetches Debian's newest kernel of a series and its headers, and
// unpacks them into the cache: nothing is installed.
func (c *cache) fetchStock(name string, kind kernelKind, key string, old *kernel, p *progress) (*kernel, error) {
	if err := aptUpdate(nil); err != nil {
		return nil, err
	}
	dep, err := aptField(nil, kind.meta, "Depends")
	if err != nil {
		return nil, err
	}
	images := depends(dep, "linux-image-"+name)
	if len(images) == 0 {
		return nil, fmt.Errorf("%s depends on %q, which is no kernel %s: this needs the package lists of Debian 12", kind.meta, dep, name)
	}
	image := images[0]
	release := strings.TrimPrefix(image, "linux-image-")
	version, err := aptField(nil, image, "Version")
	if err != nil {
		return nil, err
	}
	if old != nil && old.Version == version {
		return old, nil
	}
	headers := "linux-headers-" + release
	dep, err = aptField(nil, headers, "Depends")
	if err != nil {
		return nil, err
	}
	pkgs := append([]string{image, headers}, depends(dep, "linux-headers-")...)
	pkgs = append(pkgs, depends(dep, "linux-kbuild-")...)

	dir := c.kernelDir(name, version, key)
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	root := filepath.Join(dir, "root")
	debs, err := aptDownload(p, nil, filepath.Join(dir, "debs"), c.path("logs", name+"-download.log"), pkgs...)
	if err != nil {
		return nil, err
	}
	for _, d := range debs {
		cmd := exec.Command("dpkg-deb", "-x", d, root)
		if err := p.run("unpacking "+filepath.Base(d), c.path("logs", name+"-unpack.log"), cmd); err != nil {
			return nil, err
		}
	}
	os.RemoveAll(filepath.Join(dir, "debs"))

	k := &kernel{
		Name: name, Version: version, Release: release, Key: key,
		Image:   filepath.Join(dir, "vmlinux"),
		Initrd:  filepath.Join(dir, "initrd"),
		Build:   filepath.Join(root, "usr/src", headers),
		Source:  filepath.Join(root, "usr/src", headers),
		Modules: root,
	}
	if err := relocate(k.Build, root); err != nil {
		return nil, err
	}
	if err := unpackImage(filepath.Join(root, "boot/vmlinuz-"+release), k.Image); err != nil {
		return nil, err
	}
	cmd := exec.Command("depmod", "-b", root, release)
	if err := p.run("depmod", c.path("logs", name+"-depmod.log"), cmd); err != nil {
		return nil, err
	}
	return k, makeInitrd(k, filepath.Join(dir, "initramfs"))
}

// relocate makes headers that expect to live in /usr/src work below root.
func relocate(build, root string) error {
	file := filepath.Join(build, "Makefile")
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	b = bytes.ReplaceAll(b, []byte(" /usr/"), []byte(" "+root+"/usr/"))
	return os.WriteFile(file, b, 0o644)
}

// unpackImage takes the ELF kernel out of a bzImage (Documentation/arch/x86/
// boot.rst has the offsets), because unpacking it in an emulated machine
// takes seconds at every boot.
func unpackImage(bzImage, vmlinux string) error {
	b, err := os.ReadFile(bzImage)
	if err != nil {
		return err
	}
	bad := fmt.Errorf("%s is not a bzImage that this can unpack", bzImage)
	if len(b) < 0x250 || string(b[0x202:0x206]) != "HdrS" {
		return bad
	}
	start := (uint64(b[0x1f1])+1)*512 + uint64(binary.LittleEndian.Uint32(b[0x248:]))
	length := uint64(binary.LittleEndian.Uint32(b[0x24c:]))
	if length < 8 || start+length > uint64(len(b)) {
		return bad
	}
	// The last four octets are the unpacked size, not part of the stream.
	payload := b[start : start+length-4]
	var tool string
	switch {
	case bytes.HasPrefix(payload, []byte("\xfd7zXZ\x00")):
		tool = "xz"
	case bytes.HasPrefix(payload, []byte("\x28\xb5\x2f\xfd")):
		tool = "zstd"
	default:
		return bad
	}
	out, err := os.Create(vmlinux)
	if err != nil {
		return err
	}
	defer out.Close()
	var msg bytes.Buffer
	cmd := exec.Command(tool, "-dc")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(payload), out, &msg
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w: %s: %s", bad, tool, strings.TrimSpace(msg.String()))
	}
	return out.Close()
}

// initrdModules are the modules that the guest needs to see the host's files.
var initrdModules = []string{"virtio_pci", "9pnet_virtio", "9p", "overlay", "virtio_rng"}

// initrdInit is the guest's first program: it mounts the host's files under an
// overlay and goes on with guest/init from there.
const initrdInit = `#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t devtmpfs dev /dev
for w in $($b cat /proc/cmdline); do
	case $w in
	vm_dir=*|vm_init=*|vm_leaks=*) export "$w" ;;
	vm_probe) echo vm-probe-ok >/dev/console; $b poweroff -f ;;
	esac
done
while read -r m; do $b insmod /modules/$m || echo "vm: insmod $m failed"; done </modules/order
o=trans=virtio,version=9p2000.L,msize=512000
$b mount -t 9p -o $o,cache=loose,ro host /host &&
$b mount -t tmpfs -o mode=755 tmpfs /over && $b mkdir /over/up /over/work &&
$b mount -t overlay -o lowerdir=/host,upperdir=/over/up,workdir=/over/work,xino=off,index=off overlay /new &&
$b mount -t 9p -o $o,cache=none out "/new$vm_dir" || {
	echo "vm: the host's files can't be mounted"
	$b poweroff -f
}
$b umount /proc
$b mount --move /dev /new/dev
exec $b switch_root /new /bin/sh "$vm_init" booted
`

func makeInitrd(k *kernel, dir string) error {
	for _, d := range []string{"bin", "dev", "proc", "modules", "host", "over", "new"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return err
		}
	}
	box, err := os.ReadFile("/bin/busybox")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "bin/busybox"), box, 0o755); err != nil {
		return err
	}
	args := append([]string{"-d", k.Modules, "-S", k.Release, "--show-depends", "-a"}, initrdModules...)
	out, err := exec.Command("modprobe", args...).Output()
	if err != nil {
		return fmt.Errorf("kernel %s lacks a module that the guest needs (%s): %w",
			k.Release, strings.Join(initrdModules, " "), err)
	}
	var order strings.Builder
	seen := map[string]bool{}
	for _, l := range strings.Split(string(out), "\n") {
		f := strings.Fields(l)
		if len(f) < 2 || f[0] != "insmod" || seen[f[1]] {
			continue // built in, or there already
		}
		seen[f[1]] = true
		name, err := copyModule(f[1], filepath.Join(dir, "modules"))
		if err != nil {
			return err
		}
		fmt.Fprintln(&order, name)
	}
	if err := os.WriteFile(filepath.Join(dir, "modules/order"), []byte(order.String()), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "init"), []byte(initrdInit), 0o755); err != nil {
		return err
	}
	sh := exec.Command("sh", "-c", `find . | cpio --quiet -o -H newc >"$1"`, "sh", k.Initrd)
	sh.Dir = dir
	if out, err := sh.CombinedOutput(); err != nil {
		return errors.New("cpio: " + string(out))
	}
	return nil
}

// copyModule copies a module, unpacked, into dir and returns its file name.
func copyModule(file, dir string) (string, error) {
	name := filepath.Base(file)
	b, err := os.ReadFile(file)
	if strings.HasSuffix(name, ".xz") {
		name = strings.TrimSuffix(name, ".xz")
		b, err = exec.Command("xz", "-dc", file).Output()
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	return name, os.WriteFile(filepath.Join(dir, name), b, 0o644)
}
