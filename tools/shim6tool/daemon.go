// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"shim6/daemon/control"
	"shim6/netlink"
)

// daemon is what the tool needs of shim6d.
type daemon interface {
	Status(context.Context) (control.Status, error)
	Contexts(context.Context) ([]control.Context, error)
	Locators(context.Context) ([]control.Locator, error)
	Paths(context.Context) ([]control.Path, error)
	Overview(context.Context) (*control.Overview, error)
	History(context.Context) ([]control.Change, error)
	Switches(context.Context) ([]control.Switch, error)
	Protections(context.Context, []control.Name) ([]control.Protection, error)
	Open(context.Context, control.OpenRequest) error
	CloseContext(context.Context, control.Name) error
	Refresh(context.Context, control.Name) error
	Use(context.Context, control.UseRequest) error
	ProbeAll(context.Context, control.Name) error
	Doubt(context.Context, control.Name) error
	Close()
}

func dialDaemon(socket string) daemon { return control.NewClient(socket) }

// daemonTimeout is how long shim6d may take to answer: it answers from memory.
const daemonTimeout = 10 * time.Second

// ask runs a function with a client of the daemon of the namespace.
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
			// The folder of the socket refuses, not the daemon.
			err = fmt.Errorf("%w (run it as root)", err)
		}
	}
	return err
}

// ours is an error if a daemon is not that of the namespace, as far as that can be known: in 'ip
// netns exec', without a shim6d.conf of the namespace, the default socket is that of another daemon.
func (t *tool) ours(ctx context.Context, d daemon) error {
	s, err := d.Status(ctx)
	if err != nil {
		// The next question gets the same error, and reports it.
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

// absent reports whether an error says that no daemon answers; a daemon that refuses does answer.
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

// listOf is l, or an empty list in place of nil, so that JSON shows a list.
func listOf[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

// noWords is an error if there are words left.
func noWords(command string, args []string) error {
	if len(args) > 0 {
		return usageError(fmt.Sprintf("%s takes no %q", command, args[0]))
	}
	return nil
}

// askStatus asks the daemon for its status.
func (t *tool) askStatus() (s control.Status, err error) {
	err = t.ask(func(ctx context.Context, d daemon) (err error) {
		s, err = d.Status(ctx)
		return err
	})
	return s, err
}
