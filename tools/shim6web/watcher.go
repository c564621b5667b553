// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"shim6/daemon/control"
	"shim6/netlink"
)

const (
	// overviewPause is between two overviews while somebody reads the page, and quietPause else.
	// An event brings the next one forward to eventPause, or to overviewPause without readers.
	overviewPause = 2 * time.Second
	quietPause    = 10 * time.Second
	eventPause    = 200 * time.Millisecond
	// askTimeout is how long shim6d may take to answer, and eventsTimeout to say that nothing
	// happens.
	askTimeout    = 10 * time.Second
	eventsTimeout = control.EventWait + askTimeout
	// retryPause is after a failure.
	retryPause = time.Second
	// samplePause is between two samples of traffic, and sampleShare how many times as long as a
	// sample takes it is at least, up to slowSamplePause: a busy machine takes long for any.
	samplePause     = time.Second
	sampleShare     = 20
	slowSamplePause = 5 * time.Second
	// activeMargin is how much earlier than the last sample contexts may have carried something.
	activeMargin = time.Second
	// doctorPause is between two examinations that nobody asks for, doctorSoon the least, and
	// doctorTimeout what one may take.
	doctorPause   = 10 * time.Minute
	doctorSoon    = 10 * time.Second
	doctorTimeout = time.Minute
	// maxSwitches are kept for a day, and shownSwitches are on the page.
	maxSwitches   = 1000
	shownSwitches = 20
	switchMemory  = 24 * time.Hour
	// countersAge is how old the module's counters may be.
	countersAge = time.Second
)

// watcher knows how things are. Readers get what it knows; none of them has shim6d asked.
type watcher struct {
	host
	log *slog.Logger
	hub *hub
	// hurry has the next overview asked for soon, and doctor an examination made.
	hurry, doctor chan struct{}

	mu       sync.Mutex
	overview *control.Overview
	// failed is why shim6d does not answer, "" if it does.
	failed string
	// switches are events that are switches, the oldest first.
	switches []control.Event
	exam     examination
	lines    *timelines
	traffic  map[string]octets
	rates    map[string]rate
	// warned: the log has said that traffic is not known. watchTraffic alone uses it.
	warned bool
	// stats are the module's counters of a time.
	stats   []netlink.Stat
	statsAt time.Time
	statsMu sync.Mutex
}

// rate is what an interface carries, in bits a second.
type rate struct {
	In  float64 `json:"in"`
	Out float64 `json:"out"`
}

func newWatcher(h host, log *slog.Logger) *watcher {
	return &watcher{host: h, log: log, hub: newHub(), hurry: make(chan struct{}, 1), doctor: make(chan struct{}, 1),
		lines: newTimelines(), exam: examination{Findings: []finding{}}}
}

// run watches until ctx ends.
func (w *watcher) run(ctx context.Context) {
	var wait sync.WaitGroup
	for _, f := range []func(context.Context){w.watchOverview, w.watchEvents, w.watchTraffic, w.watchDoctor} {
		wait.Go(func() { f(ctx) })
	}
	wait.Wait()
}

