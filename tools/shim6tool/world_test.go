// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"shim6/daemon/config"
	"shim6/daemon/control"
	"shim6/netlink"
)

// now is what the clock says in tests.
var now = time.Date(2026, 11, 24, 12, 0, 0, 123456000, time.UTC)

// world is what a call of the tool sees. A field that is nil is not there.
type world struct {
	kernel  *fake
	daemon  *fakeDaemon
	watcher *fakeWatcher
	network *fakeNetwork
	host    *fakeHost
	root    string
	// in is the standard input.
	in string
	// name is the host's, "here" if it is empty.
	name string
	// The last requests of the tool.
	socket string
	groups []string
}

var errNoFamily = &netlink.Error{Err: fs.ErrNotExist, Message: `the kernel has no family "shim6": load the module with 'modprobe shim6'`}

// callWorld runs the tool and returns its status and what it printed.
func callWorld(w *world, args ...string) (int, string, string) {
	var out, errs bytes.Buffer
	t := &tool{in: strings.NewReader(w.in), out: &out, err: &errs, system: w.system()}
	return t.run(args), out.String(), errs.String()
}

func (w *world) system() system {
	root := w.root
	if root == "" {
		root = "/nonexistent"
	}
	return system{
		root:     root,
		now:      func() time.Time { return now },
		hostname: func() (string, error) { return cmp.Or(w.name, "here"), nil },
		sleep:    func(time.Duration) {},
		dial: func(netns string) (client, error) {
			if w.kernel == nil {
				return nil, errNoFamily
			}
			w.kernel.netns = netns
			return w.kernel, nil
		},
		loaded: func(string) (bool, error) { return w.kernel != nil, nil },
		daemon: func(socket string) daemon {
			w.socket = socket
			if w.daemon == nil {
				return control.NewClient("/nonexistent/socket")
			}
			return w.daemon
		},
		watch: func(_ string, groups []string) (watcher, error) {
			w.groups = groups
			if w.kernel == nil {
				return nil, errNoFamily
			}
			return w.watcher, nil
		},
		network: func(_ string, local, peer netip.Addr) (network, error) {
			if w.network == nil {
				return nil, errors.New("no network")
			}
			w.network.peer = peer
			return w.network, nil
		},
		inspect: func(string) (host, error) { return w.host, nil },
	}
}

// write makes a file of the system.
func (w *world) write(t *testing.T, name, text string) {
	t.Helper()
	if w.root == "" {
		w.root = t.TempDir()
	}
	path := filepath.Join(w.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// fakeDaemon answers from its fields, and remembers the last request.
type fakeDaemon struct {
	status   control.Status
	overview *control.Overview
	contexts []control.Context
	locators []control.Locator
	paths    []control.Path
	// answers are the pairs that answer a ProbeAll.
	answers []control.Pair
	// busy is how often a ProbeAll is refused.
	busy     int
	switches [][]control.Switch
	changes  []control.Change
	// protections are of the contexts that shim6d knows.
	protections []control.Protection
	// later takes the place of protections, an entry for each question; nil is an error.
	later [][]control.Protection
	// most is the largest number of contexts in one question.
	most  int
	asked any
	err   error
}

func (d *fakeDaemon) Status(context.Context) (control.Status, error)      { return d.status, d.err }
func (d *fakeDaemon) Contexts(context.Context) ([]control.Context, error) { return d.contexts, d.err }
func (d *fakeDaemon) Locators(context.Context) ([]control.Locator, error) { return d.locators, d.err }
func (d *fakeDaemon) Paths(context.Context) ([]control.Path, error) {
	return slices.Clone(d.paths), d.err
}
func (d *fakeDaemon) Overview(context.Context) (*control.Overview, error)  { return d.overview, d.err }
func (d *fakeDaemon) Open(_ context.Context, r control.OpenRequest) error  { d.asked = r; return d.err }
func (d *fakeDaemon) CloseContext(_ context.Context, n control.Name) error { d.asked = n; return d.err }
func (d *fakeDaemon) Refresh(_ context.Context, n control.Name) error      { d.asked = n; return d.err }
func (d *fakeDaemon) Use(_ context.Context, r control.UseRequest) error    { d.asked = r; return d.err }
func (d *fakeDaemon) Doubt(_ context.Context, n control.Name) error        { d.asked = n; return d.err }
func (d *fakeDaemon) History(context.Context) ([]control.Change, error)    { return d.changes, d.err }
func (d *fakeDaemon) Close()                                               {}

func (d *fakeDaemon) Protections(_ context.Context, names []control.Name) ([]control.Protection, error) {
	d.most = max(d.most, len(names))
	if len(d.later) > 0 {
		d.protections, d.later = d.later[0], d.later[1:]
		if d.protections == nil {
			return nil, errors.New("it is away")
		}
	}
	var list []control.Protection
	for _, p := range d.protections {
		if slices.Contains(names, p.Name) {
			list = append(list, p)
		}
	}
	return list, d.err
}

// ProbeAll has the pairs answer that answers names.
func (d *fakeDaemon) ProbeAll(_ context.Context, n control.Name) error {
	d.asked = n
	if d.busy > 0 {
		d.busy--
		return &control.Error{Status: 409, Message: "the context is being probed already"}
	}
	for i := range d.paths {
		if d.paths[i].Name == n && slices.Contains(d.answers, d.paths[i].Pair) {
			d.paths[i].LastGood = d.paths[i].LastGood.Add(time.Second)
		}
	}
	return d.err
}

// Switches answers with one list after another, and with the last one for ever.
func (d *fakeDaemon) Switches(context.Context) ([]control.Switch, error) {
	if len(d.switches) == 0 {
		return nil, d.err
	}
	l := d.switches[0]
	if len(d.switches) > 1 {
		d.switches = d.switches[1:]
	}
	return l, d.err
}

// fakeWatcher tells news, and then fails with err; if there is end, when that is closed.
type fakeWatcher struct {
	news []netlink.Notification
	err  error
	end  chan struct{}
}

func (w *fakeWatcher) Receive() ([]netlink.Notification, error) {
	if len(w.news) == 0 {
		if w.end != nil {
			<-w.end
		}
		return nil, w.err
	}
	n := w.news
	w.news = nil
	return n, nil
}
func (w *fakeWatcher) Close() error { return nil }

// fakeHost is a host for doctor.
type fakeHost struct {
	list []control.Locator
	out  map[netip.Addr]string
	// by are the routers of interfaces, in routes and in the layout.
	by       map[string]netip.Addr
	links    layout
	nft      string
	nftErr   error
	serving  bool
	noRights bool
}

func (h *fakeHost) locators(*config.Config) ([]control.Locator, error) { return h.list, nil }
func (h *fakeHost) layout() (layout, error)                            { return h.links, nil }
func (h *fakeHost) route(local, _ netip.Addr) (way, error) {
	if name, ok := h.out[local]; ok {
		return way{name, h.by[name]}, nil
	}
	return way{}, errors.New("network is unreachable")
}
func (h *fakeHost) ruleset() ([]byte, error) { return []byte(h.nft), h.nftErr }

// serves reports true for the nil host of tests that need no other answer.
func (h *fakeHost) serves(int) (bool, error) { return h == nil || h.serving, nil }
func (h *fakeHost) capable(uint) bool        { return !h.noRights }
