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

// newFile is a file that is to be at a path where there is none, all of it or
// nothing: it is written under another name, and gets its own in the end, which
// never replaces what another has put there meanwhile.
type newFile struct {
	path, temporary string
	f               *os.File
}

// create begins a new file. All that can stand in its way is found now, before there
// is something to write: what is at path already, a directory that is not there or
// may not be written, a file system that cannot give a file its name. Whoever calls
// it calls discard in the end.
func create(path string, mode fs.FileMode) (*newFile, error) {
	if _, err := os.Lstat(path); err == nil {
		return nil, errExists(path)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	// The name is short, because one that is as long as can be has no room for
	// anything beside it.
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

// write writes all of the file.
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

// discard removes what there is of the file, unless it was published.
func (n *newFile) discard() {
	n.f.Close()
	os.Remove(n.temporary)
}

// link is replaced by tests.
var link = os.Link

// rename renames a file, and never onto another. Some file systems have no hard
// links, and some no such rename.
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
