// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"net/netip"
	"slices"

	"shim6/daemon/config"
	"shim6/daemon/control"
	"shim6/netlink"
)

// result of a check.
type result int

const (
	resultOK result = iota
	// resultWarn: it works, but not as well as it could, or the check could not be made.
	resultWarn
	resultFail
)

func (r result) String() string { return []string{"ok", "warn", "fail"}[r] }

// check is one line of doctor.
type check struct {
	name   string
	result result
	text   string
	// advice is what to do, "" if there is nothing to do.
	advice string
}

// patient is the host, and what the checks so far have found.
type patient struct {
	*tool
	host   host
	checks []check
	// config is the default if the file can't be read.
	config *config.Config
	// contexts are those that are looked at, of all: see keep.
	contexts []netlink.Context
	all      int
	locators []control.Locator
	layout   layout
}

// maxProbed is how many peers are probed if none is named.
const maxProbed = 3

// maxKept is how many contexts are looked at.
const maxKept = 1000

// keep counts a context, and keeps it if a check looks at it: the first ones, and some peers for each of
// our locators. There may be very many others.
func (p *patient) keep(c *netlink.Context) {
	p.all++
	if len(p.contexts) >= control.MaxProtections {
		var peers []netip.Addr
		for i := range p.contexts {
			if x := &p.contexts[i]; x.LocatorLocal == c.LocatorLocal && !slices.Contains(peers, x.LocatorPeer) {
				peers = append(peers, x.LocatorPeer)
			}
		}
		if len(peers) >= maxProbed || slices.Contains(peers, c.LocatorPeer) || len(p.contexts) >= maxKept {
			return
		}
	}
	p.contexts = append(p.contexts, *c)
}

// examine makes all checks. It probes the pairs that are named, or those by which contexts send.
func (t *tool) examine(pairs []netlink.ULIDs) error {
	p, err := t.patient()
	if err != nil {
		return err
	}
	p.checkHost(pairs)
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

// patient is the host before any check.
func (t *tool) patient() (*patient, error) {
	h, err := t.inspect(t.netns)
	if err != nil {
		return nil, err
	}
	return &patient{tool: t, host: h, config: config.Default()}, nil
}

// checkHost makes the checks that send nothing. The routes are those of the pairs that are named.
func (p *patient) checkHost(pairs []netlink.ULIDs) {
	p.checkConfig()
	p.checkModule()
	p.checkDaemon()
	p.checkAddresses()
	p.checkSessions()
	p.checkRoutes(slices.Clone(pairs))
	p.checkFirewall()
	p.checkCounters()
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
