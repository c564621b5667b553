// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// This file follows a packet through the rules of nftables, as 'nft -j list ruleset' prints them: the
// first packet between two hosts, of IP protocol 140 or in UDP, that comes in or goes out by a device. A
// rule about something that is not known of this packet, such as its addresses, is passed over; but if
// it is about protocol 140, or about the port, it is taken to accept it.

// traffic is what is followed: protocol 140, or UDP from and to a port.
type traffic struct{ port int }

const (
	protocol140 = 140
	protocolUDP = 17
)

func (t traffic) protocol() int {
	if t.port != 0 {
		return protocolUDP
	}
	return protocol140
}

func (t traffic) String() string {
	if t.port != 0 {
		return fmt.Sprintf("UDP to port %d", t.port)
	}
	return "IP protocol 140"
}

// protocolNames are those of nft.
var protocolNames = map[int]string{protocol140: "shim6", protocolUDP: "udp"}

// chainName names a chain.
type chainName struct{ family, table, name string }

func (c chainName) String() string { return c.family + " " + c.table + " " + c.name }

// rules are the chains, sets and maps of all tables that see IPv6 packets.
type rules struct {
	// bases are in the order of nft.
	bases  []baseChain
	chains map[chainName][][]statement
	// sets have the elements of sets, and of maps as pairs.
	sets map[chainName][]any
}

// baseChain is a chain that the kernel calls.
type baseChain struct {
	chainName
	hook   string
	policy string
}

// statement is one expression of a rule: its name, and what nft prints behind it.
type statement struct {
	name string
	of   any
}

// parseRules reads the JSON of nft.
func parseRules(b []byte) (*rules, error) {
	var ruleset struct {
		Nftables []struct {
			Chain *struct{ Family, Table, Name, Hook, Policy string }
			Rule  *struct {
				Family, Table, Chain string
				Expr                 []map[string]any
			}
			Set *namedSet
			Map *namedSet
		}
	}
	if err := json.Unmarshal(b, &ruleset); err != nil {
		return nil, err
	}
	r := &rules{chains: map[chainName][][]statement{}, sets: map[chainName][]any{}}
	for _, o := range ruleset.Nftables {
		switch {
		case o.Chain != nil && (o.Chain.Family == "ip6" || o.Chain.Family == "inet"):
			if c := o.Chain; c.Hook != "" {
				r.bases = append(r.bases, baseChain{chainName{c.Family, c.Table, c.Name}, c.Hook, c.Policy})
			}
		case o.Rule != nil:
			var list []statement
			for _, e := range o.Rule.Expr {
				for name, of := range e {
					list = append(list, statement{name, of})
				}
			}
			name := chainName{o.Rule.Family, o.Rule.Table, o.Rule.Chain}
			r.chains[name] = append(r.chains[name], list)
		case o.Set != nil:
			r.sets[chainName{o.Set.Family, o.Set.Table, o.Set.Name}] = o.Set.Elem
		case o.Map != nil:
			r.sets[chainName{o.Map.Family, o.Map.Table, o.Map.Name}] = o.Map.Elem
		}
	}
	return r, nil
}

type namedSet struct {
	Family, Table, Name string
	Elem                []any
}

// verdict is what rules do with a packet.
type verdict uint8

const (
	// verdictNone: the packet goes on behind the rules.
	verdictNone verdict = iota
	verdictAccept
	verdictDrop
	// verdictOpaque: a rule without a verdict that nft can't print has seen the packet.
	verdictOpaque
)

// walk is the way of one packet.
type walk struct {
	rules *rules
	traffic
	// device is by which it comes in or goes out, "" if that is not known.
	device string
	out    bool
	// table is that of the chain in which the packet is, and at is the chain.
	table chainName
	at    string
	depth int
	// opaque: it has met a rule that nft can't print.
	opaque bool
}

