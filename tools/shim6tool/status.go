// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"shim6/daemon/control"
	"shim6/netlink"
)

// How much fits on a screen.
const (
	statusPairs    = 10
	statusFlows    = 3
	statusSwitches = 5
)

// overview is what the command without words shows.
type overview struct {
	module    string
	contexts  []netlink.Context
	daemon    *control.Status
	daemonErr error
	switches  []control.Switch
	// flows are the pairs without a context, those that will have one first in front. Without
	// rights there are none.
	flows []netlink.Flow
	// protections are of the contexts and flows that are shown.
	protections map[control.Name]control.Protection
}

// status prints one screen: how things are. It says if something is not there; that is no error.
func (t *tool) status() error {
	o, err := t.overview()
	if err != nil {
		return err
	}
	if t.json {
		return t.printJSON([]object{o.object()})
	}
	fmt.Fprintln(t.out, "module    "+o.module)
	if o.daemon != nil {
		fmt.Fprintf(t.out, "daemon    shim6d %s, process %d, %d locators, %d hold-downs\n",
			o.daemon.Version, o.daemon.PID, o.daemon.Locators, o.daemon.HoldDowns)
		if t.statistics {
			fmt.Fprintf(t.out, "sent      %s\nreceived  %s\n", countsText(o.daemon.Sent), countsText(o.daemon.Received))
		}
	} else {
		fmt.Fprintf(t.out, "daemon    %v\n", o.daemonErr)
	}
	fmt.Fprintf(t.out, "contexts  %s\n", o.states())
	for i, c := range o.contexts {
		if i == statusPairs {
			fmt.Fprintf(t.out, "          ... and %d more: 'shim6tool context'\n", len(o.contexts)-i)
			break
		}
		by := "by its ULIDs"
		if c.LocatorLocal != c.Local || c.LocatorPeer != c.Peer {
			by = fmt.Sprintf("by %v %v", c.LocatorLocal, c.LocatorPeer)
		}
		fmt.Fprintf(t.out, "    %s %s\n", nameText(nameOf(c.ULIDs)), by)
		fmt.Fprintf(t.out, "        %v %v switches %d", c.State, c.ReapState, c.Switches)
		if p, ok := o.protections[nameOf(c.ULIDs)]; ok {
			fmt.Fprint(t.out, ", "+p.Text)
		}
		fmt.Fprintln(t.out)
	}
	if len(o.flows) > 0 {
		fmt.Fprintf(t.out, "flows     %d without a context: 'shim6tool flow'\n", len(o.flows))
	}
	for _, f := range o.flows[:min(len(o.flows), statusFlows)] {
		fmt.Fprintf(t.out, "    %s %s\n", nameText(flowName(f)), flowText(f))
		if p, ok := o.protections[flowName(f)]; ok {
			fmt.Fprintf(t.out, "        %s\n", p.Text)
		}
	}
	if len(o.switches) > 0 {
		fmt.Fprintf(t.out, "switches  the last %d: 'shim6tool path history' has more\n", len(o.switches))
	}
	for _, s := range o.switches {
		fmt.Fprintf(t.out, "    %s %s %s to %s, trigger %s\n", s.Time.Local().Format("2006-01-02 15:04:05"), nameText(s.Name),
			s.Direction, pairText(s.To), s.Trigger)
	}
	return nil
}

func (t *tool) overview() (*overview, error) {
	o := &overview{}
	there, err := t.loaded(t.netns)
	if err != nil {
		return nil, err
	}
	if o.module = "not loaded: 'modprobe shim6'"; there {
		o.module = "loaded"
		err := t.with(func(c client) (err error) {
			// They take rights, and the screen is of use without them.
			o.flows, _ = c.Flows()
			o.contexts, err = c.Contexts()
			return err
		})
		sortFlows(o.flows)
		if err != nil && !errors.Is(err, netlink.ErrInterrupted) {
			return nil, err
		}
	}
	o.daemonErr = t.ask(func(ctx context.Context, d daemon) error {
		s, err := d.Status(ctx)
		if err != nil {
			return err
		}
		o.daemon = &s
		// The screen is of use without switches, so their error does not matter.
		o.switches, _ = d.Switches(ctx)
		o.switches = o.switches[max(0, len(o.switches)-statusSwitches):]
		return nil
	})
	if o.daemon != nil {
		o.protections = t.protections(o.contexts)
		maps.Copy(o.protections, t.flowProtections(o.flows))
	}
	return o, nil
}

func (o *overview) counts() map[string]int {
	n := map[string]int{}
	for _, c := range o.contexts {
		n[c.State.String()]++
	}
	return n
}

func (o *overview) states() string {
	n := o.counts()
	var words []string
	for _, state := range slices.Sorted(maps.Keys(n)) {
		words = append(words, fmt.Sprintf("%d %s", n[state], state))
	}
	if words == nil {
		return "none"
	}
	return strings.Join(words, ", ")
}

// object has the objects that other commands print, under the names of the commands.
func (o *overview) object() object {
	contexts := []object{}
	for _, c := range o.contexts {
		contexts = append(contexts, protectedObject(c, o.protections))
	}
	flows := []object{}
	for _, f := range o.flows {
		flows = append(flows, flowObject(f, o.protections))
	}
	j := object{{"module", o.module == "loaded"}}
	if o.daemon != nil {
		j = append(j, field{"daemon", o.daemon})
	} else {
		j = append(j, field{"error", o.daemonErr.Error()})
	}
	return append(j, field{"states", o.counts()}, field{"contexts", contexts}, field{"flows", flows}, field{"switches", listOf(o.switches)})
}
