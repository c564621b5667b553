// SPDX-License-Identifier: BSD-3-Clause

package address

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"shim6/daemon/internal/writer"
)

// TemporaryFileName is the file of Temporaries in its folder. For each it has the private key,
// with the lifetimes in headers, and then the addresses.
const TemporaryFileName = "temporary.pem"

const (
	pemPreferredUntil = "Preferred-Until"
	pemValidUntil     = "Valid-Until"
)

// TemporaryFile keeps Temporaries over a restart of the daemon. Its folder is in memory: after a
// reboot nobody needs them, and a disk would tell whoever gets it which addresses the host has
// had.
type TemporaryFile struct {
	path string
	// began is when State.Now was 0, since the boot. The clock is that of the kernel's
	// lifetimes: it stands still while the host is suspended.
	began time.Duration

	writer *writer.Writer
	// mu guards wanted.
	mu     sync.Mutex
	wanted []Temporary
}

// OpenTemporaryFile returns the file in a folder. now is that of State. report is told of failures
// to write, see writer.New.
func OpenTemporaryFile(folder string, now time.Duration, report func(error)) *TemporaryFile {
	f := &TemporaryFile{path: filepath.Join(folder, TemporaryFileName)}
	var t unix.Timespec
	// It can't fail.
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	f.began = time.Duration(t.Nano()) - now
	f.writer = writer.New(f.write, report)
	return f
}

// Load returns the Temporaries. An error says that the file is there and can't be
// read.
func (f *TemporaryFile) Load() ([]Temporary, error) {
	b, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	list, err := f.parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.path, err)
	}
	return list, nil
}

func (f *TemporaryFile) parse(b []byte) (list []Temporary, err error) {
	begin := []byte("-----BEGIN " + pemKey + "-----")
	parts := bytes.Split(b, begin)
	if len(bytes.TrimSpace(parts[0])) > 0 {
		return nil, errors.New("it does not begin with a private key")
	}
	for _, part := range parts[1:] {
		block, rest := pem.Decode(slices.Concat(begin, part))
		if block == nil || block.Type != pemKey {
			return nil, errors.New("there is a damaged private key in it")
		}
		t := Temporary{Identity: &Identity{}}
		if t.Key, err = parseKey(pem.EncodeToMemory(block)); err != nil {
			return nil, err
		}
		if t.Sets, err = parseSets(rest, t.Key); err != nil {
			return nil, err
		}
		for name, to := range map[string]*time.Duration{pemPreferredUntil: &t.PreferredUntil, pemValidUntil: &t.ValidUntil} {
			until, err := time.ParseDuration(block.Headers[name])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			*to = until - f.began
		}
		list = append(list, t)
	}
	return list, nil
}

func (f *TemporaryFile) encode(list []Temporary) ([]byte, error) {
	var b bytes.Buffer
	for _, t := range list {
		der, err := x509.MarshalPKCS8PrivateKey(t.Key)
		if err != nil {
			return nil, err
		}
		b.Write(pem.EncodeToMemory(&pem.Block{Type: pemKey, Bytes: der, Headers: map[string]string{
			pemPreferredUntil: (t.PreferredUntil + f.began).String(),
			pemValidUntil:     (t.ValidUntil + f.began).String(),
		}}))
		text, err := encodeSets(t.Sets)
		if err != nil {
			return nil, err
		}
		b.Write(text)
	}
	return b.Bytes(), nil
}

// Save has a list saved, in place of the last one. It does not wait.
func (f *TemporaryFile) Save(list []Temporary) {
	f.mu.Lock()
	f.wanted = slices.Clone(list)
	f.mu.Unlock()
	f.writer.Want()
}

// write is called by the writer, on its goroutine.
func (f *TemporaryFile) write() error {
	f.mu.Lock()
	list := f.wanted
	f.mu.Unlock()
	b, err := f.encode(list)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return err
	}
	return replace(f.path, b)
}

// Close saves what is not saved yet, and waits for that no longer than patience.
func (f *TemporaryFile) Close(patience time.Duration) error { return f.writer.Close(patience) }
