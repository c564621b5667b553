// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"strings"

	"shim6/daemon/control"
)

func init() {
	register(command{
		object: "locator", verb: "dns", order: onlyShows, args: "[NAME] [ttl N] [nsupdate ZONE]",
		help: "print the AAAA records that a server should have, for a zone file; NAME is the host's own if it is left out",
		form: locatorDNS,
	})
}

// defaultTTL is how long resolvers keep a record, in seconds: so long may an address be offered that
// a provider has taken back.
const defaultTTL = 300

// aaaa is one record, as JSON has it.
type aaaa struct {
	Name    string     `json:"name"`
	TTL     uint32     `json:"ttl"`
	Type    string     `json:"type"`
	Address netip.Addr `json:"address"`
}

// leftOut is an address that should not be published.
type leftOut struct {
	Address netip.Addr `json:"address"`
	Why     string     `json:"why"`
}

// published is what locator dns prints.
type published struct {
	Records []aaaa    `json:"records"`
	LeftOut []leftOut `json:"left-out"`
}

func locatorDNS(t *tool) form {
	var name, zone string
	var ttl *uint32
	return form{
		word: &name,
		keys: []key{
			number("ttl", 32, &ttl).says("how long resolvers keep a record, in seconds; 300 by default"),
			{name: "nsupdate", value: "ZONE", help: "print what nsupdate reads, for a zone that is updated dynamically", set: func(value string) error {
				zone = value
				return checkName(strings.TrimSuffix(value, "."))
			}},
		},
		run: func([]string) error { return t.locatorDNS(name, zone, ttl) },
	}
}

func (t *tool) locatorDNS(name, zone string, ttl *uint32) error {
	seconds := uint32(defaultTTL)
	if ttl != nil {
		seconds = *ttl
	}
	// With the highest bit, resolvers take it for 0 (RFC 2181, section 8).
	if seconds > 1<<31-1 {
		return usageError(fmt.Sprintf("ttl: %d is more than a record can have, 2147483647", seconds))
	}
	name, err := t.recordName(name, zone)
	if err != nil {
		return err
	}
	list, err := t.locators()
	if err != nil {
		return err
	}
	p := published{Records: []aaaa{}, LeftOut: []leftOut{}}
	for _, l := range list {
		if why := unpublished(l); why != "" {
			p.LeftOut = append(p.LeftOut, leftOut{l.Address, why})
			fmt.Fprintf(t.err, "shim6tool: %v is left out: %s\n", l.Address, why)
			continue
		}
		p.Records = append(p.Records, aaaa{name, seconds, "AAAA", l.Address})
	}
	if len(p.Records) == 0 {
		// Nothing is printed: an update would leave the name without an address.
		return errors.New("there is no address to publish: 'shim6tool doctor' says what to do")
	}
	switch {
	case t.json:
		return t.printJSON(p)
	case zone != "":
		p.printUpdate(t.out, strings.TrimSuffix(zone, ".")+".")
	default:
		for _, r := range p.Records {
			fmt.Fprintf(t.out, "%s\t%d\tIN\t%s\t%v\n", r.Name, r.TTL, r.Type, r.Address)
		}
	}
	return nil
}

// printUpdate writes what nsupdate reads. It replaces all addresses of the name in one message (RFC
// 2136, section 3.4).
func (p *published) printUpdate(w io.Writer, zone string) {
	fmt.Fprintf(w, "zone %s\nupdate delete %s AAAA\n", zone, p.Records[0].Name)
	for _, r := range p.Records {
		fmt.Fprintf(w, "update add %s %d %s %v\n", r.Name, r.TTL, r.Type, r.Address)
	}
	fmt.Fprintln(w, "send")
}

// unpublished says why a server should not publish an address, "" if it should.
func unpublished(l control.Locator) string {
	switch {
	case l.Temporary:
		return "it is temporary"
	case l.Why != "":
		return l.Why
	case !l.HBA && !l.CGA:
		return "it proves no other address, so that a session that begins there ends with its provider"
	case l.Address.IsPrivate():
		return "it is a unique local address, which works only within a site"
	}
	return ""
}

// recordName is the name of the records: in a zone file as it is given, and for nsupdate absolute.
func (t *tool) recordName(name, zone string) (string, error) {
	if name == "" {
		own, err := t.hostname()
		if err != nil {
			return "", err
		}
		if name = own; strings.Contains(own, ".") {
			name += "."
		}
		if checkName(strings.TrimSuffix(name, ".")) != nil || name == "localhost" {
			return "", usageError(fmt.Sprintf("this host's name is %q: say which NAME the records are for", own))
		}
	}
	if name != "@" {
		if err := checkName(strings.TrimSuffix(name, ".")); err != nil {
			return "", usageError("NAME: " + err.Error())
		}
	}
	if zone == "" {
		return name, nil
	}
	zone = strings.TrimSuffix(zone, ".") + "."
	within := func(full string) bool {
		full, zone := strings.ToLower(full), strings.ToLower(zone)
		return full == zone || strings.HasSuffix(full, "."+zone)
	}
	switch absolute := strings.HasSuffix(name, "."); {
	case name == "@":
		return zone, nil
	case absolute && !within(name):
		return "", usageError(fmt.Sprintf("NAME: %s is not in the zone %s", name, zone))
	case absolute:
		return name, nil
	case within(name + "."):
		// The dot at the end was forgotten.
		return name + ".", nil
	}
	if err := checkName(name + "." + strings.TrimSuffix(zone, ".")); err != nil {
		return "", usageError("NAME: " + err.Error())
	}
	return name + "." + zone, nil
}

// label is a part of a name between dots. Names of hosts have no other characters, and neither zone
// files nor nsupdate read those as a part of a name. An asterisk stands for all names.
var label = regexp.MustCompile(`^(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?|\*)$`)

// checkName checks a name without a dot at its end.
func checkName(name string) error {
	if len(name) > 253 {
		return fmt.Errorf("a name has at most 253 characters, not %d", len(name))
	}
	for part := range strings.SplitSeq(name, ".") {
		if !label.MatchString(part) {
			return fmt.Errorf("%q is no name in the DNS, such as www or www.example.org", name)
		}
	}
	return nil
}
