// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// absent says what is wrong if there is something at path.
func absent(path string) error {
	if _, err := os.Lstat(path); err == nil {
		return errExists(path)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func errExists(path string) error {
	return fmt.Errorf("%s: %w, and is not overwritten: name another, or move it away", path, fs.ErrExist)
}

// writeNew makes a file that was not there, all of it or nothing: it is written
// under another name and then linked, which never replaces what another has put
// there meanwhile.
func writeNew(path string, data []byte, mode fs.FileMode) error {
	temporary := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"."+rand.Text()+".tmp")
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	defer os.Remove(temporary)
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	err = os.Link(temporary, path)
	if errors.Is(err, fs.ErrExist) {
		return errExists(path)
	}
	return err
}
