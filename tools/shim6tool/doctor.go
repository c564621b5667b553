// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"shim6/daemon/config"
	"shim6/daemon/control"
	"shim6/netlink"
)

// result of a check.
type result int

const (
	resultOK result = iota
	// resultWarn: it works, but not as well as it could, or it can't be told.
	resultWarn
	resultFail
)

func (r result) String() string { return []string{"ok", "warn", "fail"}[r] }

// check is one line of doctor.
type check struct {
	name   string
	result result
	text   string
	// advice is what to do, "" if there is nothing.
	advice string
}

// patient is what doctor has found out so far.
type patient struct {
	*tool
	host   host
	checks []check
	// config is the default if it can't be read.
	config   *config.Config
	contexts []netlink.Context
	locators []control.Locator
}

func (t *tool) doctorCheck(args []string) error {
	if err := noWords("doctor check", args); err != nil {
		return err
	}
	return t.examine(nil)
}

func (t *tool) doctorPeer(args []string) error {
	if len(args) == 0 {
		return usageError("doctor peer needs the address of a peer")
	}
	peer, err := parseAddr(args[0])
	if err != nil {
		return usageError("peer: " + err.Error())
	}
	var from *netip.Addr
	if _, err := parseKeys("key of doctor peer", []key{addr("from", &from)}, args[1:]); err != nil {
		return err
	}
	u := netlink.ULIDs{Peer: peer}
	if from != nil {
		u.Local = *from
	}
	return t.examine([]netlink.ULIDs{u})
}

// maxProbed is how many peers are probed unless one is named.
const maxProbed = 3

// examine makes all checks. Pairs to probe are those that are named, or those by
// which contexts send.
func (t *tool) examine(pairs []netlink.ULIDs) error {
	h, err := t.inspect(t.netns)
	if err != nil {
		return err
	}
	p := &patient{tool: t, host: h, config: config.Default()}
	p.checkConfig()
	p.checkModule()
	p.checkDaemon()
	p.checkAddresses()
	p.checkSessions()
	p.checkRoutes(slices.Clone(pairs))
	p.checkFirewall()
	p.checkCounters()
	p.checkPeers(pairs)
	if err := p.print(); err != nil {
		return err
	}
	failed := 0
	for _, c := range p.checks {
		if c.result == resultFail {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d checks failed", failed, len(p.checks))
	}
	return nil
}

func (p *patient) add(name string, r result, text, advice string) {
	p.checks = append(p.checks, check{name, r, text, advice})
}

func (p *patient) print() error {
	if p.json {
		var list []object
		for _, c := range p.checks {
			o := object{{"check", c.name}, {"result", c.result.String()}, {"text", c.text}}
			if c.advice != "" {
				o = append(o, field{"advice", c.advice})
			}
			list = append(list, o)
		}
		return p.printJSON(list)
	}
	for _, c := range p.checks {
		fmt.Fprintf(p.out, "%-5s%-10s%s", c.result, c.name, c.text)
		if c.advice != "" {
			fmt.Fprintf(p.out, ": %s", c.advice)
		}
		fmt.Fprintln(p.out)
	}
	return nil
}

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
		p.add("config", resultWarn, err.Error(), "run it as root to have it looked at")
	case err != nil:
		p.add("config", resultFail, err.Error(), "correct it, then 'systemctl restart shim6d'")
	default:
		p.config = c
		p.add("config", resultOK, path+" is good", "")
		if len(c.Peers.TrustedPrefixes) > 0 {
			p.add("config", resultWarn, "peers.trusted-prefixes lets whoever can send from there take over sessions",
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
		p.contexts, err = c.Contexts()
		return err
	})
	if err != nil && !errors.Is(err, netlink.ErrInterrupted) {
		p.add("module", resultFail, err.Error(), "")
		return
	}
	p.add("module", resultOK, fmt.Sprintf("%s, %d contexts", text, len(p.contexts)), "")
}

// moduleAdvice says what keeps the module away.
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
		return "'modprobe shim6', as root; if it says \"Key was rejected by service\", the firmware (Secure Boot) has this kernel refuse modules that are signed by none of its keys, " +
			"as is that of DKMS until you enroll it: 'mokutil --import /var/lib/dkms/mok.pub', reboot, and choose Enroll MOK in the blue screen that comes up"
	}
	return "'modprobe shim6', as root"
}

