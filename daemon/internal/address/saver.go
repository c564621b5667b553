// SPDX-License-Identifier: BSD-3-Clause

package address

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"shim6/daemon/internal/writer"
)

// Saver keeps an Identity in the state directory, and nobody has to wait for its disk. While
// the disk is full, read-only, missing, or does not answer, the Identity is in the runtime
// folder, which is in memory: the next daemon finds it there, until the host is rebooted.
type Saver struct {
	folder, runtime string
	writer          *writer.Writer

	// mu guards lock and wanted.
	mu     sync.Mutex
	lock   *os.File
	wanted *Identity
}

// NewSaver returns a Saver. Call Claim first. report is told of failures to write to the state
// directory, see writer.New.
func NewSaver(folder, runtime string, report func(error)) *Saver {
	s := &Saver{folder: folder, runtime: runtime}
	s.writer = writer.New(s.write, report)
	return s
}

// Claim makes the state directory if it is not there, and locks it, unless it has done so
// before. If another daemon has it, the error is writer.ErrInUse. Claim may wait for the disk.
func (s *Saver) Claim() error {
	s.mu.Lock()
	held := s.lock != nil
	s.mu.Unlock()
	if held {
		return nil
	}
	lock, err := writer.Claim(s.folder)
	if err != nil {
		return fmt.Errorf("the state directory: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lock = lock
	return nil
}

// Load returns the newest Identity, nil if there is none. The one in the state directory is the
// host's: if the runtime folder has one with another key, that was made while the disk was
// missing, and is forgotten. Load may wait for the disk.
func (s *Saver) Load() (*Identity, error) {
	i, err := Load(s.folder)
	unsaved, unsavedErr := Load(s.runtime)
	var unreadable *fs.PathError
	switch {
	case unsavedErr != nil || unsaved == nil:
		return i, err
	case err != nil && !errors.As(err, &unreadable):
		// Damaged files are left for the administrator.
		return nil, err
	case i != nil && !i.Key.Equal(unsaved.Key):
		return i, s.forget()
	}
	s.Save(unsaved)
	return unsaved, nil
}

// Save has an Identity saved, in place of the last one. It does not wait.
func (s *Saver) Save(i *Identity) {
	s.mu.Lock()
	s.wanted = i
	s.mu.Unlock()
	s.writer.Want()
}

// Err is why the state directory does not have the Identity, nil if it has it.
func (s *Saver) Err() error { return s.writer.Err() }

// write is called by the writer, on its goroutine.
func (s *Saver) write() error {
	s.mu.Lock()
	i := s.wanted
	s.mu.Unlock()
	if i == nil {
		return nil
	}
	// First to the folder that answers at once.
	first := s.saveRuntime(i)
	err := s.Claim()
	if err == nil {
		err = i.Save(s.folder)
	}
	if err != nil {
		return errors.Join(err, first)
	}
	return s.forget()
}

func (s *Saver) saveRuntime(i *Identity) error {
	if err := os.MkdirAll(s.runtime, 0o700); err != nil {
		return err
	}
	err := i.Save(s.runtime)
	if errors.Is(err, ErrOtherKey) {
		// That Identity is not in use.
		if err = s.forget(); err == nil {
			err = i.Save(s.runtime)
		}
	}
	return err
}

// forget removes what is in the runtime folder.
func (s *Saver) forget() error {
	var errs []error
	// The key last: without it the addresses are nothing.
	for _, name := range []string{AddressesFile, KeyFile} {
		if err := os.Remove(filepath.Join(s.runtime, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Close saves what is not saved yet, waits for that no longer than patience, and unlocks the
// state directory.
func (s *Saver) Close(patience time.Duration) error {
	err := s.writer.Close(patience)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lock != nil && !errors.Is(err, writer.ErrLate) {
		err = errors.Join(err, s.lock.Close())
		s.lock = nil
	}
	return err
}
