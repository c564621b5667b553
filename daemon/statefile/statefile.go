// SPDX-License-Identifier: BSD-3-Clause

// Package statefile keeps the engine's Records for a restart.
//
// The file is a journal, one JSON object a line: a Record in place of the last one
// of its context, or that there is none any more. So a change costs one write, and
// is safe from then on against the death of the daemon at any moment: what was
// written stays with the kernel. The death of the host is not its business, for the
// contexts in the kernel die with it. A journal that has grown is replaced by a
// short one, as a whole: written under another name, synced, and renamed.
//
// There are secrets in the file, the context tags: it has mode 0600.
package statefile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"shim6/daemon/engine"
)

const (
	// name is the file's in its folder.
	name = "contexts.jsonl"
	// version stands in the first line.
	version = 1
	// slack is how many lines more than twice the contexts make a journal too
	// long.
	slack = 1000
)

// head is the first line.
type head struct {
	Shim6d int `json:"shim6d-state"`
}

// line is any other.
type line struct {
	engine.ULIDs
	// Record is nil for a context that is no more.
	Record *engine.Record `json:"record,omitempty"`
}

// DamageError says that a file could not be read, and has been moved out of the
// way.
type DamageError struct {
	// File is where it is now, and Line what could not be read.
	File string
	Line int
	Err  error
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("the state file is damaged in line %d (%v) and now %s: contexts are taken from the kernel alone; delete it if nobody wants to look at it", e.Line, e.Err, e.File)
}

// Unwrap returns Err.
func (e *DamageError) Unwrap() error { return e.Err }

// File is an open state file. It is for one goroutine.
type File struct {
	folder string
	lock   *os.File
	// journal is nil after a write has failed: then all is to be written.
	journal *os.File
	live    map[engine.ULIDs]*engine.Record
	lines   int
	pending bytes.Buffer
	// failed is why not all is written, and skip how many Flushes go by until
	// that is tried again.
	failed error
	skip   int
}

// Open opens the state file in a folder, which it makes if need be, and returns
// the Records. With a *DamageError the File is good, and there are no Records. The
// folder is locked until Close: another daemon there is an error.
func Open(folder string) (*File, []engine.Record, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, nil, fmt.Errorf("making the state directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(folder, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("the state directory: %w: it must be writable for shim6d", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close()
		return nil, nil, fmt.Errorf("the state directory %s is in use by another shim6d (%w): give this one another state-directory", folder, err)
	}
	f := &File{folder: folder, lock: lock, live: map[engine.ULIDs]*engine.Record{}}
	records, damage := f.read()
	var de *DamageError
	if damage != nil && !errors.As(damage, &de) {
		lock.Close()
		return nil, nil, damage
	}
	if err := f.rewrite(); err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, records, damage
}

func (f *File) path() string { return filepath.Join(f.folder, name) }

// read reads what there is.
func (f *File) read() ([]engine.Record, error) {
	b, err := os.ReadFile(f.path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the state file: %w", err)
	}
	n, err := f.parse(b)
	if err != nil {
		clear(f.live)
		aside := fmt.Sprintf("%s.damaged-%s", f.path(), time.Now().UTC().Format("20060102T150405"))
		if err := os.Rename(f.path(), aside); err != nil {
			return nil, fmt.Errorf("the state file is damaged, and can't be moved away: %w", err)
		}
		return nil, &DamageError{File: aside, Line: n, Err: err}
	}
	return f.Records(), nil
}

