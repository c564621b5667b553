// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"shim6/daemon/control"
)

// screen is all that the page shows, except for traffic.
type screen struct {
	Version string  `json:"version"`
	Verdict verdict `json:"verdict"`
	// Overview is nil as long as shim6d has never answered. If Error is not "", it is what shim6d
	// said last.
	Overview *control.Overview `json:"overview"`
	Error    string            `json:"error,omitempty"`
	// Switches are the last ones, the newest first.
	Switches []switchLine `json:"switches"`
	Doctor   examination  `json:"doctor"`
}

// level is how good things are, for colours and icons.
type level string

const (
	good level = "good"
	idle level = "idle"
	warn level = "warn"
	bad  level = "bad"
)

// verdict answers the first question: is everything protected?
type verdict struct {
	Level level  `json:"level"`
	Text  string `json:"text"`
	// Advice is the command that mends it, or says more.
	Advice string `json:"advice,omitempty"`
}

// switchLine is a switch, and the links between which it was made.
type switchLine struct {
	control.Switch
	FromLink string `json:"from-link,omitempty"`
	ToLink   string `json:"to-link,omitempty"`
}

// examination is what doctor said last.
type examination struct {
	Time     time.Time `json:"time,omitzero"`
	Running  bool      `json:"running"`
	Error    string    `json:"error,omitempty"`
	Findings []finding `json:"findings"`
}

// judge says how things are. The first thing that is wrong decides.
func judge(o *control.Overview, failed string) verdict {
	switch {
	case failed != "":
		return verdict{bad, "shim6d does not answer: " + failed, "systemctl status shim6d"}
	case o == nil:
		return verdict{idle, "shim6d has not answered yet", ""}
	case !o.Status.Kernel:
		return verdict{bad, "The kernel module is not loaded, so no session is protected", "modprobe shim6"}
	}
	sessions := 0
	for _, n := range o.States {
		sessions += n
	}
	down := downLinks(o.Links)
	if sessions == 0 {
		if len(down) > 0 {
			return verdict{warn, down + ", and there is no session with Shim6", "shim6tool doctor"}
		}
		return verdict{idle, "There is no session with Shim6 now", "shim6tool doctor"}
	}
	exploring := sessions - o.States["i1-sent"] - o.States["i2-sent"] - o.States["i2bis-sent"] - o.ReapStates["operational"]
	unprotected := sessions - o.Protected
	switch {
	case exploring > 0:
		return verdict{bad, fmt.Sprintf("%s for another way%s", counted(exploring, "session looks", "sessions look"), because(down)), "shim6tool path"}
	case unprotected == sessions:
		return verdict{warn, fmt.Sprintf("No session is protected, of %d%s", sessions, because(down)), "shim6tool doctor"}
	case unprotected > 0:
		return verdict{warn, fmt.Sprintf("%s not protected, of %d%s", counted(unprotected, "session is", "sessions are"), sessions, because(down)), "shim6tool doctor"}
	case len(down) > 0:
		return verdict{warn, down + "; all sessions go on, and are protected", "shim6tool locator"}
	}
	if sessions == 1 {
		return verdict{good, "The only session is protected", ""}
	}
	return verdict{good, fmt.Sprintf("All %d sessions are protected", sessions), ""}
}

func counted(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

func because(down string) string {
	if down == "" {
		return ""
	}
	return ": " + down
}

// downLinks says which links are not operational, "" if all are.
func downLinks(list []control.Link) string {
	var names []string
	for i := range list {
		if l := &list[i]; !l.Operational {
			names = append(names, linkName(l))
		}
	}
	switch len(names) {
	case 0:
		return ""
	case 1:
		return names[0] + " is down"
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1] + " are down"
}

// linkName names a link and, if there is one, its router.
func linkName(l *control.Link) string {
	if l.Router.IsValid() {
		return fmt.Sprintf("%s (router %v)", l.Interface, l.Router)
	}
	return l.Interface
}

// lineOf is a switch for the page.
func lineOf(s control.Switch, links map[netip.Addr]string) switchLine {
	return switchLine{s, links[s.From.LocatorLocal], links[s.To.LocatorLocal]}
}

// moveOn has a glance say what a switch says, until the next overview comes: with many contexts that
// takes a while.
func moveOn(o *control.Overview, s *control.Switch) *control.Overview {
	if o == nil {
		return nil
	}
	changed := *o
	changed.Glances = make([]control.Glance, len(o.Glances))
	copy(changed.Glances, o.Glances)
	for i := range changed.Glances {
		g := &changed.Glances[i]
		if g.Name != s.Name || g.Switched.After(s.Time) {
			continue
		}
		g.Switched = s.Time
		pairs := make([]control.GlancePair, len(g.Pairs))
		copy(pairs, g.Pairs)
		for j := range pairs {
			is := pairs[j].Pair == s.To
			if s.Direction == "inbound" {
				pairs[j].Inbound = is
			} else {
				pairs[j].Current = is
			}
		}
		g.Pairs = pairs
	}
	return &changed
}
