// SPDX-License-Identifier: GPL-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// errNetwork is wrapped by every failure to reach the package mirror.
var errNetwork = errors.New("the package mirror can't be reached")

// program is a file that is used, and the Debian package that has it.
type program struct{ file, pkg string }

// programs are used by the runner and by the commands in the guest.
var programs = []program{
	{"/usr/bin/gcc", "gcc"}, {"/usr/bin/make", "make"}, {"/usr/bin/flex", "flex"},
	{"/usr/bin/bison", "bison"}, {"/usr/bin/bc", "bc"}, {"/usr/bin/xz", "xz-utils"},
	{"/usr/bin/zstd", "zstd"}, {"/usr/bin/cpio", "cpio"}, {"/usr/bin/perl", "perl"},
	{"/sbin/depmod", "kmod"}, {"/bin/busybox", "busybox-static"},
	{"/usr/bin/qemu-system-x86_64", "qemu-system-x86"},
	{"/usr/include/gelf.h", "libelf-dev"}, {"/usr/include/openssl/ssl.h", "libssl-dev"},
	{"/usr/include/stdio.h", "libc6-dev"},
	{"/sbin/ip", "iproute2"}, {"/usr/bin/ping", "iputils-ping"}, {"/usr/sbin/nft", "nftables"},
	{"/usr/sbin/radvd", "radvd"}, {"/usr/bin/tcpdump", "tcpdump"},
	{"/sbin/ethtool", "ethtool"}, {"/usr/bin/iperf3", "iperf3"},
	{"/usr/sbin/sshd", "openssh-server"}, {"/usr/bin/ssh", "openssh-client"},
	{"/usr/bin/python3", "python3"},
	{"/usr/lib/python3/dist-packages/yaml/__init__.py", "python3-yaml"},
	{"/usr/lib/python3/dist-packages/jsonschema/__init__.py", "python3-jsonschema"},
	{"/usr/bin/sparse", "sparse"}, {"/usr/bin/pahole", "dwarves"}, {"/usr/bin/ps", "procps"}, {"/sbin/sysctl", "procps"},
	{"/usr/bin/wg", "wireguard-tools"}, {"/usr/bin/tshark", "tshark"}, {"/usr/bin/openssl", "openssl"},
	{"/usr/bin/groff", "groff-base"}, {"/usr/sbin/dkms", "dkms"}, {"/usr/sbin/debootstrap", "debootstrap"},
	{"/usr/lib/systemd/systemd", "systemd"}, {"/usr/bin/curl", "curl"}, {"/usr/bin/jq", "jq"},
}

// testPrograms are used by the project's tests only, beside programs. They are installed with
// -prepare, so that somebody who wants the demo need not wait for them.
var testPrograms = []program{
	{"/usr/bin/dbus-daemon", "dbus"}, {"/usr/sbin/NetworkManager", "network-manager"},
	{"/usr/sbin/dhcpcd", "dhcpcd-base"}, {"/usr/bin/firewall-cmd", "firewalld"}, {"/usr/sbin/ufw", "ufw"},
	{"/usr/bin/zsh", "zsh"}, {"/usr/bin/fish", "fish"},
	{"/usr/bin/chromium", "chromium"}, {"/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", "fonts-dejavu-core"},
	{"/usr/bin/promtool", "prometheus"},
}

