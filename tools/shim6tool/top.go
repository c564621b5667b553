// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gdamore/tcell/v2"
	"golang.org/x/sys/unix"

	"shim6/daemon/control"
)

func init() {
	register(command{
		object: "top", verb: "show", order: isDefault,
		help: "show on one screen, again each second, if all is protected, and what is wrong", form: topShow,
	})
}

// topEvery is how often the screen is made.
const topEvery = time.Second

// topPatience is how long the terminal may take to be as it was. One that has stopped its output, or
// is gone, takes for ever.
const topPatience = 2 * time.Second

// suspendPatience is how long after the signal the program is stopped.
const suspendPatience = 200 * time.Millisecond

func topShow(t *tool) form {
	return form{run: func([]string) error {
		if t.json {
			return t.topOnce()
		}
		s, err := t.screen()
		if err != nil {
			return err
		}
		return t.top(s)
	}}
}

// topOnce prints what the screen is made of, as JSON.
func (t *tool) topOnce() error {
	o, err := t.askOverview()
	if err != nil {
		return err
	}
	return t.printJSON([]*control.Overview{o})
}

// askOverview asks shim6d for its overview.
func (t *tool) askOverview() (o *control.Overview, err error) {
	err = t.ask(func(ctx context.Context, d daemon) (err error) {
		o, err = d.Overview(ctx)
		return err
	})
	var answer *control.Error
	if errors.As(err, &answer) && errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("shim6d has no overview: it is older than shim6tool; install both from one release, and restart shim6d")
	}
	return o, err
}

// openScreen opens the terminal.
func openScreen() (tcell.Screen, error) {
	const instead = "'shim6tool' prints once how things are, and 'shim6tool monitor' what changes"
	if _, err := unix.IoctlGetTermios(int(os.Stdout.Fd()), unix.TCGETS); err != nil {
		return nil, errors.New("top needs a terminal to draw on: " + instead)
	}
	s, err := tcell.NewTerminfoScreen()
	if err == nil {
		err = s.Init()
	}
	if err != nil {
		return nil, fmt.Errorf("top can't draw on this terminal (TERM=%q): %w: %s", os.Getenv("TERM"), err, instead)
	}
	return s, nil
}

// top shows the screen until it is told to end. However it ends, the terminal is as it was before.
func (t *tool) top(s tcell.Screen) error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGTSTP)
	defer signal.Stop(signals)
	defer leave(s.Fini)
	quit := make(chan struct{})
	defer close(quit)
	frames := make(chan *frame)
	go t.collect(frames, quit)
	events := make(chan tcell.Event)
	go s.ChannelEvents(events, quit)
	v := &view{}
	v.draw(s)
	for {
		select {
		case f := <-frames:
			v.show(f)
		case got := <-signals:
			if got != syscall.SIGTSTP {
				return nil
			}
			if err := suspend(s); err != nil {
				return err
			}
		case e, open := <-events:
			if !open {
				return nil
			}
			switch e := e.(type) {
			case *tcell.EventResize:
				s.Sync()
			case *tcell.EventError:
				// The terminal is gone.
				return nil
			case *tcell.EventKey:
				switch {
				case e.Key() == tcell.KeyCtrlZ:
					if err := suspend(s); err != nil {
						return err
					}
				case v.key(e):
					return nil
				}
			}
		}
		v.draw(s)
	}
}

// suspend gives the terminal back and stops the program, as Ctrl-Z does, until the shell has it go on.
func suspend(s tcell.Screen) error {
	// Nobody could have it go on: so the kernel would ignore the key too.
	if !stoppable() {
		return nil
	}
	if err := s.Suspend(); err != nil {
		return err
	}
	goes := make(chan os.Signal, 1)
	signal.Notify(goes, syscall.SIGCONT)
	defer signal.Stop(goes)
	// Not SIGTSTP: once Go has caught that, it has no other effect.
	if err := unix.Kill(0, unix.SIGSTOP); err != nil {
		return err
	}
	// The stop may come a little later, with another thread of this program.
	select {
	case <-goes:
	case <-time.After(suspendPatience):
	}
	return s.Resume()
}

// stoppable reports whether the program has been started by a shell that would notice a stop. One that
// sshd has started is the first of its session.
func stoppable() bool {
	ours, err := unix.Getsid(0)
	if err != nil {
		return false
	}
	its, err := unix.Getsid(unix.Getppid())
	return err == nil && its == ours
}

// leave gives the terminal back, and does not wait for one that takes nothing.
func leave(give func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		give()
	}()
	select {
	case <-done:
	case <-time.After(topPatience):
	}
}