// base returns what becomes of the packet in a base chain, and the chain that has decided it.
func (r *rules) base(c baseChain, t traffic, device string) (verdict, string) {
	w := walk{rules: r, traffic: t, device: device, out: c.hook == "output", table: c.chainName}
	switch v := w.chain(c.name); {
	case v != verdictNone:
		return v, w.at
	case c.policy == "drop":
		return verdictDrop, c.name
	case w.opaque:
		return verdictOpaque, c.name
	}
	return verdictAccept, c.name
}

// chain follows the packet through a chain. Only a verdict that ends the way is returned.
func (w *walk) chain(name string) verdict {
	// The kernel allows sixteen.
	if w.depth++; w.depth > 16 {
		return verdictNone
	}
	defer func() { w.depth-- }()
	for _, rule := range w.rules.chains[chainName{w.table.family, w.table.table, name}] {
		w.at = name
		switch v, left := w.rule(rule); {
		case v != verdictNone:
			return v
		case left:
			return verdictNone
		}
	}
	return verdictNone
}

// rule follows the packet through a rule. left is true if the packet leaves the chain by it.
func (w *walk) rule(rule []statement) (v verdict, left bool) {
	sure, ours, unread := true, false, false
	for _, s := range rule {
		switch s.name {
		case "match":
			m, _ := s.of.(map[string]any)
			left := w.value(m["left"])
			switch w.compare(m["op"], left, m["right"]) {
			case no:
				return verdictNone, false
			case unknown:
				sure = false
			case yes:
				ours = ours || left == protocol140 || w.port != 0 && left == w.port
			}
		case "counter", "log", "comment", "notrack", "mangle", "ct helper", "ct timeout", "ct count", "set", "meter":
		case "xt":
			// iptables has put it there. It may be a match, or a target without a verdict.
			sure, unread = false, true
		case "vmap":
			m, _ := s.of.(map[string]any)
			if to, ok := w.mapped(m); ok {
				return w.verdict(to)
			}
		default:
			if isVerdict(s.name) {
				if sure || ours && s.name == "accept" {
					return w.verdict(s)
				}
				return verdictNone, false
			}
			sure = false
		}
	}
	w.opaque = w.opaque || unread
	return verdictNone, false
}

func isVerdict(name string) bool {
	return slices.Contains([]string{"accept", "drop", "reject", "return", "jump", "goto", "continue", "queue"}, name)
}

func (w *walk) verdict(s statement) (v verdict, left bool) {
	target := func() string {
		m, _ := s.of.(map[string]any)
		name, _ := m["target"].(string)
		return name
	}
	switch s.name {
	case "accept", "queue":
		return verdictAccept, true
	case "drop", "reject":
		return verdictDrop, true
	case "return":
		return verdictNone, true
	case "jump":
		return w.chain(target()), false
	case "goto":
		return w.chain(target()), true
	}
	return verdictNone, false
}

// mapped is the verdict that a map has for the packet; false if it has none, or that is not known.
func (w *walk) mapped(m map[string]any) (statement, bool) {
	key := w.value(m["key"])
	for _, e := range w.elements(m["data"]) {
		pair, ok := e.([]any)
		if !ok || len(pair) != 2 || w.equal(key, pair[0]) != yes {
			continue
		}
		to, _ := pair[1].(map[string]any)
		for name, of := range to {
			return statement{name, of}, true
		}
	}
	return statement{}, false
}

// elements are those of a set or map that is written out, or that is named.
func (w *walk) elements(v any) []any {
	switch v := v.(type) {
	case string:
		if name, ok := strings.CutPrefix(v, "@"); ok {
			return w.rules.sets[chainName{w.table.family, w.table.table, name}]
		}
	case []any:
		return v
	case map[string]any:
		if l, ok := v["set"].([]any); ok {
			return l
		}
	}
	return nil
}

const (
	// otherProtocol is the value of a field that the packet does not have.
	otherProtocol = "none"
	// foreign is a field of another protocol's header. A rule about it is not about this packet,
	// whatever it compares.
	foreign = "foreign"
)

