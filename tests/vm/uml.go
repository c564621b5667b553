// SPDX-License-Identifier: GPL-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// makeUML builds a User Mode kernel from Debian's source. A build that was interrupted
// continues: the name of its folder has all that the build depends on.
func (c *cache) makeUML(o *options, kind kernelKind, key string, old *kernel, p *progress) (*kernel, error) {
	var opts []string
	pkg := kind.source
	if pkg == "" {
		var err error
		if opts, err = c.unstable(); err != nil {
			return nil, err
		}
	}
	if err := aptUpdate(opts); err != nil {
		return nil, err
	}
	if pkg == "" {
		dep, err := aptField(opts, "linux-source", "Depends")
		if err != nil {
			return nil, err
		}
		l := depends(dep, "linux-source-")
		if len(l) == 0 {
			return nil, fmt.Errorf("linux-source of Debian unstable depends on %q, which names no source", dep)
		}
		pkg = l[0]
	}
	version, err := aptField(opts, pkg, "Version")
	if err != nil {
		return nil, err
	}
	if old != nil && old.Version == version {
		return old, nil
	}
	src, err := c.source(o.kernel, pkg, version, opts, p)
	if err != nil {
		return nil, err
	}

	dir := c.kernelDir(o.kernel, version, key)
	build := filepath.Join(dir, "build")
	if err := os.MkdirAll(build, 0o755); err != nil {
		return nil, err
	}
	if err := configure(o.repo, kind, src, build); err != nil {
		return nil, err
	}
	cmd := exec.Command("make", "-C", src, "O="+build, "ARCH=um", fmt.Sprintf("-j%d", o.jobs))
	if err := p.run("building "+pkg+" "+version+" (4 to 10 minutes)", c.path("logs", o.kernel+"-build.log"), cmd); err != nil {
		return nil, err
	}
	release, err := os.ReadFile(filepath.Join(build, "include/config/kernel.release"))
	if err != nil {
		return nil, err
	}
	k := &kernel{
		Name: o.kernel, Version: version, UML: true, Key: key,
		Release: strings.TrimSpace(string(release)),
		Image:   filepath.Join(dir, "linux"),
		Build:   build, Source: src, Modules: dir,
	}
	install := exec.Command("make", "-C", src, "O="+build, "ARCH=um", "INSTALL_MOD_PATH="+dir, "modules_install")
	if err := p.run("installing modules", c.path("logs", o.kernel+"-install.log"), install); err != nil {
		return nil, err
	}
	// The image is stripped: it keeps the symbols that a back-trace needs, and
	// nothing needs the objects.
	if out, err := exec.Command("strip", "-g", "-o", k.Image, filepath.Join(build, "linux")).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("strip: %s", out)
	}
	prune := exec.Command("sh", "-c", `rm -f linux vmlinux* .tmp_vmlinux* &&
		find . -path ./scripts -prune -o \( -name "*.o" -o -name "*.a" -o -name ".*.cmd" -o -name "*.gcno" \) -type f -exec rm {} +`)
	prune.Dir = build
	if out, err := prune.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("pruning %s: %w: %s", build, err, out)
	}
	return k, nil
}

