// SPDX-License-Identifier: BSD-3-Clause

package main

import (
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

// switchesEvery is how often shim6d is asked for switches, protectionEvery how often for the protection
// of contexts. For that it looks at all their pairs, so it is asked less often.
const (
	switchesEvery   = time.Second
	protectionEvery = 2 * time.Second
)

// The kinds of events that monitor prints.
const (
	monitorsConfig = 1 << iota
	monitorsContext
	monitorsPath
	monitorsPolicy
	monitorsProtection

	monitorsAll = monitorsConfig | monitorsContext | monitorsPath | monitorsPolicy | monitorsProtection
)

func init() {
	for _, s := range []struct {
		verb  string
		order order
		what  int
		help  string
	}{
		{"all", isDefault, monitorsAll, "everything"},
		{"config", onlyShows, monitorsConfig, "the configuration of the kernel"},
		{"context", onlyShows, monitorsContext, "contexts that are new, changed or deleted"},
		{"path", onlyShows, monitorsPath, "contexts that come to another locator pair; shim6d tells why"},
		{"policy", onlyShows, monitorsPolicy, "rules that are new or deleted"},
		{"protection", onlyShows, monitorsProtection, "contexts that get or lose other pairs to go to, as shim6d knows"},
	} {
		register(command{
			object: "monitor", verb: s.verb, order: s.order, help: s.help,
			form: func(t *tool) form {
				return form{run: func([]string) error { return t.monitor(s.what) }}
			},
		})
	}
}

// news is a notification of the kernel, or err.
type news struct {
	netlink.Notification
	err error
}

// monitor prints the events of some kinds, until it is interrupted.
func (t *tool) monitor(what int) error {
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
	if what&monitorsProtection != 0 {
		m.protection = map[control.Name]control.Protection{}
		if err := m.pollProtection(func(control.Protection) error { return nil }); err != nil {
			fmt.Fprintf(t.err, "shim6tool: %v; protection is told when shim6d answers\n", err)
			m.protectionGone = true
		}
	}
	if what&monitorsPath != 0 {
		if err := m.poll(func(control.Switch) error { return nil }); err != nil {
			// The kernel also tells which context came to which pair, but neither why
			// nor what it has cost.
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
	switches, protection := time.NewTicker(switchesEvery), time.NewTicker(protectionEvery)
	defer switches.Stop()
	defer protection.Stop()
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
		case <-protection.C:
			if what&monitorsProtection != 0 {
				if err := m.watchProtection(); err != nil {
					return err
				}
			}
		case <-switches.C:
			if what&monitorsPath == 0 || m.kernelPaths {
				continue
			}
			err := m.poll(m.switched)
			if err != nil && gone == nil {
				fmt.Fprintf(t.err, "shim6tool: %v; shim6d is asked again\n", err)
			}
			gone = err
		}
	}
}

// receive passes on the news of the kernel.
func receive(w watcher, tell func(news)) {
	for {
		list, err := w.Receive()
		for _, n := range list {
			tell(news{Notification: n})
		}
		if errors.Is(err, netlink.ErrOverflow) {
			err = fmt.Errorf("%w: too much happens at once; run shim6tool without words to see the state", err)
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
	// kernelPaths: there is no shim6d, so the contexts of the kernel tell which of them have
	// another pair than the one in pairs.
	kernelPaths bool
	pairs       map[netlink.ULIDs]control.Pair
	// last is the newest switch that shim6d has told of; nil if there was none.
	last *control.Switch
	// protection is what shim6d said last of each context; protectionGone: it did not answer.
	protection     map[control.Name]control.Protection
	protectionGone bool
	// beyond are the contexts that were too many to watch then.
	beyond map[control.Name]bool
	// lastChange is the newest change that shim6d has told of. polled: it was asked before, so
	// that later changes are news.
	lastChange time.Time
	polled     bool
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

// tell prints an event: an object on a line, or text.
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
