// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
	slogjournal "github.com/systemd/slog-journal"

	"shim6/daemon/internal/reap"
)

// The records that have an entry in the message catalogue, shim6d.catalog.
const (
	msgRuns       = "shim6d runs"
	msgNoModule   = "the kernel module is not there, and shim6d waits for it"
	msgModuleLost = "shim6d has lost the kernel module, and waits for it"
	msgContext    = "context"
	msgPath       = "path"
	// Both are followed by what protects a context, or why nothing does.
	msgUnprotected = "a context has lost its protection"
	msgRestored    = "a context is protected again"
)

// messageIDs are the MESSAGE_ID of these records. An ID never changes its meaning.
var messageIDs = map[string]string{
	msgRuns:        "738196e1054947608862ac334bad672a",
	msgNoModule:    "b4afde1668f7443fbf0c374158141a6e",
	msgModuleLost:  "b63c7512d5a043b29604a037e9d2dae1",
	msgContext:     "ad38a85eb11843ab97ad63da5575a58d",
	msgPath:        "ea0771b6caa5447c9bc5f178e464c7ab",
	msgUnprotected: "ac3d2471cda2438d952e6444a5f61ae8",
	msgRestored:    "b2efc978172a431e9f21ee8933de3c8c",
}

// blackHole is the second value of SHIM6_TRIGGER for a switch that no message of the network
// explains.
const blackHole = "black-hole"

// journalHandler sends records to the journal by its native protocol, so that it can be searched for
// their attributes. MESSAGE is the line that the log has otherwise. A record that the journal does not
// take goes to the standard error, as a line.
type journalHandler struct {
	line           *lineHandler
	fields, stderr slog.Handler
}

// lineHandler makes the line of a record.
type lineHandler struct {
	mu   *sync.Mutex
	text *bytes.Buffer
	slog.Handler
}

// newJournalHandler returns a handler for a standard error that is the journal's, and nil if it is
// not. newLine makes the handler for lines.
func newJournalHandler(level slog.Leveler, newLine func(io.Writer) slog.Handler, stderr io.Writer) slog.Handler {
	// An error says that JOURNAL_STREAM is of something else.
	if is, err := journal.StderrIsJournalStream(); err != nil || !is || stderr != os.Stderr {
		return nil
	}
	// Without a socket, the lines still arrive.
	fields, err := slogjournal.NewHandler(&slogjournal.Options{Level: level})
	if err != nil {
		return nil
	}
	return joined(fields, newLine, stderr)
}

// joined is a journalHandler with a handler for fields.
func joined(fields slog.Handler, newLine func(io.Writer) slog.Handler, stderr io.Writer) *journalHandler {
	text := &bytes.Buffer{}
	return &journalHandler{line: &lineHandler{&sync.Mutex{}, text, newLine(text)}, fields: fields, stderr: newLine(stderr)}
}

// Enabled reports whether a level is logged.
func (h *journalHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.stderr.Enabled(ctx, level)
}

// Handle sends a record.
func (h *journalHandler) Handle(ctx context.Context, r slog.Record) error {
	line, err := h.line.of(ctx, r)
	if err != nil {
		return err
	}
	// Neither the time, since the journal has its own, nor the place in the source, which would be
	// that of the machine that has built the program.
	entry := slog.NewRecord(time.Time{}, r.Level, line, 0)
	if id := messageIDs[r.Message]; id != "" {
		entry.AddAttrs(slog.String("MESSAGE_ID", id))
	}
	r.Attrs(func(a slog.Attr) bool {
		entry.AddAttrs(fieldsOf(a)...)
		return true
	})
	if h.fields.Handle(ctx, entry) == nil {
		return nil
	}
	return h.stderr.Handle(ctx, r)
}

// WithAttrs returns a handler that adds attributes to each record.
func (h *journalHandler) WithAttrs(list []slog.Attr) slog.Handler {
	var fields []slog.Attr
	for _, a := range list {
		fields = append(fields, fieldsOf(a)...)
	}
	return &journalHandler{h.line.with(h.line.WithAttrs(list)), h.fields.WithAttrs(fields), h.stderr.WithAttrs(list)}
}

// WithGroup returns a handler that has the attributes of records in a group. The journal knows no
// groups, and has the attributes by their own names.
func (h *journalHandler) WithGroup(name string) slog.Handler {
	return &journalHandler{h.line.with(h.line.WithGroup(name)), h.fields, h.stderr.WithGroup(name)}
}

// of is the line of a record.
func (l *lineHandler) of(ctx context.Context, r slog.Record) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Reset()
	err := l.Handle(ctx, r)
	return strings.TrimSuffix(l.text.String(), "\n"), err
}

// with is the same with another handler for the same text.
func (l *lineHandler) with(h slog.Handler) *lineHandler { return &lineHandler{l.mu, l.text, h} }

// fieldsOf are the journal's fields of an attribute; none if it is empty.
func fieldsOf(a slog.Attr) []slog.Attr {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		var all []slog.Attr
		for _, a := range v.Group() {
			all = append(all, fieldsOf(a)...)
		}
		return all
	}
	name := fieldName(a.Key)
	if v.Kind() == slog.KindDuration {
		// As systemd's own fields have it; slogjournal writes microseconds.
		return []slog.Attr{{Key: name + "_USEC", Value: v}}
	}
	text := v.String()
	if text == "" {
		return nil
	}
	fields := []slog.Attr{slog.String(name, text)}
	if t, ok := v.Any().(reap.Trigger); ok && t.BlackHole() {
		fields = append(fields, slog.String(name, blackHole))
	}
	return fields
}

// fieldName is the name of an attribute's field: the journal takes capital letters, digits and _.
func fieldName(key string) string {
	return "SHIM6_" + strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return r
		}
		return '_'
	}, key)
}