// source returns the folder of an unpacked kernel source, without the parts that no
// User Mode kernel compiles.
func (c *cache) source(name, pkg, version string, opts []string, p *progress) (string, error) {
	// Two kernels can be of one source.
	unlock, err := c.lock(pkg, p)
	if err != nil {
		return "", err
	}
	defer unlock()
	dir := c.path("src", pkg+"_"+version)
	mark := filepath.Join(dir, ".complete")
	if _, err := os.Stat(mark); err == nil {
		return dir, nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	debs := dir + ".debs"
	defer os.RemoveAll(debs)
	l, err := aptDownload(p, opts, debs, c.path("logs", name+"-download.log"), pkg)
	if err != nil {
		return "", err
	}
	if len(l) != 1 {
		return "", fmt.Errorf("downloading %s gave %d files, not one", pkg, len(l))
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	script := `set -o pipefail; dpkg-deb --fsys-tarfile "$1" | tar xO --wildcards "*.tar.xz" | xz -dc -T0 |
		tar x -C "$2" --strip-components=1 --no-same-owner --wildcards "${@:3}"`
	args := append([]string{"-c", script, "bash", l[0], dir}, sourceExcludes()...)
	if err := p.run("unpacking "+pkg, c.path("logs", name+"-unpack.log"), exec.Command("bash", args...)); err != nil {
		return "", err
	}
	for _, old := range globExcept(c.path("src", pkg+"_*"), dir) {
		os.RemoveAll(old)
	}
	for _, change := range []func(string) error{wideRegisters, patientShrink} {
		if err := change(dir); err != nil {
			return "", err
		}
	}
	return dir, os.WriteFile(mark, nil, 0o644)
}

// wideRegisters lets a User Mode kernel that has a fixed place for a processor's
// registers, as they had before 6.13, run on processors with AMX, whose state takes
// 11008 octets: with less the first program dies ("ptrace set fp regs failed").
func wideRegisters(src string) error {
	return edit(filepath.Join(src, "arch/x86/um/user-offsets.c"),
		"DEFINE_LONGS(HOST_FP_SIZE, 2696);", "DEFINE_LONGS(HOST_FP_SIZE, 12288);")
}

// patientShrink has shrink_dcache_parent() sleep for a jiffy where it waits for dentries that
// another task is dropping. In virtual time no tick says that the other task shall run, so
// that the loop, which asks only for that, never ends.
func patientShrink(src string) error {
	return edit(filepath.Join(src, "fs/dcache.c"), `		cond_resched();
		if (!data.found)
			break;
		data.victim = NULL;
`, `		if (!data.found)
			break;
		schedule_timeout_uninterruptible(1);
		data.victim = NULL;
`)
}

// edit replaces text in a file of a kernel's source. Kernels that lack the file or the text
// stay as they are.
func edit(file, text, by string) error {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	edited := bytes.Replace(b, []byte(text), []byte(by), 1)
	if bytes.Equal(edited, b) {
		return nil
	}
	return os.WriteFile(file, edited, 0o644)
}

func globExcept(pattern, keep string) []string {
	all, _ := filepath.Glob(pattern)
	var l []string
	for _, f := range all {
		if f != keep {
			l = append(l, f)
		}
	}
	return l
}

// sourceExcludes are tar options that leave out the C files of other
// architectures and of devices; Kconfig and Makefiles stay, which kbuild reads
// whatever it builds.
func sourceExcludes() []string {
	var l []string
	for _, a := range strings.Fields(`alpha arc arm arm64 csky hexagon loongarch m68k microblaze
		mips nios2 openrisc parisc powerpc riscv s390 sh sparc xtensa`) {
		l = append(l, "--exclude=*/arch/"+a+"/*.[chS]")
	}
	for _, d := range strings.Fields(`accel ata bluetooth comedi edac gpio gpu hwmon i2c iio
		infiniband interconnect isdn leds md media memory-controllers mfd mmc mtd net/ethernet
		net/wireless nfc nvme phy pinctrl power regulator rtc scsi soc sound spi staging
		target thermal usb video`) {
		l = append(l, "--exclude=*/drivers/"+d+"/*.[chS]")
	}
	return append(l, "--exclude=*/sound/*.[chS]", "--exclude=*/Documentation/*.rst", "--exclude=*.dts*",
		"--exclude=*/Documentation/devicetree/*.yaml", "--exclude=*/tools/perf/*", "--exclude=*/fs/xfs/*.[ch]")
}

// configure makes .config from the fragments, and checks that it has each option:
// allnoconfig silently drops options that have a dependency which is off.
func configure(repo string, kind kernelKind, src, build string) error {
	var all bytes.Buffer
	for _, f := range kind.configs {
		b, err := os.ReadFile(filepath.Join(repo, f))
		if err != nil {
			return err
		}
		all.Write(b)
	}
	fragment := filepath.Join(build, "fragment.config")
	if err := os.WriteFile(fragment, all.Bytes(), 0o644); err != nil {
		return err
	}
	cmd := exec.Command("make", "-C", src, "O="+build, "ARCH=um", "KCONFIG_ALLCONFIG="+fragment, "allnoconfig")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("configuring the kernel: %w\n%s", err, out)
	}
	got, err := os.ReadFile(filepath.Join(build, ".config"))
	if err != nil {
		return err
	}
	if l := untaken(all.String(), string(got)); len(l) > 0 {
		return fmt.Errorf("the kernel's configuration did not take %s: a dependency is missing in %s",
			strings.Join(l, ", "), strings.Join(kind.configs, ", "))
	}
	return nil
}

// untaken returns the options of a fragment that a .config lacks.
func untaken(fragment, config string) []string {
	have := map[string]bool{}
	for _, l := range strings.Split(config, "\n") {
		have[l] = true
	}
	var missing []string
	for _, l := range strings.Split(fragment, "\n") {
		if strings.HasPrefix(l, "CONFIG_") && !have[l] {
			missing = append(missing, l)
		}
	}
	return missing
}
