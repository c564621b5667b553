// SPDX-License-Identifier: BSD-3-Clause

package engine_test

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	. "shim6/daemon/internal/engine"
)

// contextsDoc is the section "Contexts" of docs/states.md.
func contextsDoc(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../../docs/states.md")
	if err != nil {
		t.Fatal(err)
	}
	_, doc, ok := strings.Cut("\n"+string(b), "\n## Contexts\n")
	if !ok {
		t.Fatal("docs/states.md has no section \"Contexts\"")
	}
	doc, _, _ = strings.Cut(doc, "\n## ")
	return doc
}

// stateTable is the table of docs/states.md: a row for each event, a column for each state,
// in the order in which stateMachine has them first.
func stateTable() string {
	entries := map[string]map[State]string{}
	var events []string
	for _, x := range everyCell() {
		if entries[x.event] == nil {
			entries[x.event] = map[State]string{}
			events = append(events, x.event)
		}
		var words []string
		for _, s := range x.sends {
			words = append(words, fmt.Sprint(s))
		}
		if x.to != x.state {
			words = append(words, "→ "+x.to.String())
		}
		if words == nil {
			words = []string{"–"}
		}
		entries[x.event][x.state] = strings.Join(words, " ")
	}
	var b strings.Builder
	b.WriteString("| Event |")
	for s := Idle; s <= NoSupport; s++ {
		fmt.Fprintf(&b, " %v |", s)
	}
	b.WriteString("\n|" + strings.Repeat("---|", int(NoSupport)+2) + "\n")
	for _, event := range events {
		fmt.Fprintf(&b, "| %s |", event)
		for s := Idle; s <= NoSupport; s++ {
			b.WriteString(strings.TrimRight(" "+entries[event][s], " ") + " |")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// TestStatesDocumented compares docs/states.md with the cells that TestStates tries: the
// table must be the same, and the drawing must have an arrow for each change of state.
func TestStatesDocumented(t *testing.T) {
	doc := contextsDoc(t)
	want := stateTable()
	if !strings.Contains(doc, "\n"+want) {
		t.Errorf("docs/states.md must have this table in its section \"Contexts\":\n%s", want)
	}
	// TestStates has no cell for this one: the peer answers I1 again and again, but never I2.
	arrows := map[string]bool{"I2-SENT --> E-FAILED": true}
	for _, x := range everyCell() {
		if x.state != x.to {
			arrows[fmt.Sprintf("%v --> %v", x.state, x.to)] = true
		}
	}
	drawn := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^ *(\w+) --> (\w+):`).FindAllStringSubmatch(doc, -1) {
		drawn[strings.ReplaceAll(m[1]+" --> "+m[2], "_", "-")] = true
	}
	if got, want := slices.Sorted(maps.Keys(drawn)), slices.Sorted(maps.Keys(arrows)); !slices.Equal(got, want) {
		t.Errorf("docs/states.md draws the arrows\n%v\nand the engine has\n%v", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
