// SPDX-License-Identifier: GPL-2.0

package main

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"
)

// outage is the longest time after a failure in which nothing of a flow arrived.
type outage struct {
	flow    *flow
	failure event
	seconds float64
	back    bool // something arrived afterwards
}

// outages returns the longest silence of each flow for each failure. A silence belongs to the
// first failure that it spans, otherwise to the last failure before it.
func (r *record) outages() []outage {
	var list []outage
	failures := r.kind("failure")
	for _, f := range r.flows {
		longest := make([]outage, len(failures))
		for i, e := range failures {
			longest[i] = outage{flow: f, failure: e, back: true}
		}
		silence := func(from, to float64, back bool) {
			last := -1
			for i, e := range failures {
				if e.at < to {
					last = i
				}
				if e.at >= from && e.at < to {
					break
				}
			}
			if last >= 0 && to-from > longest[last].seconds {
				longest[last].seconds, longest[last].back = to-from, back
			}
		}
		at := r.begin
		for _, a := range f.arrivals {
			if a.at < r.begin || a.at > r.end {
				continue
			}
			silence(at, a.at, true)
			at = a.at
		}
		// At the end some packets are always on their way.
		silence(at, r.end, r.end-at < 0.5)
		list = append(list, longest...)
	}
	return list
}

func (o outage) milliseconds() int { return int(math.Round(o.seconds * 1000)) }

func writeOutages(w io.Writer, list []outage) error {
	if _, err := fmt.Fprintln(w, "flow,failure,milliseconds,back"); err != nil {
		return err
	}
	for _, o := range list {
		if _, err := fmt.Fprintf(w, "%s,%q,%d,%v\n", o.flow.name, o.failure.text, o.milliseconds(), o.back); err != nil {
			return err
		}
	}
	return nil
}

// printTable has a line for each flow and a column for each failure.
func (r *record) printTable(w io.Writer, list []outage) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "longest silence\t")
	failures := r.kind("failure")
	for _, e := range failures {
		fmt.Fprintf(t, "%s\t", e.text)
	}
	for i, o := range list {
		if i%len(failures) == 0 {
			fmt.Fprintf(t, "\n%s\t", o.flow.label)
		}
		if o.back {
			fmt.Fprintf(t, "%d ms\t", o.milliseconds())
		} else {
			fmt.Fprintf(t, "more than %d ms\t", o.milliseconds())
		}
	}
	fmt.Fprintln(t)
	return t.Flush()
}