// installMissing installs the packages of programs that are missing, with tests also of
// testPrograms. It uses the network only if something is missing.
func installMissing(p *progress, tests bool) error {
	var missing []string
	wanted := programs
	if tests {
		wanted = slices.Concat(programs, testPrograms)
	}
	for _, prog := range wanted {
		if _, err := os.Stat(prog.file); err != nil {
			missing = append(missing, prog.pkg)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("not installed, and there is no apt-get to install them: %s", strings.Join(missing, " "))
	}
	p.say("installing %s", strings.Join(missing, " "))
	if err := aptUpdate(nil); err != nil {
		return err
	}
	args := append([]string{"install", "-y", "--no-install-recommends"}, missing...)
	// The host needs the programs, not their services: Debian's packages ask this
	// file whether they may start services.
	const policy = "/usr/sbin/policy-rc.d"
	f, err := os.OpenFile(policy, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err == nil {
		f.WriteString("#!/bin/sh\nexit 101\n")
		f.Close()
		defer os.Remove(policy)
	}
	log := filepath.Join(os.TempDir(), "shim6-apt.log")
	cmd := exec.Command("apt-get", args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	return p.run("installing packages", log, cmd)
}

// aptUpdate reads the mirror's lists; opts choose other lists than the
// machine's own.
func aptUpdate(opts []string) error {
	args := append([]string{"-q", "-o", "Acquire::Retries=2", "-o", "Acquire::http::Timeout=20",
		"-o", "APT::Update::Error-Mode=any"}, opts...)
	out, err := exec.Command("apt-get", append(args, "update")...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: apt-get update says: %s", errNetwork, lastLine(out, "E:"))
	}
	return nil
}

// aptDownload fetches packages into dir and returns their files.
func aptDownload(p *progress, opts []string, dir, log string, pkgs ...string) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	args := append([]string{"-q", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=2"}, opts...)
	cmd := exec.Command("apt-get", append(append(args, "download"), pkgs...)...)
	cmd.Dir = dir
	if err := p.run("downloading "+strings.Join(pkgs, " "), log, cmd); err != nil {
		return nil, fmt.Errorf("%w: %w", errNetwork, err)
	}
	return filepath.Glob(filepath.Join(dir, "*.deb"))
}

// aptField returns a field of a package's candidate version.
func aptField(opts []string, pkg, field string) (string, error) {
	args := append(append([]string{}, opts...), "show", "--no-all-versions", pkg)
	out, err := exec.Command("apt-cache", args...).Output()
	if err != nil {
		return "", fmt.Errorf("apt knows no package %s: is this machine's apt set up for Debian 12 with its security updates?", pkg)
	}
	for _, l := range strings.Split(string(out), "\n") {
		if v, ok := strings.CutPrefix(l, field+": "); ok {
			return v, nil
		}
	}
	return "", fmt.Errorf("package %s has no field %s", pkg, field)
}

// depends returns the names in a Depends field that begin with prefix.
func depends(field, prefix string) []string {
	var l []string
	for _, d := range strings.Split(field, ",") {
		if f := strings.Fields(d); len(f) > 0 && strings.HasPrefix(f[0], prefix) {
			l = append(l, f[0])
		}
	}
	return l
}

// unstable returns apt options for a private view of Debian unstable, on the
// mirror that the machine's own apt uses; the machine's set-up is not touched.
func (c *cache) unstable() ([]string, error) {
	out, err := exec.Command("apt-get", "indextargets", "--format", "$(ORIGIN)|$(COMPONENT)|$(LABEL)|$(SITE)|$(REPO_URI)",
		"Created-By: Packages").Output()
	if err != nil {
		return nil, fmt.Errorf("apt-get indextargets: %w", err)
	}
	mirror := ""
	for _, l := range strings.Split(string(out), "\n") {
		f := strings.Split(l, "|")
		if len(f) == 5 && f[0] == "Debian" && f[1] == "main" && f[2] == "Debian" {
			mirror = f[4]
			break
		}
	}
	if mirror == "" {
		return nil, errors.New("this machine's apt names no Debian mirror: run apt-get update, or add one to /etc/apt")
	}
	dir := c.path("apt", "unstable")
	if err := os.MkdirAll(filepath.Join(dir, "lists", "partial"), 0o755); err != nil {
		return nil, err
	}
	list := filepath.Join(dir, "sources.list")
	if err := os.WriteFile(list, []byte("deb "+mirror+" unstable main\n"), 0o644); err != nil {
		return nil, err
	}
	return []string{
		"-o", "Dir::Etc::SourceList=" + list, "-o", "Dir::Etc::SourceParts=/dev/null",
		"-o", "Dir::State::Lists=" + filepath.Join(dir, "lists"),
		"-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=",
		"-o", "Acquire::Languages=none", "-o", "APT::Sandbox::User=root",
		"-o", "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false",
	}, nil
}

// lastLine returns the first line of out that has mark, or its last line.
func lastLine(out []byte, mark string) string {
	l := strings.Split(strings.TrimSpace(string(out)), "\n")
	for _, s := range l {
		if strings.Contains(s, mark) {
			return s
		}
	}
	return l[len(l)-1]
}
