// SPDX-License-Identifier: BSD-3-Clause

package writer

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ErrInUse says that another daemon has a folder.
var ErrInUse = errors.New("in use by another shim6d")

// Claim makes a folder if it is not there, and locks it for as long as the file that it returns
// is open. It locks the folder itself and writes nothing: the folder may be on a disk that is
// full or read-only. If another daemon has it, the error is ErrInUse.
func Claim(folder string) (*os.File, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	f, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s is %w", folder, ErrInUse)
		}
		return nil, fmt.Errorf("locking %s: %w", folder, err)
	}
	return f, nil
}
