// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

const (
	to140  = `{"match":{"op":"==","left":{"meta":{"key":"l4proto"}},"right":140}}`
	toTCP  = `{"match":{"op":"==","left":{"meta":{"key":"l4proto"}},"right":"tcp"}}`
	accept = `{"accept":null}`
	drop   = `{"drop":null}`
)

// chainOf is a chain in JSON; a hook makes it a base chain.
func chainOf(family, name, hook, policy string) string {
	c := fmt.Sprintf(`"family":%q,"table":"t","name":%q,"handle":1`, family, name)
	if hook != "" {
		c += fmt.Sprintf(`,"type":"filter","hook":%q,"prio":0,"policy":%q`, hook, policy)
	}
	return `{"chain":{` + c + `}}`
}

func ruleOf(family, chain string, exprs ...string) string {
	return fmt.Sprintf(`{"rule":{"family":%q,"table":"t","chain":%q,"expr":[%s]}}`, family, chain, strings.Join(exprs, ","))
}

func matchOf(op, left, right string) string {
	return fmt.Sprintf(`{"match":{"op":%q,"left":%s,"right":%s}}`, op, left, right)
}

func metaOf(key string) string { return fmt.Sprintf(`{"meta":{"key":%q}}`, key) }

// closedOf are the chains and devices that a ruleset closes to up1 and up2.
func closedOf(t *testing.T, objects ...string) []string { return closedTo(t, traffic{}, objects...) }

