// SPDX-License-Identifier: BSD-3-Clause

// Package examples tests the examples by the programs that read them.
package examples

import (
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// output runs a command, which must succeed.
func output(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	return string(out)
}

// programs builds shim6d and shim6tool, and returns the folder that has them.
func programs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	output(t, exec.Command("go", "build", "-buildvcs=false", "-o", dir+"/", "../daemon/shim6d", "../tools/shim6tool"))
	return dir
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// generate is the command by which a configuration tells to make its addresses.
var generate = regexp.MustCompile(`(?m)^#\s+shim6tool (hba generate .*)$`)

// shim6d takes each configuration, with the addresses that are made as it says.
func TestConfigurations(t *testing.T) {
	bin := programs(t)
	names, err := filepath.Glob("*/shim6d.conf")
	if err != nil || len(names) < 2 {
		t.Fatalf("%q, %v", names, err)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			etc, text := t.TempDir(), read(t, name)
			if err := os.MkdirAll(etc+"/shim6d", 0o700); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(etc, "shim6d.conf")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			command := generate.FindStringSubmatch(text)
			if strings.Contains(text, "\n[[set]]") != (command != nil) {
				t.Fatalf("a [[set]] needs addresses, and the command that makes them: %q", command)
			}
			if command != nil {
				words := strings.Fields(strings.ReplaceAll(command[1], "/etc/", etc+"/"))
				t.Logf("addresses:\n%s", output(t, exec.Command(bin+"/shim6tool", words...)))
			}
			output(t, exec.Command(bin+"/shim6d", "-check", "-c", path))
		})
	}
}

// nft takes the rules. It asks the kernel for the rules that are loaded, so it runs
// in a network namespace in which it may ask, and in which there are none.
func TestNftables(t *testing.T) {
	const name = "firewall/nftables.conf"
	if !strings.Contains(read(t, name), "meta l4proto 140 accept") {
		t.Error("protocol 140 is not let in by the words of shim6(7) and 'shim6tool doctor'")
	}
	nft, err := exec.LookPath("nft")
	if err != nil {
		// Its folder is not in everybody's PATH.
		nft, err = exec.LookPath("/usr/sbin/nft")
	}
	if err != nil {
		missing(t, "nft is not installed")
	}
	cmd := exec.Command(nft, "-c", "-f", name)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	switch said := string(out); {
	case err == nil:
	case len(out) == 0 || strings.Contains(said, "cache initialization failed"):
		missing(t, "no namespace of its own, or a kernel without nftables: "+err.Error()+": "+said)
	default:
		t.Errorf("%v: %v\n%s", cmd, err, said)
	}
}

// missing skips the test, unless SHIM6_NO_SKIP=1 lets nothing be skipped.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("SHIM6_NO_SKIP") == "1" {
		t.Fatalf("%s, and SHIM6_NO_SKIP=1 lets nothing be skipped", what)
	}
	t.Skip(what)
}

// firewalld's service has the elements that firewalld knows, protocol 140 and the port of UDP.
func TestFirewalld(t *testing.T) {
	var service struct {
		XMLName     xml.Name `xml:"service"`
		Short       string   `xml:"short"`
		Description string   `xml:"description"`
		Protocols   []struct {
			Value string `xml:"value,attr"`
		} `xml:"protocol"`
		Ports []struct {
			Protocol string `xml:"protocol,attr"`
			Port     string `xml:"port,attr"`
		} `xml:"port"`
		Others []struct{ XMLName xml.Name } `xml:",any"`
	}
	if err := xml.Unmarshal([]byte(read(t, "firewall/shim6.xml")), &service); err != nil {
		t.Fatal(err)
	}
	if service.Short == "" || service.Description == "" || service.Others != nil ||
		len(service.Protocols) != 1 || service.Protocols[0].Value != "140" ||
		len(service.Ports) != 1 || service.Ports[0].Protocol != "udp" || service.Ports[0].Port != "61140" {
		t.Errorf("%+v", service)
	}
}

// ufw's rules are lines of ip6tables-restore, for the two chains that ufw has.
func TestUfw(t *testing.T) {
	comment := regexp.MustCompile(`(?m)^#.*\n`)
	const want = "-A ufw6-before-input -p 140 -j ACCEPT\n-A ufw6-before-output -p 140 -j ACCEPT\n" +
		"-A ufw6-before-input -p udp --sport 61140 --dport 61140 -j ACCEPT\n" +
		"-A ufw6-before-output -p udp --sport 61140 --dport 61140 -j ACCEPT\n"
	if rules := comment.ReplaceAllString(read(t, "firewall/before6.rules"), ""); rules != want {
		t.Errorf("%s", rules)
	}
}
