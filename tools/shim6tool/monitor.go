// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"shim6/daemon/control"
	"shim6/netlink"
)

// watcher is what monitor needs of the kernel.
type watcher interface {
	Receive() ([]netlink.Notification, error)
	Close() error
}

func watch(netns string, groups []string) (watcher, error) {
	o, done, err := options(netns)
	if err != nil {
		return nil, err
	}
	defer done()
	return netlink.Watch(o, groups...)
}

// switchesEvery is how often shim6d is asked for switches.
const switchesEvery = time.Second

// What monitor can be told to tell.
const (
	monitorsConfig = 1 << iota
	monitorsContext
	monitorsPath
	monitorsPolicy
)

func (t *tool) monitorAll(args []string) error {
	return t.monitor("all", monitorsConfig|monitorsContext|monitorsPath|monitorsPolicy, args)
}
func (t *tool) monitorConfig(args []string) error { return t.monitor("config", monitorsConfig, args) }
func (t *tool) monitorContext(args []string) error {
	return t.monitor("context", monitorsContext, args)
}
func (t *tool) monitorPath(args []string) error   { return t.monitor("path", monitorsPath, args) }
func (t *tool) monitorPolicy(args []string) error { return t.monitor("policy", monitorsPolicy, args) }

// news is what the kernel tells, or err.
type news struct {
	netlink.Notification
	err error
}

