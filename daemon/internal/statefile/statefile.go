// SPDX-License-Identifier: BSD-3-Clause

// Package statefile keeps the engine's Records for a restart.
//
// The file is a journal of JSON objects, one a line. A line has the new Record of a context, or
// says that there is none any more. So a change costs one write, and after that the daemon may
// die at any moment: the kernel has what was written. If the host dies, the contexts in the
// kernel die with it, and nobody needs the file. So the file belongs in memory, below /run, and
// nothing is synced. A journal that has grown is replaced by a short one as a whole: that is
// written under another name, and renamed.
//
// A goroutine of the File writes. Flush waits for it, but never for long, so that a peer is told
// nothing that a restart would not know.
//
// The file has secrets, the context tags, and so has mode 0600.
package statefile

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/internal/writer"
)

const (
	// name is the name of the file in its folder.
	name = "contexts.jsonl"
	// version is in the first line.
	version = 1
	// slack: a journal is too long if it has this many octets more than twice its first
	// length.
	slack = 1 << 18
	// defaultPatience is how long Flush waits: a thousand times as long as a write takes
	// where files are in memory.
	defaultPatience = 50 * time.Millisecond
	// lastPatience is how long Close waits.
	lastPatience = 2 * time.Second
)

// head is the first line.
type head struct {
	Shim6d int `json:"shim6d-state"`
}

// line is any other line.
type line struct {
	engine.ULIDs
	// Record is nil for a context that is gone.
	Record *engine.Record `json:"record,omitempty"`
}

// DamageError says that a file could not be read, and was moved out of the way.
type DamageError struct {
	// File is its new name, and Line the line that could not be read.
	File string
	Line int
	Err  error
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("the state file is damaged in line %d (%v) and now %s: contexts are taken from the kernel alone; delete it if nobody wants to look at it", e.Line, e.Err, e.File)
}

// Unwrap returns Err.
func (e *DamageError) Unwrap() error { return e.Err }

// File is an open state file. Only one goroutine may call its methods.
type File struct {
	folder   string
	lock     *os.File
	writer   *writer.Writer
	patience time.Duration
	// isNew: there was no file before.
	isNew bool

	// mu guards live and changed, which the writer's goroutine uses as well.
	mu   sync.Mutex
	live map[engine.ULIDs]*engine.Record
	// changed are the contexts whose newest Record is not in the journal.
	changed map[engine.ULIDs]struct{}

	// The writer's goroutine alone uses these. journal is nil after a write has failed:
	// then everything is to be written. size is its length in octets, and whole its first
	// length.
	journal     *os.File
	size, whole int64
}

// Open opens the state file in a folder, which it makes if it is not there, and returns the
// Records. The folder is locked until Close: if another daemon has it, the File is nil, and the
// error writer.ErrInUse. Any other error says that the old file can't be read; the File is good
// then. report is told of failures to write, see writer.New. A File that can't be written keeps
// the Records until it can.
func Open(folder string, report func(error)) (*File, []engine.Record, error) {
	f := &File{
		folder: folder, patience: defaultPatience,
		live: map[engine.ULIDs]*engine.Record{}, changed: map[engine.ULIDs]struct{}{},
	}
	if err := f.claim(); errors.Is(err, writer.ErrInUse) {
		return nil, nil, fmt.Errorf("the folder of the state file, beside the control socket: %w: give this one another control.socket", err)
	}
	var err error
	f.isNew, err = f.read(folder)
	failed := f.rewrite(f.live)
	f.writer = writer.New(f.write, report)
	if failed != nil || f.journal == nil {
		// The writer tries again, and tells the error.
		f.writer.Want()
	}
	return f, f.Records(), err
}

// SetPatience sets how long Flush waits. Tests may wait longer than the daemon, whose sessions
// must not wait for a slow disk.
func (f *File) SetPatience(d time.Duration) { f.patience = d }

// claim makes the folder and locks it, unless it has done so before.
func (f *File) claim() (err error) {
	if f.lock == nil {
		f.lock, err = writer.Claim(f.folder)
	}
	return err
}

// IsNew reports whether there was no file when f was opened.
func (f *File) IsNew() bool { return f.isNew }

// Read returns the Records that an older version of the daemon has left in another folder; none
// with a *DamageError. Remove removes them. Read may wait for a disk.
func Read(folder string) ([]engine.Record, error) {
	old := &File{live: map[engine.ULIDs]*engine.Record{}}
	_, err := old.read(folder)
	return old.Records(), err
}

// Remove removes the files that an older version has left in another folder. It may wait for a
// disk.
func Remove(folder string) error {
	var errs []error
	for _, n := range []string{name, name + ".tmp", "lock"} {
		path := filepath.Join(folder, n)
		// On a frozen file system a removal waits even if there is no file.
		if _, err := os.Lstat(path); err == nil {
			errs = append(errs, os.Remove(path))
		}
	}
	return errors.Join(errs...)
}

func (f *File) path() string { return filepath.Join(f.folder, name) }

