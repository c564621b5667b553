// SPDX-License-Identifier: BSD-3-Clause

package statefile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/internal/writer"
)

const (
	// carriersName is the name of the file of Carriers, beside that of Records.
	carriersName = "networks.json"
	// maxCarriers is how many are kept. The Engine remembers as many.
	maxCarriers = 4096
)

// Carriers is a file that keeps between which networks messages pass in UDP alone, until a
// reboot or a day later. It is read as a whole and written as a whole; what is lost costs
// contexts half a second. Only one goroutine may call its methods.
type Carriers struct {
	path   string
	writer *writer.Writer
	// now tells the time of the day.
	now func() time.Time

	// mu guards live, which the writer's goroutine uses as well.
	mu   sync.Mutex
	live map[networks]time.Time
}

type networks struct {
	Local netip.Prefix `json:"local"`
	Peer  netip.Prefix `json:"peer"`
}

// carrier is an element of the list in the file.
type carrier struct {
	networks
	Until time.Time `json:"udp-until"`
}

// OpenCarriers reads the file in a folder, which must be there. The error says that there is a
// file that can't be read; it will be replaced. report is told of failures to write, see
// writer.New.
func OpenCarriers(folder string, report func(error)) (*Carriers, error) {
	f := &Carriers{path: filepath.Join(folder, carriersName), now: time.Now, live: map[networks]time.Time{}}
	err := f.read()
	f.writer = writer.New(f.write, report)
	return f, err
}

func (f *Carriers) read() error {
	b, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var list []carrier
	if err == nil {
		err = json.Unmarshal(b, &list)
	}
	if err != nil {
		return fmt.Errorf("reading which networks need UDP: %w", err)
	}
	for _, c := range list[:min(len(list), maxCarriers)] {
		f.live[c.networks] = c.Until
	}
	return nil
}

// Put keeps a Carrier. It does not wait for that.
func (f *Carriers) Put(c engine.Carrier) {
	f.mu.Lock()
	n := networks{c.Local, c.Peer}
	if c.Left > 0 {
		f.live[n] = f.now().Add(c.Left)
	} else {
		delete(f.live, n)
	}
	f.mu.Unlock()
	f.writer.Want()
}

// All are the Carriers that are still to be believed, the last to be learned last.
func (f *Carriers) All() []engine.Carrier {
	var all []engine.Carrier
	for _, c := range f.list() {
		all = append(all, engine.Carrier{Local: c.Local, Peer: c.Peer, Left: c.Until.Sub(f.now())})
	}
	return all
}

// list is what is to be kept, in the order in which it was learned.
func (f *Carriers) list() []carrier {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := []carrier{}
	for n, until := range f.live {
		if until.After(f.now()) {
			list = append(list, carrier{n, until})
		} else {
			delete(f.live, n)
		}
	}
	slices.SortFunc(list, func(a, b carrier) int { return a.Until.Compare(b.Until) })
	for len(list) > maxCarriers {
		delete(f.live, list[0].networks)
		list = list[1:]
	}
	return list
}

func (f *Carriers) write() error {
	b, err := json.Marshal(f.list())
	if err != nil {
		return err
	}
	w, _, err := replace(f.path, func(w io.Writer) { io.Copy(w, bytes.NewReader(append(b, '\n'))) })
	if err != nil {
		return err
	}
	return w.Close()
}

// Close writes what is left, and does not wait long for that.
func (f *Carriers) Close() error { return f.writer.Close(lastPatience) }