// monitor prints what happens, until it is interrupted.
func (t *tool) monitor(name string, what int, args []string) error {
	if err := noWords("monitor "+name, args); err != nil {
		return err
	}
	m := &monitoring{tool: t, what: what, pairs: map[netlink.ULIDs]control.Pair{}}
	all := make(chan news)
	quit := make(chan struct{})
	defer close(quit)
	tell := func(n news) {
		select {
		case all <- n:
		case <-quit:
		}
	}
	if what&monitorsPath != 0 {
		if err := m.poll(func(control.Switch) error { return nil }); err != nil {
			// Which context came to which pair the kernel tells as well, but
			// neither why nor what it has cost.
			fmt.Fprintf(t.err, "shim6tool: %v; so the reasons of switches are not told\n", err)
			m.kernelPaths = true
		}
	}
	groups := m.groups()
	if len(groups) > 0 {
		w, err := t.watch(t.netns, groups)
		if err != nil {
			return err
		}
		defer w.Close()
		if m.kernelPaths {
			if err := m.learn(); err != nil {
				return err
			}
		}
		go receive(w, tell)
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(interrupted)
	ticker := time.NewTicker(switchesEvery)
	defer ticker.Stop()
	var gone error
	for {
		select {
		case <-interrupted:
			return nil
		case n := <-all:
			if n.err != nil {
				return n.err
			}
			if err := m.notified(n.Notification); err != nil {
				return err
			}
		case <-ticker.C:
			if what&monitorsPath == 0 || m.kernelPaths {
				continue
			}
			err := m.poll(m.switched)
			if err != nil && gone == nil {
				fmt.Fprintf(t.err, "shim6tool: %v; it is asked again\n", err)
			}
			gone = err
		}
	}
}

// receive passes on what the kernel tells.
func receive(w watcher, tell func(news)) {
	for {
		list, err := w.Receive()
		for _, n := range list {
			tell(news{Notification: n})
		}
		if errors.Is(err, netlink.ErrOverflow) {
			err = fmt.Errorf("%w: too much happens at once; what there is, 'shim6tool' shows", err)
		}
		if err != nil {
			tell(news{err: err})
			return
		}
	}
}

// monitoring is a run of monitor.
type monitoring struct {
	*tool
	what int
	// kernelPaths: there is no shim6d, and the kernel's contexts tell which have
	// another pair.
	kernelPaths bool
	pairs       map[netlink.ULIDs]control.Pair
	// last is the newest switch that shim6d has told of; nil if there was none.
	last *control.Switch
}

func (m *monitoring) groups() []string {
	var groups []string
	if m.what&monitorsConfig != 0 {
		groups = append(groups, netlink.GroupConfig)
	}
	if m.what&monitorsContext != 0 || m.kernelPaths {
		groups = append(groups, netlink.GroupContext)
	}
	if m.what&monitorsPolicy != 0 {
		groups = append(groups, netlink.GroupPolicy)
	}
	return groups
}

// learn reads the pairs that contexts have.
func (m *monitoring) learn() error {
	return m.with(func(c client) error {
		list, err := c.Contexts()
		for _, x := range list {
			m.pairs[x.ULIDs] = pairOf(&x)
		}
		if errors.Is(err, netlink.ErrInterrupted) {
			err = nil
		}
		return err
	})
}

// poll asks shim6d for switches, and tells of new ones. Those are what comes after the
// last one in the list: by their times it can't be said, since the clock may be set.
func (m *monitoring) poll(tell func(control.Switch) error) error {
	return m.ask(func(ctx context.Context, d daemon) error {
		list, err := d.Switches(ctx)
		if err != nil {
			return err
		}
		for _, s := range list[m.known(list):] {
			if err := tell(s); err != nil {
				return err
			}
			m.last = &s
		}
		return nil
	})
}

// known is how many switches of a list have been told. It is none if the last one is not
// there: shim6d has been restarted, or has forgotten it over many new ones.
func (m *monitoring) known(list []control.Switch) int {
	for i := len(list) - 1; i >= 0 && m.last != nil; i-- {
		if l, s := m.last, &list[i]; s.Time.Equal(l.Time) && s.Name == l.Name && s.Direction == l.Direction && s.From == l.From && s.To == l.To {
			return i + 1
		}
	}
	return 0
}

func (m *monitoring) notified(n netlink.Notification) error {
	switch {
	case n.Config != nil:
		return m.tell("config", false, configObject(*n.Config), func() {
			fmt.Fprintln(m.out, "config")
			m.printConfig(*n.Config, "    ")
		})
	case n.Policy != nil:
		return m.tell("policy", n.Deleted, policyObject(*n.Policy), func() {
			fmt.Fprintln(m.out, "policy "+policyText(*n.Policy))
		})
	}
	c := *n.Context
	if m.kernelPaths {
		if err := m.moved(c, n.Deleted); err != nil {
			return err
		}
	}
	if m.what&monitorsContext == 0 {
		return nil
	}
	return m.tell("context", n.Deleted, contextObject(c), func() {
		fmt.Fprint(m.out, "context ")
		m.printContext(c)
	})
}

// moved tells if a context has another pair than before.
func (m *monitoring) moved(c netlink.Context, deleted bool) error {
	to := pairOf(&c)
	from, known := m.pairs[c.ULIDs]
	if deleted {
		delete(m.pairs, c.ULIDs)
		return nil
	}
	m.pairs[c.ULIDs] = to
	if !known {
		from = control.Pair{LocatorLocal: c.Local, LocatorPeer: c.Peer}
	}
	if from == to {
		return nil
	}
	// As a Switch has it, without what only shim6d knows.
	o := object{
		{"ulid-local", c.Local}, {"ulid-peer", c.Peer}, {"fii", c.FII},
		{"direction", "outbound"}, {"from", from}, {"to", to},
	}
	return m.tell("path", false, o, func() {
		fmt.Fprintf(m.out, "path %s outbound\n    from %s\n    to   %s\n", nameText(nameOf(c.ULIDs)), pairText(from), pairText(to))
	})
}

func (m *monitoring) switched(s control.Switch) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	var o object
	if err := json.Unmarshal(b, &o); err != nil {
		return err
	}
	return m.tell("path", false, o, func() {
		fmt.Fprint(m.out, "path ")
		m.printSwitch(s)
	})
}

// tell prints a piece of news: an object a line, or text.
func (m *monitoring) tell(event string, deleted bool, o object, text func()) error {
	now := m.now().Local()
	if m.json {
		head := object{{"event", event}}
		if m.short || m.long {
			head = append(head, field{"timestamp", now.Format(time.RFC3339Nano)})
		}
		if deleted {
			head = append(head, field{"deleted", true})
		}
		return m.encode(append(head, o...))
	}
	switch {
	case m.short:
		fmt.Fprintf(m.out, "[%s] ", now.Format("2006-01-02T15:04:05.000000"))
	case m.long:
		fmt.Fprintf(m.out, "Timestamp: %s\n", now.Format("Mon Jan 2 15:04:05 2006 .000000 MST"))
	}
	if deleted {
		fmt.Fprint(m.out, "deleted ")
	}
	text()
	return nil
}