// read reads the file, and reports whether there was none.
func (f *File) read(folder string) (none bool, err error) {
	path := filepath.Join(folder, name)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading the state file: %w", err)
	}
	n, err := f.parse(b)
	if err != nil {
		clear(f.live)
		aside := fmt.Sprintf("%s.damaged-%s", path, time.Now().UTC().Format("20060102T150405"))
		if err := os.Rename(path, aside); err != nil {
			return false, fmt.Errorf("the state file is damaged, and can't be moved away: %w", err)
		}
		return false, &DamageError{File: aside, Line: n, Err: err}
	}
	return false, nil
}

// parse takes over lines. With an error it returns the number of the wrong line. A last line
// without its end is ignored: it was being written.
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

// Put keeps a Record of a context, or forgets it if r is nil. The caller must not change r any
// more. Flush makes the change safe.
func (f *File) Put(u engine.ULIDs, r *engine.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r == nil {
		if f.live[u] == nil {
			return
		}
		delete(f.live, u)
	} else {
		f.live[u] = r
	}
	f.changed[u] = struct{}{}
}

// Flush has the changes written that Put was told. It waits for that, but not for long, and not
// at all while writes fail or take long: then the changes are written later. A context that
// changes again before that is written once.
func (f *File) Flush() {
	f.mu.Lock()
	nothing := len(f.changed) == 0
	f.mu.Unlock()
	if !nothing {
		f.writer.Want()
		f.writer.Wait(f.patience)
	}
}

// Err is why not all is written, nil if it is.
func (f *File) Err() error { return f.writer.Err() }

// write is called by the writer, on its goroutine. It removes a file that can't be written, which
// is possible on a disk without room. By old Records a daemon would believe that the peer has
// been told what it has not; without Records it tells the peer again.
func (f *File) write() error {
	err := f.tryWrite()
	if err != nil {
		os.Remove(f.path())
	}
	return err
}

func (f *File) tryWrite() error {
	if err := f.claim(); err != nil {
		return err
	}
	f.mu.Lock()
	changed := f.changed
	f.changed = map[engine.ULIDs]struct{}{}
	if f.journal == nil || f.size > 2*f.whole+slack {
		live := maps.Clone(f.live)
		f.mu.Unlock()
		return f.rewrite(live)
	}
	lines := make([]line, 0, len(changed))
	for u := range changed {
		lines = append(lines, line{u, f.live[u]})
	}
	f.mu.Unlock()
	var b bytes.Buffer
	for _, l := range lines {
		encode(&b, l)
	}
	n, err := f.journal.Write(b.Bytes())
	f.size += int64(n)
	if err != nil {
		// Half a line may have been written, so nothing can follow it.
		f.journal.Close()
		f.journal = nil
		return fmt.Errorf("writing the state file: %w", err)
	}
	return nil
}

// rewrite replaces the journal, if there is one, by a journal of some Records.
func (f *File) rewrite(live map[engine.ULIDs]*engine.Record) error {
	if f.journal != nil {
		f.journal.Close()
		f.journal = nil
	}
	if f.lock == nil {
		return nil
	}
	journal, size, err := replace(f.path(), func(w io.Writer) {
		encode(w, head{version})
		for u, r := range live {
			encode(w, line{u, r})
		}
	})
	if err != nil {
		return fmt.Errorf("writing the state file: %w", err)
	}
	f.journal, f.size, f.whole = journal, size, size
	return nil
}

// encode writes a line. Plain data can always be encoded. The owner of w sees errors of writing
// later.
func encode(w io.Writer, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic("statefile: " + err.Error())
	}
	w.Write(append(b, '\n'))
}

// replace writes a file as a whole: a reader sees the old file or the new one at any moment. It
// returns the new file, to append to, and its length.
func replace(path string, fill func(io.Writer)) (*os.File, int64, error) {
	temporary := path + ".tmp"
	w, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return nil, 0, err
	}
	b := bufio.NewWriterSize(w, 1<<16)
	fill(b)
	var size int64
	err = b.Flush()
	if err == nil {
		size, err = w.Seek(0, io.SeekCurrent)
	}
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		w.Close()
		os.Remove(temporary)
		return nil, 0, err
	}
	return w, size, nil
}

// Records are all Records, in no order.
func (f *File) Records() []engine.Record {
	f.mu.Lock()
	defer f.mu.Unlock()
	records := make([]engine.Record, 0, len(f.live))
	for _, r := range f.live {
		records = append(records, *r)
	}
	return records
}

// Len is the number of Records.
func (f *File) Len() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.live)
}

// Close writes what is left, does not wait long for that, and unlocks the folder.
func (f *File) Close() error {
	f.writer.Want()
	err := f.writer.Close(lastPatience)
	if errors.Is(err, writer.ErrLate) {
		// The writer uses the files until the process ends.
		return err
	}
	for _, c := range []*os.File{f.journal, f.lock} {
		if c != nil {
			err = errors.Join(err, c.Close())
		}
	}
	f.journal, f.lock = nil, nil
	return err
}
