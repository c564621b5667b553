// SPDX-License-Identifier: GPL-2.0

package main

import (
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
)

// record is all that is known of a run. Times are in seconds since its begin.
type record struct {
	title      string
	begin, end float64
	flows      []*flow
	events     []event
}

// flow is a panel of the picture.
type flow struct {
	name, label string
	arrivals    []arrival
}

type arrival struct {
	at     float64
	octets int
}

// event is something that happened.
type event struct {
	at float64
	// kind is failure, repair, or pair: text names the locator pair in use from then on.
	kind, text string
}

// rows calls add with each line of a CSV of three columns, the first a time.
func rows(in io.Reader, add func(at float64, second, third string) error) error {
	c := csv.NewReader(in)
	c.FieldsPerRecord = 3
	for {
		row, err := c.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		line, _ := c.FieldPos(0)
		at, err := strconv.ParseFloat(row[0], 64)
		if err == nil {
			err = add(at, row[1], row[2])
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
}

// readArrivals reads lines of seconds,flow,octets. Flows that have no panel are left out.
func (r *record) readArrivals(in io.Reader) error {
	err := rows(in, func(at float64, name, octets string) error {
		n, err := strconv.Atoi(octets)
		if err != nil {
			return err
		}
		for _, f := range r.flows {
			if f.name == name {
				f.arrivals = append(f.arrivals, arrival{at, n})
			}
		}
		return nil
	})
	for _, f := range r.flows {
		slices.SortStableFunc(f.arrivals, func(a, b arrival) int { return cmp.Compare(a.at, b.at) })
	}
	return err
}

// readEvents reads lines of seconds,kind,text. Events of the kinds begin and end set the part
// that is shown.
func (r *record) readEvents(in io.Reader) error {
	err := rows(in, func(at float64, kind, text string) error {
		switch kind {
		case "begin":
			r.begin = at
		case "end":
			r.end = at
		case "failure", "repair", "pair":
			r.events = append(r.events, event{at, kind, text})
		default:
			return fmt.Errorf("there are no events of kind %q", kind)
		}
		return nil
	})
	slices.SortStableFunc(r.events, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	return err
}

// kind returns the events of a kind.
func (r *record) kind(kind string) []event {
	var list []event
	for _, e := range r.events {
		if e.kind == kind {
			list = append(list, e)
		}
	}
	return list
}

// bins returns the rate at which octets arrived in each slice, in Mbit/s. slice is in seconds.
func (r *record) bins(f *flow, slice float64) []float64 {
	list := make([]float64, int((r.end-r.begin)/slice+0.5))
	for _, a := range f.arrivals {
		i := int((a.at - r.begin) / slice)
		if a.at >= r.begin && i < len(list) {
			list[i] += float64(a.octets) * 8 / 1e6 / slice
		}
	}
	return list
}
