// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"shim6/daemon/control"
)

func init() {
	register(command{
		object: "daemon", verb: "status", order: isDefault, help: "print how shim6d is", form: daemonStatus,
	})
}

func daemonStatus(t *tool) form {
	return form{run: func([]string) error { return t.daemonStatus() }}
}

func (t *tool) daemonStatus() error {
	s, err := t.askStatus()
	if err != nil {
		return err
	}
	if t.json {
		return t.printJSON([]control.Status{s})
	}
	fmt.Fprintf(t.out, "shim6d %s pid %d uptime %s config %s\n", s.Version, s.PID,
		timeText(time.Duration(s.Uptime)*time.Millisecond), s.Config)
	fmt.Fprintf(t.out, "    kernel %t contexts %d hold-downs %d records %d locators %d\n",
		s.Kernel, s.Contexts, s.HoldDowns, s.Records, s.Locators)
	for _, e := range []struct{ name, text string }{{"records-error", s.RecordsError}, {"keys-error", s.KeysError}} {
		if e.text != "" {
			fmt.Fprintf(t.out, "    %s %q\n", e.name, e.text)
		}
	}
	if t.statistics {
		fmt.Fprintf(t.out, "    events-lost %d send-errors %d\n", s.EventsLost, s.SendErrors)
		for _, l := range []struct {
			name   string
			counts map[string]uint64
		}{{"sent", s.Sent}, {"received", s.Received}, {"dropped", s.Dropped}} {
			fmt.Fprintf(t.out, "    %s %s\n", l.name, countsText(l.counts))
		}
	}
	return nil
}

// countsText writes counters in the order of their names.
func countsText(counts map[string]uint64) string {
	var words []string
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		words = append(words, fmt.Sprintf("%s: %d", k, counts[k]))
	}
	if words == nil {
		return "nothing"
	}
	return strings.Join(words, ", ")
}
