// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"shim6/daemon/config"
	"shim6/daemon/control"
	"shim6/netlink"
)

// daemon is what the tool needs of shim6d.
type daemon interface {
	Status(context.Context) (control.Status, error)
	Contexts(context.Context) ([]control.Context, error)
	Locators(context.Context) ([]control.Locator, error)
	Paths(context.Context) ([]control.Path, error)
	Switches(context.Context) ([]control.Switch, error)
	Protections(context.Context, []control.Name) ([]control.Protection, error)
	Open(context.Context, control.OpenRequest) error
	CloseContext(context.Context, control.Name) error
	Refresh(context.Context, control.Name) error
	Use(context.Context, control.UseRequest) error
	Close()
}

func dialDaemon(socket string) daemon { return control.NewClient(socket) }

// daemonTimeout is how long shim6d may take to answer: it answers from memory.
const daemonTimeout = 10 * time.Second

// ask does something with the daemon of the namespace.
func (t *tool) ask(do func(context.Context, daemon) error) error {
	path, err := t.socketPath()
	if err != nil {
		return err
	}
	d := t.daemon(path)
	defer d.Close()
	ctx, cancel := context.WithTimeout(context.Background(), daemonTimeout)
	defer cancel()
	if t.socket == "" {
		if err := t.ours(ctx, d); err != nil {
			return err
		}
	}
	err = do(ctx, d)
	if errors.Is(err, fs.ErrPermission) {
		var answer *control.Error
		if !errors.As(err, &answer) {
			// The folder of the socket, not the daemon, says so.
			err = fmt.Errorf("%w (run it as root)", err)
		}
	}
	return err
}

// ours makes sure that a daemon is that of the namespace, if that can be told: 'ip netns
// exec' without a shim6d.conf of the namespace leads to another one's.
func (t *tool) ours(ctx context.Context, d daemon) error {
	s, err := d.Status(ctx)
	if err != nil {
		// It is told of what is asked next.
		return nil
	}
	h, err := t.inspect(t.netns)
	if err != nil {
		return err
	}
	if is, err := h.serves(s.PID); err == nil && !is {
		return fmt.Errorf("shim6d (process %d) serves another network namespace: name that one with -n, or the socket of this one's shim6d with -socket", s.PID)
	}
	return nil
}

// absent reports whether an error says that there is no daemon to ask, in contrast to
// one that refuses.
func absent(err error) bool {
	var answer *control.Error
	return err != nil && !errors.As(err, &answer)
}

func nameOf(u netlink.ULIDs) control.Name {
	return control.Name{ULIDLocal: u.Local, ULIDPeer: u.Peer, FII: u.FII}
}

func nameText(n control.Name) string {
	s := fmt.Sprintf("%v %v", n.ULIDLocal, n.ULIDPeer)
	if n.FII != 0 {
		s += fmt.Sprintf(" fii %d", n.FII)
	}
	return s
}

// listOf is l, or an empty list that JSON shows as one.
func listOf[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

func noWords(command string, args []string) error {
	if len(args) > 0 {
		return usageError(fmt.Sprintf("%s takes no %q", command, args[0]))
	}
	return nil
}

// askStatus is how the daemon says that it is.
func (t *tool) askStatus() (s control.Status, err error) {
	err = t.ask(func(ctx context.Context, d daemon) (err error) {
		s, err = d.Status(ctx)
		return err
	})
	return s, err
}

func (t *tool) daemonStatus(args []string) error {
	if err := noWords("daemon status", args); err != nil {
		return err
	}
	s, err := t.askStatus()
	if err != nil {
		return err
	}
	if t.json {
		return t.printJSON([]control.Status{s})
	}
	fmt.Fprintf(t.out, "shim6d %s pid %d uptime %s config %s\n", s.Version, s.PID,
		timeText(time.Duration(s.Uptime)*time.Millisecond), s.Config)
	fmt.Fprintf(t.out, "    kernel %t contexts %d hold-downs %d records %d locators %d\n",
		s.Kernel, s.Contexts, s.HoldDowns, s.Records, s.Locators)
	for _, e := range []struct{ name, text string }{{"records-error", s.RecordsError}, {"keys-error", s.KeysError}} {
		if e.text != "" {
			fmt.Fprintf(t.out, "    %s %q\n", e.name, e.text)
		}
	}
	if t.statistics {
		fmt.Fprintf(t.out, "    events-lost %d send-errors %d\n", s.EventsLost, s.SendErrors)
		for _, l := range []struct {
			name   string
			counts map[string]uint64
		}{{"sent", s.Sent}, {"received", s.Received}, {"dropped", s.Dropped}} {
			fmt.Fprintf(t.out, "    %s %s\n", l.name, countsText(l.counts))
		}
	}
	return nil
}

// countsText writes counters in the order of their names.
func countsText(counts map[string]uint64) string {
	var words []string
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		words = append(words, fmt.Sprintf("%s: %d", k, counts[k]))
	}
	if words == nil {
		return "nothing"
	}
	return strings.Join(words, ", ")
}

