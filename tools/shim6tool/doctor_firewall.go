// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"slices"
	"strings"

	"shim6/daemon/config"
)

// checkFirewall follows the first packet of a peer, and the first one to it, through the rules of the
// host: it has IP protocol 140, and if this host uses UDP, it goes in UDP as well. conntrack does not
// know it. Only a probe can tell what others on the path do.
func (p *patient) checkFirewall() {
	b, err := p.host.ruleset()
	if err != nil {
		p.add("firewall", resultWarn, "nft does not list the rules: "+err.Error(), "run doctor as root, or let IP protocol 140 in by hand")
		return
	}
	r, err := parseRules(b)
	if err != nil {
		p.add("firewall", resultWarn, "the output of nft can't be read: "+err.Error(), "")
		return
	}
	kinds, names := []traffic{{}}, "protocol 140"
	if port := p.udpPort(); port != 0 && p.config.Protocol.UDP != config.UDPNever {
		kinds = append(kinds, traffic{port: int(port)})
		names = fmt.Sprintf("%s or %v", names, kinds[1])
	}
	passes := true
	for _, t := range kinds {
		result := resultFail
		if (t == traffic{}) == (p.config.Protocol.UDP == config.UDPAlways) {
			// Sessions need it only where the other one does not pass.
			result = resultWarn
		}
		for _, c := range r.closed(t, p.devices()) {
			c.add(p, r, result)
			passes = false
		}
	}
	if passes {
		p.add("firewall", resultOK, "no rule of nftables drops "+names, "")
	}
}

// devices are those that have locators.
func (p *patient) devices() []string {
	var list []string
	for _, l := range p.locators {
		if l.Available && l.Operational && l.Interface != "lo" && !slices.Contains(list, l.Interface) {
			list = append(list, l.Interface)
		}
	}
	if list == nil {
		return []string{""}
	}
	return list
}

// closedChain is a chain that does not let some traffic pass.
type closedChain struct {
	baseChain
	traffic traffic
	// by is the chain that has decided it, which the base chain has called.
	by      string
	opaque  bool
	devices []string
}

// closed are the chains that some traffic does not pass, by any of the devices.
func (r *rules) closed(t traffic, devices []string) []closedChain {
	var list []closedChain
	for _, c := range r.bases {
		if !slices.Contains([]string{"prerouting", "input", "output"}, c.hook) {
			continue
		}
		for _, d := range devices {
			v, by := r.base(c, t, d)
			if v != verdictDrop && v != verdictOpaque {
				continue
			}
			same := func(x closedChain) bool {
				return x.baseChain == c && x.by == by && x.opaque == (v == verdictOpaque)
			}
			if i := slices.IndexFunc(list, same); i >= 0 {
				list[i].devices = append(list[i].devices, d)
				continue
			}
			list = append(list, closedChain{c, t, by, v == verdictOpaque, []string{d}})
		}
	}
	return list
}

// add tells of the chain, how bad it is that it drops the traffic, and by which command the traffic
// passes it.
func (c closedChain) add(p *patient, r *rules, res result) {
	where := ""
	if len(c.devices) > 1 || c.devices[0] != "" {
		where = " on " + strings.Join(c.devices, " and ")
	}
	if c.opaque {
		p.add("firewall", resultWarn, fmt.Sprintf("chain %v has rules of iptables that nft can't print", c.chainName),
			fmt.Sprintf("look whether 'ip6tables -S' lets %v pass%s", c.traffic, where))
		return
	}
	p.add("firewall", res, fmt.Sprintf("chain %v drops %v%s", c.chainName, c.traffic, where), c.advice(r))
}

const (
	ufwInput  = "ufw6-before-input"
	ufwOutput = "ufw6-before-output"
)

// advice is for the program that has made the rules. A rule of somebody else would be gone when that
// program loads its own again.
func (c closedChain) advice(r *rules) string {
	zone, isZone := strings.CutPrefix(c.by, "filter_IN_")
	terms := c.traffic.terms()
	ours := func(name string) bool { return r.chains[chainName{c.family, c.table, name}] != nil }
	switch {
	case c.table == "firewalld" && isZone:
		return fmt.Sprintf("'firewall-cmd --zone=%[1]s %[2]s && firewall-cmd --permanent --zone=%[1]s %[2]s'", zone, terms.firewalld)
	case c.family == "ip6" && c.hook == "input" && ours(ufwInput):
		return c.traffic.ufw("in", ufwInput)
	case c.family == "ip6" && c.hook == "output" && ours(ufwOutput):
		return c.traffic.ufw("out", ufwOutput)
	case c.family == "ip6" && c.table == "filter" && (c.name == "INPUT" || c.name == "OUTPUT"):
		return fmt.Sprintf("'ip6tables -I %s %s -j ACCEPT'", c.name, terms.iptables)
	}
	return fmt.Sprintf("'nft insert rule %v %s accept'", c.chainName, terms.nft)
}

// firewallTerms name some traffic to each kind of firewall.
type firewallTerms struct{ firewalld, iptables, nft string }

func (t traffic) terms() firewallTerms {
	if t.port != 0 {
		return firewallTerms{fmt.Sprintf("--add-port=%d/udp", t.port), fmt.Sprintf("-p udp --dport %d", t.port), fmt.Sprintf("udp dport %d", t.port)}
	}
	return firewallTerms{"--add-protocol=140", "-p 140", "meta l4proto 140"}
}

// ufw has ufw let traffic in or out. Of protocols without ports, 'ufw allow proto' knows few: so a rule
// is added to the file that ufw has for what its own commands can't say.
func (t traffic) ufw(way, chain string) string {
	if t.port != 0 {
		return fmt.Sprintf("'ufw allow %s proto udp to any port %d'", way, t.port)
	}
	return fmt.Sprintf("\"sed -i '/^# drop INVALID packets/i -A %s -p 140 -j ACCEPT' /etc/ufw/before6.rules && ufw reload\"", chain)
}