// closedTo is the same for some traffic.
func closedTo(t *testing.T, what traffic, objects ...string) []string {
	t.Helper()
	r, err := parseRules([]byte(`{"nftables":[` + strings.Join(objects, ",") + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range r.closed(what, []string{"up1", "up2"}) {
		s := fmt.Sprintf("%v by %s %s", c.chainName, c.by, strings.Join(c.devices, " "))
		if c.opaque {
			s += " opaque"
		}
		got = append(got, s)
	}
	return got
}

func TestRules(t *testing.T) {
	in := chainOf("inet", "in", "input", "drop")
	inOpen := chainOf("inet", "in", "input", "accept")
	closed := []string{"inet t in by in up1 up2"}
	rule := func(exprs ...string) string { return ruleOf("inet", "in", exprs...) }
	for _, tt := range []struct {
		name    string
		objects []string
		want    []string
	}{
		{"no chain", nil, nil},
		{"open", []string{inOpen}, nil},
		{"closed by policy", []string{in, chainOf("ip6", "out", "output", "drop")}, []string{"inet t in by in up1 up2", "ip6 t out by out up1 up2"}},
		{"of IPv4", []string{chainOf("ip", "in", "input", "drop")}, nil},
		{"of a router", []string{chainOf("inet", "fwd", "forward", "drop")}, nil},
		{"with a rule", []string{in, rule(to140, `{"counter":{"packets":0,"bytes":0}}`, accept)}, nil},
		{"with a rule that names it by name", []string{in, rule(matchOf("==", metaOf("l4proto"), `"shim6"`), accept)}, nil},
		{"with a rule by Next Header", []string{in, rule(matchOf("==", `{"payload":{"protocol":"ip6","field":"nexthdr"}}`, `140`), accept)}, nil},
		{"with a set", []string{in, rule(matchOf("==", metaOf("l4proto"), `{"set":["tcp",140]}`), accept)}, nil},
		{"with a named set", []string{in, `{"set":{"family":"inet","table":"t","name":"good","elem":["tcp",140]}}`,
			rule(matchOf("==", metaOf("l4proto"), `"@good"`), accept)}, nil},
		{"with a range", []string{in, rule(matchOf("==", metaOf("l4proto"), `{"range":[130,150]}`), accept)}, nil},
		{"with a rule for some addresses", []string{in, rule(matchOf("==", `{"payload":{"protocol":"ip6","field":"saddr"}}`, `"2001:db8::1"`), to140, accept)}, nil},
		{"with a rule for one device", []string{in, rule(matchOf("==", metaOf("iifname"), `"up1"`), to140, accept)}, []string{"inet t in by in up2"}},
		{"with a rule for devices", []string{in, rule(matchOf("==", metaOf("iifname"), `"up*"`), accept)}, nil},
		{"with another chain's rule", []string{in, ruleOf("inet", "else", to140, accept)}, closed},
		{"with a rule for another protocol", []string{in, rule(toTCP, accept)}, closed},
		{"with a rule that drops it", []string{inOpen, rule(to140, drop)}, closed},
		{"with a rule for what is known", []string{in, rule(matchOf("in", `{"ct":{"key":"state"}}`, `["established","related"]`), accept)}, closed},
		{"with a rule for a port", []string{in, rule(matchOf("==", `{"payload":{"protocol":"tcp","field":"dport"}}`, `22`), accept)}, closed},
		{"with a rule at a rate", []string{inOpen, rule(`{"limit":{"rate":5}}`, drop)}, nil},
		{"by a last rule", []string{inOpen, rule(toTCP, accept), rule(`{"reject":{"type":"icmpx","expr":"admin-prohibited"}}`)}, closed},
		{"all but it", []string{inOpen, rule(matchOf("!=", metaOf("l4proto"), `140`), drop)}, nil},
		{"by a chain that it calls", []string{inOpen, chainOf("inet", "more", "", ""), rule(`{"jump":{"target":"more"}}`), ruleOf("inet", "more", drop)},
			[]string{"inet t in by more up1 up2"}},
		{"by a chain that is left", []string{in, chainOf("inet", "more", "", ""), rule(`{"goto":{"target":"more"}}`), rule(accept)}, closed},
		{"by a chain that returns", []string{in, chainOf("inet", "more", "", ""), rule(`{"jump":{"target":"more"}}`), rule(accept),
			ruleOf("inet", "more", `{"return":null}`), ruleOf("inet", "more", drop)}, nil},
		{"by a map of verdicts", []string{inOpen, rule(`{"vmap":{"key":{"meta":{"key":"iifname"}},"data":{"set":[["up2",{"drop":null}],["up1",{"accept":null}]]}}}`)},
			[]string{"inet t in by in up2"}},
		{"by a named map", []string{inOpen, `{"map":{"family":"inet","table":"t","name":"m","elem":[["up1",{"drop":null}]]}}`,
			rule(`{"vmap":{"key":{"meta":{"key":"iifname"}},"data":"@m"}}`)}, []string{"inet t in by in up1"}},
		{"a reverse-path filter", []string{inOpen, rule(matchOf("==", `{"fib":{"flags":["saddr","iif"],"result":"oif"}}`, `false`), drop)}, nil},
		{"a loop", []string{in, rule(`{"jump":{"target":"in"}}`)}, closed},
		{"a match of iptables", []string{inOpen, rule(`{"xt":null}`, drop)}, nil},
		{"a target of iptables", []string{inOpen, rule(`{"xt":null}`)}, []string{"inet t in by in up1 up2 opaque"}},
		{"a log, and then closed", []string{in, rule(`{"xt":null}`)}, closed},
	} {
		if got := closedOf(t, tt.objects...); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, wanted %q", tt.name, got, tt.want)
		}
	}
	if _, err := parseRules([]byte("no JSON")); err == nil {
		t.Error("text that is no JSON is read")
	}
}

// The command is for the program whose rules they are.
func TestFirewallAdvice(t *testing.T) {
	named := func(family, table string, chains ...string) string {
		var list []string
		for i, c := range chains {
			hook := ""
			if i == 0 {
				hook = `,"hook":"input","policy":"drop"`
				if c == "OUTPUT" {
					hook = `,"hook":"output","policy":"drop"`
				}
			}
			list = append(list, fmt.Sprintf(`{"chain":{"family":%q,"table":%q,"name":%q%s}}`, family, table, c, hook))
			if i > 0 {
				list = append(list, fmt.Sprintf(`{"rule":{"family":%q,"table":%q,"chain":%q,"expr":[{"jump":{"target":%q}}]}}`, family, table, chains[i-1], c))
			}
		}
		last := fmt.Sprintf(`{"rule":{"family":%q,"table":%q,"chain":%q,"expr":[{"drop":null}]}}`, family, table, chains[len(chains)-1])
		return `{"nftables":[` + strings.Join(append(list, last), ",") + `]}`
	}
	for _, tt := range []struct{ rules, want, udp string }{
		{named("inet", "filter", "input"), "'nft insert rule inet filter input meta l4proto 140 accept'", "'nft insert rule inet filter input udp dport 61140 accept'"},
		{named("ip6", "filter", "INPUT"), "'ip6tables -I INPUT -p 140 -j ACCEPT'", "'ip6tables -I INPUT -p udp --dport 61140 -j ACCEPT'"},
		{named("ip6", "filter", "OUTPUT"), "'ip6tables -I OUTPUT -p 140 -j ACCEPT'", "'ip6tables -I OUTPUT -p udp --dport 61140 -j ACCEPT'"},
		{named("inet", "firewalld", "filter_INPUT", "filter_IN_home"),
			"'firewall-cmd --zone=home --add-protocol=140 && firewall-cmd --permanent --zone=home --add-protocol=140'",
			"'firewall-cmd --zone=home --add-port=61140/udp && firewall-cmd --permanent --zone=home --add-port=61140/udp'"},
		{named("ip6", "filter", "INPUT", ufwInput),
			"\"sed -i '/^# drop INVALID packets/i -A ufw6-before-input -p 140 -j ACCEPT' /etc/ufw/before6.rules && ufw reload\"",
			"'ufw allow in proto udp to any port 61140'"},
		{named("ip6", "filter", "OUTPUT", ufwOutput),
			"\"sed -i '/^# drop INVALID packets/i -A ufw6-before-output -p 140 -j ACCEPT' /etc/ufw/before6.rules && ufw reload\"",
			"'ufw allow out proto udp to any port 61140'"},
	} {
		r, err := parseRules([]byte(tt.rules))
		if err != nil {
			t.Fatal(err)
		}
		for what, want := range map[traffic]string{{}: tt.want, {port: 61140}: tt.udp} {
			list := r.closed(what, []string{""})
			if len(list) != 1 || list[0].advice(r) != want {
				t.Errorf("%s: %+v", want, list)
			}
		}
	}
}

// UDP to the port has rules of its own.
func TestRulesUDP(t *testing.T) {
	const udp = `{"match":{"op":"==","left":{"meta":{"key":"l4proto"}},"right":"udp"}}`
	const port = `{"match":{"op":"==","left":{"payload":{"protocol":"udp","field":"dport"}},"right":61140}}`
	const th = `{"match":{"op":"==","left":{"payload":{"protocol":"th","field":"dport"}},"right":{"range":[61000,62000]}}}`
	const dns = `{"match":{"op":"==","left":{"payload":{"protocol":"udp","field":"dport"}},"right":53}}`
	const some = `{"match":{"op":"==","left":{"payload":{"protocol":"ip6","field":"saddr"}},"right":"2001:db8::1"}}`
	in := chainOf("inet", "in", "input", "drop")
	closed := []string{"inet t in by in up1 up2"}
	for _, tt := range []struct {
		name string
		expr []string
		want []string
	}{
		{"protocol 140", []string{to140, accept}, closed},
		{"all UDP", []string{udp, accept}, nil},
		{"the port", []string{port, accept}, nil},
		{"a range of ports", []string{udp, th, accept}, nil},
		{"the port, for some addresses", []string{some, port, accept}, nil},
		{"UDP, for some addresses", []string{some, udp, accept}, closed},
		{"another port", []string{dns, accept}, closed},
		{"TCP", []string{toTCP, accept}, closed},
		{"TCP of other ports", []string{`{"match":{"op":"!=","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":22}}`, accept}, closed},
	} {
		if got := closedTo(t, traffic{port: 61140}, in, ruleOf("inet", "in", tt.expr...)); !slices.Equal(got, tt.want) {
			t.Errorf("%s: closed are %q, want %q", tt.name, got, tt.want)
		}
	}
	if got := closedTo(t, traffic{}, in, ruleOf("inet", "in", port, accept)); !slices.Equal(got, closed) {
		t.Errorf("protocol 140, where the port is open: closed are %q", got)
	}
}
