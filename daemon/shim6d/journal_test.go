// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"shim6/daemon/internal/reap"
)

// entries are the fields of records, as a handler for the journal gets them.
type entries struct {
	list [][]string
	err  error
	with []slog.Attr
}

func (e *entries) Enabled(context.Context, slog.Level) bool { return true }
func (e *entries) WithGroup(string) slog.Handler            { return e }
func (e *entries) WithAttrs(list []slog.Attr) slog.Handler {
	e.with = append(e.with, list...)
	return e
}

func (e *entries) Handle(_ context.Context, r slog.Record) error {
	entry := []string{"MESSAGE=" + r.Message}
	add := func(a slog.Attr) bool {
		entry = append(entry, a.Key+"="+a.Value.String())
		return true
	}
	for _, a := range e.with {
		add(a)
	}
	r.Attrs(add)
	if r.PC != 0 || !r.Time.IsZero() {
		entry = append(entry, "place or time")
	}
	e.list = append(e.list, entry)
	return e.err
}

func newLine(w io.Writer) slog.Handler {
	return slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
}

// A record goes to the journal with its attributes as fields, and its line is as it is without the
// journal.
func TestJournalFields(t *testing.T) {
	e, stderr := &entries{}, &strings.Builder{}
	log := slog.New(joined(e, newLine, stderr))
	log.Info(msgPath, "ulid-local", netip.MustParseAddr("2001:db8::1"), "trigger", reap.Payload, "why", "two\nlines", "probed", "", "outage", 1500*time.Millisecond)
	log.Warn("other", "trigger", reap.Local)
	log.With("a", 1).WithGroup("g").Info("in a group", "b", 2, slog.Group("c", "d", 3))
	want := [][]string{
		{`MESSAGE=level=INFO msg=path ulid-local=2001:db8::1 trigger=payload why="two\nlines" probed="" outage=1.5s`,
			"MESSAGE_ID=" + messageIDs[msgPath], "SHIM6_ULID_LOCAL=2001:db8::1", "SHIM6_TRIGGER=payload", "SHIM6_TRIGGER=black-hole",
			"SHIM6_WHY=two\nlines", "SHIM6_OUTAGE_USEC=1.5s"},
		{"MESSAGE=level=WARN msg=other trigger=local", "SHIM6_TRIGGER=local"},
		{`MESSAGE=level=INFO msg="in a group" a=1 g.b=2 g.c.d=3`, "SHIM6_A=1", "SHIM6_B=2", "SHIM6_D=3"},
	}
	if !slices.EqualFunc(e.list, want, slices.Equal) {
		t.Errorf("%q", e.list)
	}
	if stderr.Len() != 0 {
		t.Errorf("the standard error has %q", stderr)
	}
	// A record that the journal does not take is not lost.
	e.err = errors.New("no journal")
	log.Info("hello")
	if stderr.String() != "level=INFO msg=hello\n" {
		t.Errorf("the standard error has %q", stderr)
	}
}

// Without a journal at the standard error, records are lines: JOURNAL_STREAM may be inherited by
// a daemon whose standard error is a file.
func TestNoJournal(t *testing.T) {
	for _, stream := range []string{"", "1:1", "nonsense"} {
		t.Setenv("JOURNAL_STREAM", stream)
		if h := newJournalHandler(slog.LevelInfo, newLine, os.Stderr); h != nil {
			t.Errorf("JOURNAL_STREAM=%q: %v", stream, h)
		}
	}
}

// The message catalogue has an entry for each MESSAGE_ID, and no other.
func TestCatalogue(t *testing.T) {
	b, err := os.ReadFile("shim6d.catalog")
	if err != nil {
		t.Fatal(err)
	}
	entries := regexp.MustCompile(`(?m)^-- `).Split(string(b), -1)[1:]
	var got []string
	for _, e := range entries {
		id, text, _ := strings.Cut(e, "\n")
		got = append(got, id)
		for _, head := range []string{"Subject: ", "Defined-By: shim6d\n", "Documentation: man:"} {
			if !strings.Contains(text, head) {
				t.Errorf("%s has no %q", id, head)
			}
		}
		// systemd would leave the name of the field in the text.
		if strings.Contains(text, "@") {
			t.Errorf("%s names a field", id)
		}
	}
	var want []string
	for _, id := range messageIDs {
		want = append(want, id)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the catalogue has\n%q, and the daemon\n%q", got, want)
	}
}
