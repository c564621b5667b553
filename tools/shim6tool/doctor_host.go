// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"shim6/daemon/config"
	"shim6/daemon/control"
	"shim6/netlink"
)

func (p *patient) checkConfig() {
	path := p.configPath()
	if strings.Contains(p.netns, "/") {
		return
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		p.add("config", resultOK, path+" is not there, so the defaults hold", "")
		return
	}
	var c *config.Config
	if err == nil {
		c, err = config.Parse(path, string(b))
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		p.add("config", resultWarn, err.Error(), "run doctor as root to check it")
	case err != nil:
		p.add("config", resultFail, err.Error(), "correct it, then 'systemctl restart shim6d'")
	default:
		p.config = c
		p.add("config", resultOK, path+" is good", "")
		if len(c.Peers.TrustedPrefixes) > 0 {
			p.add("config", resultWarn, "peers.trusted-prefixes lets every host that can send from there take over sessions",
				"empty it outside of a laboratory")
		}
	}
}

func (p *patient) checkModule() {
	there, err := p.loaded(p.netns)
	switch {
	case err != nil:
		p.add("module", resultFail, err.Error(), "")
		return
	case !there:
		p.add("module", resultFail, "the kernel has no family shim6", p.moduleAdvice())
		return
	}
	text := "shim6.ko is loaded"
	if b, err := os.ReadFile(filepath.Join(p.root, "sys/module/shim6/version")); err == nil {
		v := strings.TrimSpace(string(b))
		if version != "unknown" && v != version {
			p.add("module", resultWarn, fmt.Sprintf("shim6.ko is version %s, shim6tool %s", v, version), "install both from one release")
		}
		text += ", version " + v
	}
	err = p.with(func(c client) error {
		return c.EachContext(netlink.ContextFilter{}, func(x *netlink.Context) error { p.keep(x); return nil })
	})
	if err != nil && !errors.Is(err, netlink.ErrInterrupted) {
		p.add("module", resultFail, err.Error(), "")
		return
	}
	p.add("module", resultOK, fmt.Sprintf("%s, %d contexts", text, p.all), "")
}

// moduleAdvice says how to load the module.
func (p *patient) moduleAdvice() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "'modprobe shim6'"
	}
	release := unix.ByteSliceToString(u.Release[:])
	b, err := os.ReadFile(filepath.Join(p.root, "lib/modules", release, "modules.dep"))
	if err == nil && !strings.Contains(string(b), "/shim6.ko") {
		return fmt.Sprintf("no shim6.ko is installed for this kernel, %s: 'apt install linux-headers-%s' has DKMS build it, or 'make module' and 'modprobe shim6'", release, release)
	}
	if p.signedOnly() {
		return "'modprobe shim6', as root; if it says \"Key was rejected by service\", Secure Boot makes this kernel refuse modules whose key it does not know. " +
			"Enroll the key of DKMS: 'mokutil --import /var/lib/dkms/mok.pub', reboot, and choose Enroll MOK in the blue screen that comes up"
	}
	return "'modprobe shim6', as root"
}

// signedOnly reports whether the kernel loads only modules that are signed by a key that it knows. So
// it does after a boot with Secure Boot.
func (p *patient) signedOnly() bool {
	if b, err := os.ReadFile(filepath.Join(p.root, "sys/module/module/parameters/sig_enforce")); err == nil && strings.HasPrefix(string(b), "Y") {
		return true
	}
	if b, err := os.ReadFile(filepath.Join(p.root, "sys/kernel/security/lockdown")); err == nil && !strings.Contains(string(b), "[none]") {
		return true
	}
	// The variable of EFI: four octets of attributes, and the value.
	b, err := os.ReadFile(filepath.Join(p.root, "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"))
	return err == nil && len(b) == 5 && b[4] == 1
}

func (p *patient) checkDaemon() {
	var s control.Status
	err := p.ask(func(ctx context.Context, d daemon) (err error) {
		if s, err = d.Status(ctx); err == nil {
			p.locators, err = d.Locators(ctx)
		}
		return err
	})
	if err != nil {
		p.add("daemon", resultFail, err.Error(), "")
		return
	}
	ours, err := p.host.serves(s.PID)
	switch {
	case err == nil && !ours:
		p.add("daemon", resultFail, fmt.Sprintf("shim6d (process %d) serves another network namespace", s.PID), "name that one with -n, or another socket with -socket")
	case !s.Kernel:
		p.add("daemon", resultFail, "shim6d runs, and waits for the module", "'modprobe shim6'; shim6d then goes on by itself")
	default:
		p.add("daemon", resultOK, fmt.Sprintf("shim6d %s runs, process %d", s.Version, s.PID), "")
	}
	if s.KeysError != "" {
		p.add("daemon", resultWarn, "the state directory can't be used, so the next reboot may change the addresses of shim6d: "+s.KeysError,
			"put it on a disk that can be written; shim6d tries again by itself")
	}
	if s.RecordsError != "" {
		p.add("daemon", resultWarn, "shim6d will know less of its contexts after a restart: "+s.RecordsError,
			"make room in the folder of the control socket; shim6d tries again by itself")
	}
	if s.EventsLost > 0 {
		p.add("daemon", resultWarn, fmt.Sprintf("events came faster than shim6d read them, %d times; it has read the state again since", s.EventsLost), "")
	}
	if version != "unknown" && s.Version != version {
		p.add("daemon", resultWarn, fmt.Sprintf("shim6d is version %s, shim6tool %s", s.Version, version), "install both from one release, and restart shim6d")
	}
}

// counterAdvice has the counters that should be 0.
var counterAdvice = []struct{ name, text, advice string }{
	{"ctl-in-no-daemon", "control messages came while no shim6d was there", "start shim6d"},
	{"ctl-in-checksum", "control messages came with a wrong checksum", "look for a middlebox that changes them"},
	{"out-no-route", "packets had no route by the current pair", "see the routes of its local locator"},
	{"events-lost", "events did not reach shim6d", ""},
}

func (p *patient) checkCounters() {
	if there, err := p.loaded(p.netns); err != nil || !there {
		return
	}
	var stats []netlink.Stat
	if err := p.with(func(c client) (err error) {
		stats, err = c.Stats()
		return err
	}); err != nil {
		p.add("counters", resultWarn, err.Error(), "")
		return
	}
	found := false
	for _, c := range counterAdvice {
		i := slices.IndexFunc(stats, func(s netlink.Stat) bool { return s.Name == c.name && s.Value > 0 })
		if i >= 0 {
			found = true
			p.add("counters", resultWarn, fmt.Sprintf("%s: %s, %d so far", c.name, c.text, stats[i].Value), c.advice)
		}
	}
	if !found {
		p.add("counters", resultOK, "no counter shows a fault", "")
	}
}