// signedOnly reports whether the kernel loads only modules that are signed by a key that
// it knows, as it does when the machine has booted with Secure Boot.
func (p *patient) signedOnly() bool {
	if b, err := os.ReadFile(filepath.Join(p.root, "sys/module/module/parameters/sig_enforce")); err == nil && strings.HasPrefix(string(b), "Y") {
		return true
	}
	if b, err := os.ReadFile(filepath.Join(p.root, "sys/kernel/security/lockdown")); err == nil && !strings.Contains(string(b), "[none]") {
		return true
	}
	// Four octets of attributes, and the value.
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
		p.add("daemon", resultFail, "shim6d runs, and waits for the module", "'modprobe shim6': it goes on by itself then")
	default:
		p.add("daemon", resultOK, fmt.Sprintf("shim6d %s runs, process %d", s.Version, s.PID), "")
	}
	if s.KeysError != "" {
		p.add("daemon", resultWarn, "the state directory is of no use, so that the next reboot may change the addresses of shim6d: "+s.KeysError,
			"give it a disk that can be written; shim6d tries again by itself")
	}
	if s.RecordsError != "" {
		p.add("daemon", resultWarn, "a restart of shim6d will know less of its contexts: "+s.RecordsError,
			"make room in the folder of the control socket; shim6d tries again by itself")
	}
	if s.EventsLost > 0 {
		p.add("daemon", resultWarn, fmt.Sprintf("events came faster than shim6d read them, %d times; it was made good", s.EventsLost), "")
	}
	if version != "unknown" && s.Version != version {
		p.add("daemon", resultWarn, fmt.Sprintf("shim6d is version %s, shim6tool %s", s.Version, version), "install both from one release, and restart shim6d")
	}
}

func (p *patient) checkAddresses() {
	if p.locators == nil {
		var err error
		if p.locators, err = p.host.locators(p.config); err != nil {
			p.add("addresses", resultWarn, err.Error(), "")
			return
		}
	}
	var unused []string
	for _, l := range p.locators {
		if !l.Available || !l.Operational {
			unused = append(unused, fmt.Sprintf("%v is not used: %s", l.Address, l.Why))
		}
	}
	prefixes, networks := p.prefixes(subnetBits), p.prefixes(networkBits)
	switch {
	case len(prefixes) == 0:
		p.add("addresses", resultFail, "there is no address that could be a locator", "get a global one: 'ip -6 addr' shows which there are")
	case len(prefixes) == 1:
		p.add("addresses", resultWarn, fmt.Sprintf("all locators are of one prefix, %v: the peer may have more, this host has nowhere to switch to", prefixes[0]),
			"get an address from a second provider")
	case len(networks) == 1:
		p.add("addresses", resultOK, fmt.Sprintf("locators of %d prefixes, all of one network, %v", len(prefixes), networks[0]), "")
	default:
		p.add("addresses", resultOK, fmt.Sprintf("locators of %d prefixes", len(prefixes)), "")
	}
	for _, u := range unused {
		p.add("addresses", resultWarn, u, "")
	}
	proved := func(l control.Locator) bool { return l.HBA || l.CGA }
	if len(p.locators) > 0 && !slices.ContainsFunc(p.locators, proved) && len(p.config.Peers.TrustedPrefixes) == 0 {
		remedy := "have shim6d make some, by manage in [addresses] of " + p.configPath() +
			", or make them with 'shim6tool hba generate', and name the file in [[set]]"
		if p.config.ManagesAddresses() {
			remedy = "shim6d makes them from the prefixes that routers announce: its log says what keeps it from that"
		}
		p.add("addresses", resultWarn, "no address proves another, so that peers will not switch to any", remedy)
	}
}

const (
	// subnetBits is the length of the prefix of one link.
	subnetBits = 64
	// networkBits is the length of what a provider gives a customer. shim6d counts the networks
	// of a Protection by it: two prefixes of one network fail together, as a rule.
	networkBits = 48
)

// prefixes returns the prefixes of that length which the usable locators have.
func (p *patient) prefixes(bits int) []netip.Prefix {
	var list []netip.Prefix
	for _, l := range p.locators {
		if x := netip.PrefixFrom(l.Address, bits).Masked(); l.Available && l.Operational && !slices.Contains(list, x) {
			list = append(list, x)
		}
	}
	return list
}

// somewhere stands for the Internet (RFC 9637): only what the default route is counts.
var somewhere = netip.MustParseAddr("3fff::1")

