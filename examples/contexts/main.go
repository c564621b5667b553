// SPDX-License-Identifier: BSD-3-Clause

// Command contexts prints the Shim6 contexts of this host, and then each switch
// of a context to another locator pair, until it is interrupted. It shows how a
// program uses the netlink package; it needs no privilege.
//
//	go run ./examples/contexts
package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	"shim6/netlink"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("contexts: ")
	if err := run(os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// run prints to w until SIGINT or SIGTERM arrives, or something fails.
func run(w io.Writer) error {
	// Begin to watch before the contexts are listed: a switch between the two
	// steps is then seen twice, and not lost.
	monitor, err := netlink.Watch(nil, netlink.GroupContext)
	if err != nil {
		return err
	}
	client, err := netlink.Dial(nil)
	if err != nil {
		monitor.Close()
		return err
	}
	defer client.Close()

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	interrupted := make(chan struct{})
	go func() {
		<-signals
		close(interrupted)
		// Receive returns an error then.
		monitor.Close()
	}()

	f := &follower{out: w, now: time.Now, pairs: map[netlink.ULIDs]pair{}}
	if err := f.list(client); err != nil {
		return err
	}
	for {
		notifications, err := monitor.Receive()
		for _, n := range notifications {
			f.notified(n)
		}
		select {
		case <-interrupted:
			return nil
		default:
		}
		switch {
		case errors.Is(err, netlink.ErrOverflow):
			// Notifications are lost when they are not read fast enough. The
			// kernel's list has what they would have said.
			if err := f.list(client); err != nil {
				return err
			}
		case err != nil:
			return err
		}
	}
}

// pair is the locator pair by which a context sends.
type pair struct{ local, peer netip.Addr }

func (p pair) String() string { return fmt.Sprintf("%v -> %v", p.local, p.peer) }

// follower knows the pair of each context, so that it notices when it changes.
type follower struct {
	out   io.Writer
	now   func() time.Time
	pairs map[netlink.ULIDs]pair
}

// list asks the kernel for all contexts, and prints those that are new and those
// that have switched.
func (f *follower) list(client interface {
	Contexts() ([]netlink.Context, error)
}) error {
	contexts, err := client.Contexts()
	// The list of a busy host can change while it is read. Notifications tell
	// the rest.
	if err != nil && !errors.Is(err, netlink.ErrInterrupted) {
		return err
	}
	for _, c := range contexts {
		f.seen(c)
	}
	return nil
}

func (f *follower) notified(n netlink.Notification) {
	switch {
	case n.Context == nil:
	case n.Deleted:
		if _, known := f.pairs[n.Context.ULIDs]; known {
			f.print("gone", n.Context.ULIDs, "")
			delete(f.pairs, n.Context.ULIDs)
		}
	default:
		f.seen(*n.Context)
	}
}

func (f *follower) seen(c netlink.Context) {
	now := pair{c.LocatorLocal, c.LocatorPeer}
	before, known := f.pairs[c.ULIDs]
	f.pairs[c.ULIDs] = now
	switch {
	case !known:
		f.print("context", c.ULIDs, fmt.Sprintf("%v, sends %v", c.State, now))
	case before != now:
		f.print("switch", c.ULIDs, fmt.Sprintf("%v, was %v", now, before))
	}
}

func (f *follower) print(what string, u netlink.ULIDs, text string) {
	line := fmt.Sprintf("%s %-8s%v %v", f.now().Format(time.TimeOnly), what, u.Local, u.Peer)
	// A forked context has the ULIDs of another one.
	if u.FII != 0 {
		line += fmt.Sprintf(" fii %d", u.FII)
	}
	if text != "" {
		line += ": " + text
	}
	fmt.Fprintln(f.out, line)
}
