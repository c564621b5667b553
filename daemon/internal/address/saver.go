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

// Saver keeps an Identity in the state directory, without anybody having to wait for the
// disk that it is on. What the disk has not got yet, because it is full, read-only,
// missing, or does not answer, is in the runtime folder meanwhile, which is in memory:
// there the next daemon finds it, until the host is rebooted.
type Saver struct {
	folder, runtime string
	writer          *writer.Writer

	mu     sync.Mutex
	lock   *os.File
	wanted *Identity
}

// NewSaver returns a Saver, whose Claim is to be called before all else. report is told of
// failures to write to the state directory, see writer.New.
func NewSaver(folder, runtime string, report func(error)) *Saver {
	s := &Saver{folder: folder, runtime: runtime}
	s.writer = writer.New(s.write, report)
	return s
}

// Claim makes the state directory, if need be, and locks it, unless it has done so
// before. If another daemon has it, the error is writer.ErrInUse. It may wait for the
// disk.
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

// Load returns the newest Identity that there is, which is nil if there is none. That of
// the state directory is the host's: if there is one with another key in the runtime
// folder it was made while the disk was missing, and is forgotten. It may wait for
// the disk.
func (s *Saver) Load() (*Identity, error) {
	i, err := Load(s.folder)
	unsaved, unsavedErr := Load(s.runtime)
	var unreadable *fs.PathError
	switch {
	case unsavedErr != nil || unsaved == nil:
		return i, err
	case err != nil && !errors.As(err, &unreadable):
		// What is damaged is for somebody to look at.
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

// Err is why the state directory does not have the Identity, nil if it has.
func (s *Saver) Err() error { return s.writer.Err() }

// write is the writer's.
func (s *Saver) write() error {
	s.mu.Lock()
	i := s.wanted
	s.mu.Unlock()
	if i == nil {
		return nil
	}
	// First to where nothing is waited for.
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
		// Nobody has chosen to use that one.
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

// Close saves what is not saved yet, for which it waits no longer than patience, and
// gives the state directory free.
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