// parse takes over lines, and returns which one is wrong. A last line without its
// end is one that was being written: it is passed over.
func (f *File) parse(b []byte) (int, error) {
	for n := 1; len(b) > 0; n++ {
		text, rest, whole := bytes.Cut(b, []byte("\n"))
		if !whole && n > 1 {
			return 0, nil
		}
		b = rest
		if n == 1 {
			var h head
			if err := strict(text, &h); err != nil {
				return n, err
			}
			if h.Shim6d != version {
				return n, fmt.Errorf("it is of version %d, and this shim6d knows %d", h.Shim6d, version)
			}
			continue
		}
		var l line
		if err := strict(text, &l); err != nil {
			return n, err
		}
		if !l.Local.IsValid() || !l.Peer.IsValid() || l.Record != nil && l.Record.ULIDs != l.ULIDs {
			return n, errors.New("it does not name its context")
		}
		if l.Record == nil {
			delete(f.live, l.ULIDs)
		} else {
			f.live[l.ULIDs] = l.Record
		}
	}
	return 0, nil
}

func strict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("there is more in it than one object")
	}
	return nil
}

// Put keeps a Record, or forgets it if it is nil. Flush makes it safe.
func (f *File) Put(u engine.ULIDs, r *engine.Record) {
	if r == nil {
		if f.live[u] == nil {
			return
		}
		delete(f.live, u)
	} else {
		f.live[u] = r
	}
	f.encode(&f.pending, line{u, r})
	f.lines++
}

// encode appends a line. That it can't be encoded can't be: it is plain data.
func (f *File) encode(w *bytes.Buffer, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic("statefile: " + err.Error())
	}
	w.Write(b)
	w.WriteByte('\n')
}

// Flush writes what Put was told. After an error it is not lost: the next Flush
// that has something to write will write all. If that fails as well it is tried less
// often, the more there is to write: a full disk must not take all the time.
func (f *File) Flush() error {
	if f.pending.Len() == 0 {
		return nil
	}
	if f.skip > 0 {
		f.skip--
		f.pending.Reset()
		return f.failed
	}
	if f.journal == nil || f.lines > 2*len(f.live)+slack {
		return f.rewrite()
	}
	_, err := f.journal.Write(f.pending.Bytes())
	f.pending.Reset()
	if err != nil {
		// Half a line may be there, so nothing can follow it.
		f.journal.Close()
		f.journal = nil
		f.failed = fmt.Errorf("writing the state file: %w", err)
		return f.failed
	}
	return nil
}

// rewrite puts a journal of what there is in place of the old one.
func (f *File) rewrite() error {
	f.pending.Reset()
	var all bytes.Buffer
	f.encode(&all, head{version})
	for u, r := range f.live {
		f.encode(&all, line{u, r})
	}
	journal, err := replace(f.path(), all.Bytes())
	if err != nil {
		if f.journal != nil {
			// It has not got what was pending.
			f.journal.Close()
			f.journal = nil
		}
		f.failed, f.skip = fmt.Errorf("writing the state file: %w", err), len(f.live)/8
		return f.failed
	}
	if f.journal != nil {
		f.journal.Close()
	}
	f.journal, f.lines, f.failed = journal, len(f.live), nil
	return nil
}

// replace writes a file as a whole: whoever looks, at whatever moment, sees the old
// one or the new one. It returns the new one, to append to.
func replace(path string, b []byte) (*os.File, error) {
	temporary := path + ".tmp"
	w, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(b)
	if err == nil {
		err = w.Sync()
	}
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	if err != nil {
		w.Close()
		os.Remove(temporary)
		return nil, err
	}
	return w, nil
}

func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Records are those that there are, in no order.
func (f *File) Records() []engine.Record {
	records := make([]engine.Record, 0, len(f.live))
	for _, r := range f.live {
		records = append(records, *r)
	}
	return records
}

// Len is how many Records there are.
func (f *File) Len() int { return len(f.live) }

// Close flushes, and gives the folder free.
func (f *File) Close() error {
	err := f.failed
	if f.skip = 0; err != nil {
		err = f.rewrite()
		f.failed = nil
	} else {
		err = f.Flush()
	}
	if f.journal != nil {
		err = errors.Join(err, f.journal.Close())
		f.journal = nil
	}
	return errors.Join(err, f.lock.Close())
}
