// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// checkFirewall looks for a chain that drops by its policy and has no rule for protocol 140. Only a
// probe can tell that a firewall lets the protocol through.
func (p *patient) checkFirewall() {
	b, err := p.host.ruleset()
	if err != nil {
		p.add("firewall", resultWarn, "nft does not list the rules: "+err.Error(), "run doctor as root, or let IP protocol 140 in by hand")
		return
	}
	chains, err := closedChains(b)
	switch {
	case err != nil:
		p.add("firewall", resultWarn, "the output of nft can't be read: "+err.Error(), "")
	case len(chains) == 0:
		p.add("firewall", resultOK, "no chain of nftables drops protocol 140 by its policy", "")
	}
	for _, c := range chains {
		p.add("firewall", resultFail, fmt.Sprintf("chain %s drops what it does not know, and has no rule for protocol 140", c),
			fmt.Sprintf("'nft insert rule %s meta l4proto 140 accept'", c))
	}
}

// closedChains returns the base chains, in the JSON of nft, that see IPv6 packets of the host itself,
// drop by policy and have no rule that mentions protocol 140.
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
