// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"shim6/daemon/control"
	"shim6/netlink"
)

// This file probes all locator pairs of a peer, where 'doctor' alone probes those by which contexts
// send.

const (
	pollPause = 200 * time.Millisecond
	// probePause is the most that shim6d waits between the Probes of two pairs, and lastAnswer
	// how long the answer to the last one may take.
	probePause = time.Second
	lastAnswer = 3 * time.Second
	// maxTries is how often shim6d is asked, with probePause in between.
	maxTries = 10
)

// checkPairs has shim6d probe all pairs of its contexts with a peer, and tells of each pair whether
// the peer has answered. It reports whether there is such a context.
func (p *patient) checkPairs(peer netip.Addr) bool {
	var names []control.Name
	err := p.ask(func(ctx context.Context, d daemon) error {
		list, err := d.Contexts(ctx)
		for _, c := range list {
			known := func(l control.PeerLocator) bool { return l.Address == peer && l.Verified }
			if c.State == "established" && (c.ULIDPeer == peer || slices.ContainsFunc(c.LocatorsPeer, known)) && len(names) < maxProbed {
				names = append(names, c.Name)
			}
		}
		return err
	})
	if err != nil {
		// checkDaemon has told why.
		return false
	}
	for _, n := range names {
		p.checkPairsOf(n)
	}
	return len(names) > 0
}

// checkPairsOf is checkPairs for one context.
func (p *patient) checkPairsOf(n control.Name) {
	before, err := p.pathsOf(n)
	if err == nil {
		err = p.probeAll(n)
	}
	if err != nil {
		p.add("pairs", resultWarn, fmt.Sprintf("the pairs of %s were not probed: %v", nameText(n), err), "")
		return
	}
	done := p.waiting(fmt.Sprintf("waiting for the answers of %d pairs", len(before)))
	after := before
	for waited := time.Duration(0); waited < time.Duration(len(before)+1)*probePause+lastAnswer && !allAnswered(before, after); waited += pollPause {
		p.sleep(pollPause)
		if after, err = p.pathsOf(n); err != nil {
			break
		}
	}
	done()
	if err != nil {
		p.add("pairs", resultWarn, fmt.Sprintf("the pairs of %s: %v", nameText(n), err), "")
		return
	}
	for i, x := range after {
		if better(after[:i], x, before) || better(after[i+1:], x, before) {
			continue
		}
		p.addPair(x, answered(before, x))
	}
}

// better reports whether one of these pairs has the addresses of x, and says more: it was answered, and
// x was not; or both were, or were not, and it is the current one or native.
func better(list []control.Path, x control.Path, before []control.Path) bool {
	return slices.ContainsFunc(list, func(y control.Path) bool {
		if y.LocatorLocal != x.LocatorLocal || y.LocatorPeer != x.LocatorPeer {
			return false
		}
		if a := answered(before, y); a != answered(before, x) {
			return a
		}
		return y.Current || !x.Current && y.Encapsulation < x.Encapsulation
	})
}

// probeAll has the pairs of a context probed. shim6d refuses while it asks for a reason of its own,
// which takes a few seconds.
func (p *patient) probeAll(n control.Name) error {
	for try := 1; ; try++ {
		err := p.ask(func(ctx context.Context, d daemon) error { return d.ProbeAll(ctx, n) })
		var refused *control.Error
		if try == maxTries || !errors.As(err, &refused) || refused.Status != http.StatusConflict {
			return err
		}
		p.sleep(probePause)
	}
}

// pathsOf are the pairs of a context, without those that shim6d does not probe.
func (p *patient) pathsOf(n control.Name) ([]control.Path, error) {
	list, err := listed(p.tool, netlink.ULIDs{Local: n.ULIDLocal, Peer: n.ULIDPeer, FII: n.FII}, daemon.Paths, func(x control.Path) control.Name { return x.Name })
	return slices.DeleteFunc(list, func(x control.Path) bool {
		return !x.Current && (x.Policy == "never" || x.PreferenceLocal.Broken)
	}), err
}

// answered reports whether a pair has been good once more than before.
func answered(before []control.Path, x control.Path) bool {
	i := slices.IndexFunc(before, func(b control.Path) bool { return b.Pair == x.Pair })
	return i >= 0 && x.LastGood.After(before[i].LastGood)
}

func allAnswered(before, after []control.Path) bool {
	return !slices.ContainsFunc(after, func(x control.Path) bool { return !answered(before, x) })
}

// addPair tells of one pair. If its Probe was lost, what shim6tool itself sends may show why.
func (p *patient) addPair(x control.Path, passes bool) {
	of := fmt.Sprintf("from %v to %v", x.LocatorLocal, x.LocatorPeer)
	if x.Current {
		of += ", by which payload goes,"
	}
	if x.Encapsulation.String() != "native" {
		of += " by " + x.Encapsulation.String()
	}
	if passes {
		p.add("pairs", resultOK, fmt.Sprintf("%s a Probe was answered after %.1fms", of, x.RTT), "")
		return
	}
	text, advice := "no Probe was answered", "see 'shim6tool doctor' at the peer, whose firewall may drop what comes by this pair"
	if y, err := p.probe(x.LocatorLocal, x.LocatorPeer); err != nil {
		text, advice = text+": "+err.Error(), ""
	} else if v := y.verdict(); v.result != resultOK {
		text, advice = text+": "+v.text, v.advice
	}
	p.add("pairs", resultFail, of+" "+text, advice)
}

// fromAll are the pairs of all locators of this host with a peer that has no context.
func (p *patient) fromAll(peer netip.Addr) []netlink.ULIDs {
	var pairs []netlink.ULIDs
	for _, l := range p.locators {
		if l.Available && l.Operational && l.Interface != "lo" {
			pairs = append(pairs, netlink.ULIDs{Local: l.Address, Peer: peer})
		}
	}
	return pairs
}
