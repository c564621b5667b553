// SPDX-License-Identifier: GPL-2.0

// Command plot draws, as SVG, what arrived of some flows over time and what happened
// meanwhile. It also tells for how long nothing arrived.
//
// usage: plot -title TEXT -arrivals FILE -events FILE -out PREFIX NAME=LABEL...
//
// Each flow NAME gets a panel with its LABEL, in this order. The picture is PREFIX.svg. The
// outages are written to PREFIX.outages.csv and printed as a table.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "plot: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	fs := flag.NewFlagSet("plot", flag.ContinueOnError)
	title := fs.String("title", "", "the title above the picture")
	arrivals := fs.String("arrivals", "", "lines of seconds,flow,octets")
	events := fs.String("events", "", "lines of seconds,kind,text")
	prefix := fs.String("out", "", "the names of the files, without their endings")
	if err := fs.Parse(args); err != nil {
		return err
	}
	r := record{title: *title}
	for _, a := range fs.Args() {
		name, label, ok := strings.Cut(a, "=")
		if !ok {
			return fmt.Errorf("%q is not NAME=LABEL", a)
		}
		r.flows = append(r.flows, &flow{name: name, label: label})
	}
	err := errors.Join(
		readFile(*arrivals, r.readArrivals),
		readFile(*events, r.readEvents))
	if err != nil {
		return err
	}
	if r.end <= r.begin {
		return errors.New("the events have no begin and end")
	}
	picture := newSVG(width, r.height())
	r.draw(picture)
	outages := r.outages()
	err = errors.Join(
		writeFile(*prefix+".svg", picture.write),
		writeFile(*prefix+".outages.csv", func(w io.Writer) error { return writeOutages(w, outages) }))
	if err != nil {
		return err
	}
	return r.printTable(out, outages)
}

func readFile(name string, read func(io.Reader) error) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := read(f); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