// checkRoutes finds addresses whose packets leave by another provider, who may drop
// them (RFC 3704).
func (p *patient) checkRoutes(pairs []netlink.ULIDs) {
	for _, c := range p.contexts {
		pairs = append(pairs, netlink.ULIDs{Local: c.LocatorLocal, Peer: c.LocatorPeer})
	}
	bad, good := 0, 0
	for _, l := range p.locators {
		if !l.Available || !l.Operational || l.Interface == "lo" {
			continue
		}
		var destinations []netip.Addr
		for _, u := range pairs {
			if (u.Local == l.Address || !u.Local.IsValid()) && !slices.Contains(destinations, u.Peer) && len(destinations) < maxProbed {
				destinations = append(destinations, u.Peer)
			}
		}
		if destinations == nil {
			destinations = []netip.Addr{somewhere}
		}
		for _, to := range destinations {
			name, err := p.host.route(l.Address, to)
			switch {
			case err != nil && to == somewhere:
				bad++
				p.add("routes", resultWarn, fmt.Sprintf("no default route for %v: %v", l.Address, err), "")
			case err != nil:
				bad++
				p.add("routes", resultWarn, fmt.Sprintf("no route from %v to %v: %v", l.Address, to, err), "")
			case name != l.Interface && name != "lo":
				bad++
				p.add("routes", resultWarn, fmt.Sprintf("packets from %v to %v leave by %s, not by its own %s, where the provider may drop them", l.Address, to, name, l.Interface),
					fmt.Sprintf("route by source: 'ip -6 route add default from %v via ROUTER dev %s'", netip.PrefixFrom(l.Address, 64).Masked(), l.Interface))
			default:
				good++
			}
		}
	}
	if bad == 0 && good > 0 {
		p.add("routes", resultOK, "each address leaves by its own interface", "")
	}
}

// checkFirewall looks for a chain that drops what it does not know, and does not know
// protocol 140. That a firewall lets it through only a probe can tell.
func (p *patient) checkFirewall() {
	b, err := p.host.ruleset()
	if err != nil {
		p.add("firewall", resultWarn, "nft does not tell the rules: "+err.Error(), "run it as root, or let IP protocol 140 in by hand")
		return
	}
	chains, err := closedChains(b)
	switch {
	case err != nil:
		p.add("firewall", resultWarn, "what nft says can't be read: "+err.Error(), "")
	case len(chains) == 0:
		p.add("firewall", resultOK, "no chain of nftables drops protocol 140 by its policy", "")
	}
	for _, c := range chains {
		p.add("firewall", resultFail, fmt.Sprintf("chain %s drops what it does not know, and has no rule for protocol 140", c),
			fmt.Sprintf("'nft insert rule %s meta l4proto 140 accept'", c))
	}
}

// closedChains returns the base chains of nft's JSON that see IPv6 packets of the host
// itself, drop by policy, and have no rule that mentions protocol 140.
func closedChains(b []byte) ([]string, error) {
	var ruleset struct {
		Nftables []struct {
			Chain *struct{ Family, Table, Name, Hook, Policy string }
			Rule  *struct {
				Family, Table, Chain string
				Expr                 json.RawMessage
			}
		}
	}
	if err := json.Unmarshal(b, &ruleset); err != nil {
		return nil, err
	}
	var closed []string
	known := map[string]bool{}
	for _, o := range ruleset.Nftables {
		if c := o.Chain; c != nil && c.Policy == "drop" && (c.Hook == "input" || c.Hook == "output" || c.Hook == "prerouting") &&
			(c.Family == "ip6" || c.Family == "inet") {
			closed = append(closed, strings.Join([]string{c.Family, c.Table, c.Name}, " "))
		}
		if r := o.Rule; r != nil && (strings.Contains(string(r.Expr), "140") || strings.Contains(string(r.Expr), "shim6")) {
			known[strings.Join([]string{r.Family, r.Table, r.Chain}, " ")] = true
		}
	}
	return slices.DeleteFunc(closed, func(c string) bool { return known[c] }), nil
}

// counterAdvice has counters that should be 0.
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
		p.add("counters", resultOK, "none that tells of trouble", "")
	}
}

func (p *patient) checkPeers(pairs []netlink.ULIDs) {
	if !p.host.capable(unix.CAP_NET_RAW) {
		p.add("peer", resultWarn, "whether protocol 140 passes can't be tried without CAP_NET_RAW", "run it as root")
		return
	}
	if pairs == nil {
		for _, c := range p.contexts {
			pair := netlink.ULIDs{Local: c.LocatorLocal, Peer: c.LocatorPeer}
			if !slices.Contains(pairs, pair) && len(pairs) < maxProbed {
				pairs = append(pairs, pair)
			}
		}
	}
	if len(pairs) == 0 {
		p.add("peer", resultOK, "there is no context, so none was tried", "'shim6tool doctor peer ADDRESS' tries one")
	}
	for _, u := range pairs {
		x, err := p.probe(u.Local, u.Peer)
		if err != nil {
			p.add("peer", resultFail, fmt.Sprintf("%v: %v", u.Peer, err), "")
			continue
		}
		v := x.verdict()
		p.add("peer", v.result, fmt.Sprintf("from %v to %v %s", x.local, x.peer, v.text), v.advice)
	}
}
