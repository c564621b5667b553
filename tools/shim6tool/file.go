// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// newFile is a file that will be at a path where there is none, complete or not at all. It is written
// under another name and gets its own at the end. It never replaces a file that came there meanwhile.
type newFile struct {
	path, temporary string
	f               *os.File
}

// create begins a new file. It finds all obstacles now, before there is something to write: a file at
// the path, a directory that does not exist or may not be written, a file system that cannot rename
// a file. The caller calls discard at the end.
func create(path string, mode fs.FileMode) (*newFile, error) {
	if _, err := os.Lstat(path); err == nil {
		return nil, errExists(path)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	// The name does not contain that of the file, which may be as long as names can be.
	name := func() string { return filepath.Join(filepath.Dir(path), ".shim6tool-"+rand.Text()) }
	first := name()
	f, err := os.OpenFile(first, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return nil, err
	}
	n := &newFile{path, name(), f}
	if err := rename(first, n.temporary); err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(first))
	}
	return n, nil
}

// write writes the whole file.
func (n *newFile) write(data []byte) error {
	_, err := n.f.Write(data)
	return errors.Join(err, n.f.Sync())
}

// publish gives the file its name.
func (n *newFile) publish() error {
	err := rename(n.temporary, n.path)
	if errors.Is(err, fs.ErrExist) {
		return errExists(n.path)
	}
	return err
}

// discard removes the file, unless it was published.
func (n *newFile) discard() {
	n.f.Close()
	os.Remove(n.temporary)
}

// link is replaced by tests.
var link = os.Link

// rename renames a file, but never onto another. It tries both ways to do that: some file systems
// have no hard links, and some have no RENAME_NOREPLACE.
func rename(from, to string) error {
	err := link(from, to)
	if err == nil {
		return os.Remove(from)
	}
	if errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE); err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}

func errExists(path string) error {
	return fmt.Errorf("%s: %w, and is not overwritten: name another, or move it away", path, fs.ErrExist)
}