// value is what the packet has where a rule looks, nil if that is not known.
func (w *walk) value(left any) any {
	m, _ := left.(map[string]any)
	of := func(name, key string) string {
		o, _ := m[name].(map[string]any)
		s, _ := o[key].(string)
		return s
	}
	switch {
	case m["meta"] != nil:
		return w.meta(of("meta", "key"))
	case m["ct"] != nil:
		switch of("ct", "key") {
		case "state":
			return "new"
		case "status":
			return otherProtocol
		}
	case m["payload"] != nil:
		switch of("payload", "protocol") {
		case "ip6":
			if of("payload", "field") == "nexthdr" {
				return w.protocol()
			}
		case "", "th", "udp":
			field := of("payload", "field")
			switch {
			case w.port != 0 && (field == "dport" || field == "sport"):
				return w.port
			case w.port == 0 && of("payload", "protocol") == "udp":
				return foreign
			}
		default:
			return foreign
		}
	case m["fib"] != nil:
		o, _ := m["fib"].(map[string]any)
		flags := fmt.Sprint(o["flags"])
		switch {
		case o["result"] == "type" && strings.Contains(flags, "daddr") && !w.out:
			return "local"
		case o["result"] == "oif" && strings.Contains(flags, "saddr"):
			// A reverse-path filter, which finds a device.
			return true
		}
	}
	return nil
}

func (w *walk) meta(key string) any {
	device := any(nil)
	if w.device != "" {
		device = w.device
	}
	switch key {
	case "l4proto":
		return w.protocol()
	case "nfproto":
		return "ipv6"
	case "protocol":
		return "ip6"
	case "pkttype":
		return "host"
	case "iif", "iifname":
		if w.out {
			return otherProtocol
		}
		return device
	case "oif", "oifname":
		if !w.out {
			return otherProtocol
		}
		return device
	}
	return nil
}

// answer is whether something is so.
type answer uint8

const (
	no answer = iota
	yes
	unknown
)

func (w *walk) compare(op any, left, right any) answer {
	switch left {
	case nil:
		return unknown
	case foreign:
		return no
	}
	is := w.equal(left, right)
	switch op {
	case "==", "in":
		return is
	case "!=":
		return [...]answer{no: yes, yes: no, unknown: unknown}[is]
	}
	return unknown
}

// equal reports whether a value of the packet is one that a rule names.
func (w *walk) equal(value, named any) answer {
	if value == nil {
		return unknown
	}
	switch n := named.(type) {
	case []any:
		return w.among(value, n)
	case map[string]any:
		if e, ok := n["elem"].(map[string]any); ok {
			return w.equal(value, e["val"])
		}
		if ends, ok := n["range"].([]any); ok && len(ends) == 2 {
			least, ok1 := ends[0].(float64)
			most, ok2 := ends[1].(float64)
			if v, ok := value.(int); ok && ok1 && ok2 && float64(v) >= least && float64(v) <= most {
				return yes
			}
			return no
		}
		if l, ok := n["set"].([]any); ok {
			return w.among(value, l)
		}
		return unknown
	case string:
		if strings.HasPrefix(n, "@") {
			return w.among(value, w.elements(n))
		}
		if start, ok := strings.CutSuffix(n, "*"); ok {
			v, _ := value.(string)
			return answerOf(strings.HasPrefix(v, start))
		}
		if v, ok := value.(int); ok {
			return answerOf(n == strconv.Itoa(v) || n == protocolNames[v])
		}
		return answerOf(value == n)
	case float64:
		v, ok := value.(int)
		return answerOf(ok && float64(v) == n)
	case bool:
		return answerOf(value == n)
	}
	return unknown
}

func (w *walk) among(value any, list []any) answer {
	for _, e := range list {
		if is := w.equal(value, e); is != no {
			return is
		}
	}
	return no
}

func answerOf(is bool) answer {
	if is {
		return yes
	}
	return no
}