// daemonReload looks at the configuration first: shim6d would only tell its log what
// is wrong with it.
func (t *tool) daemonReload(args []string) error {
	if err := noWords("daemon reload", args); err != nil {
		return err
	}
	s, err := t.askStatus()
	if err != nil {
		return err
	}
	// The process may have another /etc: see ip-netns(8).
	path := filepath.Join(t.root, "proc", strconv.Itoa(s.PID), "root", s.Config)
	if t.netns != "" && s.Config == "/"+defaultConfig {
		path = t.configPath()
	}
	if b, err := os.ReadFile(path); err == nil {
		if _, err := config.Parse(s.Config, string(b)); err != nil {
			return fmt.Errorf("%w; shim6d goes on with what it has", err)
		}
	}
	name, err := os.ReadFile(filepath.Join(t.root, "proc", strconv.Itoa(s.PID), "comm"))
	if err != nil || strings.TrimSpace(string(name)) != "shim6d" {
		return fmt.Errorf("shim6d says that it is process %d, which is another one here: is it in a container? Send it SIGHUP there", s.PID)
	}
	if err := kill(s.PID, unix.SIGHUP); err != nil {
		return fmt.Errorf("sending SIGHUP to shim6d (process %d): %w ('systemctl reload shim6d' does it)", s.PID, err)
	}
	return nil
}

// kill is replaced by tests.
var kill = unix.Kill

func (t *tool) locatorShow(args []string) error {
	if err := noWords("locator show", args); err != nil {
		return err
	}
	var list []control.Locator
	if err := t.ask(func(ctx context.Context, d daemon) (err error) {
		list, err = d.Locators(ctx)
		return err
	}); err != nil {
		return err
	}
	if t.json {
		return t.printJSON(listOf(list))
	}
	for _, l := range list {
		t.printLocator(l)
	}
	return nil
}

func (t *tool) printLocator(l control.Locator) {
	fmt.Fprintf(t.out, "%v dev %s", l.Address, l.Interface)
	switch {
	case !l.Available:
		fmt.Fprint(t.out, " unavailable")
	case !l.Operational:
		fmt.Fprint(t.out, " not-operational")
	}
	for _, w := range []struct {
		name string
		on   bool
	}{{"hba", l.HBA}, {"cga", l.CGA}} {
		if w.on {
			fmt.Fprint(t.out, " ", w.name)
		}
	}
	if l.Why != "" {
		fmt.Fprintf(t.out, " (%s)", l.Why)
	}
	fmt.Fprintln(t.out)
	if t.statistics {
		lifetime := "forever"
		if l.ValidLifetime != nil {
			lifetime = timeText(time.Duration(*l.ValidLifetime) * time.Millisecond)
		}
		fmt.Fprintf(t.out, "    %s valid-lifetime %s\n", preferenceText(l.Preference), lifetime)
	}
}

func preferenceText(p control.Preference) string {
	s := fmt.Sprintf("priority %d weight %d", p.Priority, p.Weight)
	if p.Broken {
		s += " broken"
	}
	if p.Transient {
		s += " transient"
	}
	return s
}