// pause waits, and reports whether ctx still lasts. It is cut short by early.
func pause(ctx context.Context, d time.Duration, early <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-early:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// soon asks for something that is asked for once, however often soon is called before.
func soon(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (w *watcher) watchOverview(ctx context.Context) {
	for ctx.Err() == nil {
		asking, cancel := context.WithTimeout(ctx, askTimeout)
		o, err := w.host.overview(asking)
		cancel()
		if ctx.Err() != nil {
			return
		}
		w.mu.Lock()
		if err != nil {
			if w.failed == "" {
				w.log.Warn("shim6d does not answer", "error", err)
			}
			w.failed = err.Error()
		} else {
			if w.failed != "" {
				w.log.Info("shim6d answers")
			}
			// It may be older than what has been heard since.
			for i := range w.switches {
				if e := &w.switches[i]; e.Sequence > o.Sequence {
					o = moveOn(o, e.Switch)
				}
			}
			w.overview, w.failed = o, ""
		}
		w.mu.Unlock()
		w.tell()
		d := quietPause
		if w.hub.readers() > 0 || err != nil {
			d = overviewPause
		}
		if !pause(ctx, d, w.hurry) {
			return
		}
		// Several events come at once.
		d = eventPause
		if w.hub.readers() == 0 {
			d = overviewPause
		}
		if !pause(ctx, d, nil) {
			return
		}
	}
}

func (w *watcher) watchEvents(ctx context.Context) {
	after := uint64(0)
	for ctx.Err() == nil {
		asking, cancel := context.WithTimeout(ctx, eventsTimeout)
		e, err := w.host.events(asking, after)
		cancel()
		if err != nil {
			if !pause(ctx, retryPause, nil) {
				return
			}
			continue
		}
		after = e.Sequence
		if len(e.Events) > 0 {
			w.happened(e.Events)
		}
		if e.Missed || w.hub.readers() > 0 && len(e.Events) > 0 || slices.ContainsFunc(e.Events, begins) {
			soon(w.hurry)
		}
		// Contexts may come and go by the hundred.
		if len(e.Events) > 0 && !pause(ctx, eventPause, nil) {
			return
		}
	}
}

// begins reports whether a context can be used from an event on. Its timeline should begin then, also
// if nobody reads. All else can wait without readers: at the time of a switch a slow machine has
// better things to do.
func begins(e control.Event) bool { return e.Change != nil && e.Change.To == "established" }

// happened takes events. A switch is shown at once, and not only when the next overview comes.
func (w *watcher) happened(list []control.Event) {
	w.mu.Lock()
	for _, e := range list {
		if e.Switch != nil {
			w.switches = append(w.switches, e)
			w.overview = moveOn(w.overview, e.Switch)
		}
	}
	old := time.Now().Add(-switchMemory)
	n := max(0, len(w.switches)-maxSwitches)
	for n < len(w.switches) && w.switches[n].Switch.Time.Before(old) {
		n++
	}
	w.switches = slices.Delete(w.switches, 0, n)
	w.mu.Unlock()
	if slices.ContainsFunc(list, func(e control.Event) bool { return e.Switch != nil }) {
		w.tell()
	}
}

func (w *watcher) watchTraffic(ctx context.Context) {
	for ctx.Err() == nil {
		began := time.Now()
		w.sample(began)
		took := time.Since(began)
		if !pause(ctx, max(samplePause-took, min(sampleShare*took, slowSamplePause)), nil) {
			return
		}
	}
}

// sample reads what interfaces and contexts have carried.
func (w *watcher) sample(now time.Time) {
	traffic, err1 := w.host.traffic()
	w.mu.Lock()
	pairs := w.current()
	since := now.Sub(w.lines.at)
	w.lines.begin(now)
	w.rates = map[string]rate{}
	for name, is := range traffic {
		if was, ok := w.traffic[name]; ok && is.in >= was.in && is.out >= was.out && w.lines.passed > 0 {
			w.rates[name] = rate{float64(is.in-was.in) * 8 / w.lines.passed, float64(is.out-was.out) * 8 / w.lines.passed}
		}
	}
	w.traffic = traffic
	w.mu.Unlock()
	// The list is long, and readers do not wait for all of it.
	err2 := w.host.active(min(since, longestSample*time.Second)+activeMargin, func(c *carried) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.lines.note(c, pairs)
	})
	if err := errors.Join(err1, err2); err != nil && !w.warned {
		w.warned = true
		w.log.Warn("what interfaces and contexts carry is not known, so timelines have gaps", "error", err)
	}
	w.mu.Lock()
	if err2 == nil {
		w.lines.end(pairs)
	}
	shown := map[string]rate{}
	if w.overview != nil && w.failed == "" {
		for _, l := range w.overview.Links {
			shown[l.Interface] = w.rates[l.Interface]
		}
	}
	w.mu.Unlock()
	if w.hub.readers() == 0 {
		return
	}
	b, err := json.Marshal(shown)
	if err == nil {
		w.hub.publish("traffic", b)
	}
}

// current has the current pairs of the contexts that are shown. The caller has the lock.
func (w *watcher) current() map[control.Name]control.Pair {
	pairs := map[control.Name]control.Pair{}
	if w.overview == nil || w.failed != "" {
		return pairs
	}
	for i := range w.overview.Glances {
		g := &w.overview.Glances[i]
		for j := range g.Pairs {
			if g.Pairs[j].Current {
				pairs[g.Name] = g.Pairs[j].Pair
			}
		}
	}
	return pairs
}

func (w *watcher) watchDoctor(ctx context.Context) {
	for ctx.Err() == nil {
		w.setExam(func(e *examination) { e.Running = true })
		asking, cancel := context.WithTimeout(ctx, doctorTimeout)
		list, err := w.examine(asking)
		cancel()
		w.setExam(func(e *examination) {
			e.Running, e.Time, e.Error = false, time.Now().UTC(), ""
			if err != nil {
				e.Error = err.Error()
			} else {
				e.Findings = append([]finding{}, list...)
			}
		})
		if !pause(ctx, doctorSoon, nil) || !pause(ctx, doctorPause-doctorSoon, w.doctor) {
			return
		}
	}
}

func (w *watcher) setExam(change func(*examination)) {
	w.mu.Lock()
	change(&w.exam)
	w.mu.Unlock()
	w.tell()
}

// screen is what the page shows now.
func (w *watcher) screen() screen {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := screen{Version: version, Verdict: judge(w.overview, w.failed), Overview: w.overview, Error: w.failed, Doctor: w.exam, Switches: []switchLine{}}
	links := w.links()
	for i := len(w.switches) - 1; i >= 0 && len(s.Switches) < shownSwitches; i-- {
		s.Switches = append(s.Switches, lineOf(*w.switches[i].Switch, links))
	}
	return s
}

// links has the interface of each of our locators. The caller has the lock.
func (w *watcher) links() map[netip.Addr]string {
	links := map[netip.Addr]string{}
	if w.overview != nil {
		for i := range w.overview.Links {
			for _, a := range w.overview.Links[i].Locators {
				links[a] = w.overview.Links[i].Interface
			}
		}
	}
	return links
}

// tell gives readers the screen. Without any it does nothing: the next one calls it first.
func (w *watcher) tell() {
	if w.hub.readers() == 0 {
		return
	}
	if b, err := json.Marshal(w.screen()); err == nil {
		w.hub.publish("screen", b)
	} else {
		w.log.Error("the screen can't be encoded", "error", err)
	}
}

// draw is the timeline of a context. It begins with this, if there is none. The error of a context that is
// not there is an fs.ErrNotExist.
func (w *watcher) draw(n control.Name, day bool) (*drawn, error) {
	w.mu.Lock()
	l := w.lines.by[n]
	ask := l == nil || !l.wanted.IsZero()
	w.mu.Unlock()
	if ask {
		c, err := w.host.context(n)
		if err != nil {
			return nil, err
		}
		w.mu.Lock()
		l = w.lines.demand(time.Now(), c)
		w.mu.Unlock()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	d, links := l.draw(day), w.links()
	for i := range d.Pairs {
		d.Pairs[i].Interface = links[d.Pairs[i].LocatorLocal]
	}
	for i := range w.switches {
		if s := w.switches[i].Switch; s.Name == n && (len(d.Times) == 0 || s.Time.Unix() >= d.Times[0]) {
			d.Switches = append(d.Switches, *s)
		}
	}
	return d, nil
}

// kernel are the module's counters.
func (w *watcher) kernel() []netlink.Stat {
	// Not mu: the kernel may let this wait while a module is loaded.
	w.statsMu.Lock()
	defer w.statsMu.Unlock()
	if now := time.Now(); now.Sub(w.statsAt) >= countersAge {
		stats, err := w.counters()
		if err != nil {
			w.log.Debug("the module's counters", "error", err)
		}
		w.stats, w.statsAt = stats, now
	}
	return w.stats
}
