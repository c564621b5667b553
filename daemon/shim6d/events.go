// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"time"

	"shim6/daemon/control"
)

// events numbers what happens, for readers that want to hear of it at once.
type events struct {
	list recent[control.Event]
	// last is the number of the last event. The first number is the time of the day in
	// milliseconds, so that a daemon that is started again has higher ones.
	last uint64
	// came is closed, and made again, when there is another event. It is nil if nobody waits.
	came chan struct{}
}

func (e *events) add(v control.Event) {
	v.Sequence = e.sequence() + 1
	e.last = v.Sequence
	e.list.add(v)
	if e.came != nil {
		close(e.came)
		e.came = nil
	}
}

// sequence is the number of the last event, or the one before the first.
func (e *events) sequence() uint64 {
	if e.last == 0 {
		e.last = uint64(time.Now().UnixMilli())
	}
	return e.last
}

// behind are the events behind a number, and a channel that is closed when there are others.
func (e *events) behind(after uint64) (control.Events, <-chan struct{}) {
	a := control.Events{Sequence: e.sequence(), Events: []control.Event{}}
	list := e.list[max(0, len(e.list)-historySize):]
	// The numbers of the list have no gaps.
	first := a.Sequence - uint64(len(list)) + 1
	if after > a.Sequence || after+1 < first {
		a.Missed, after = true, first-1
	}
	list = list[after+1-first:]
	if len(list) > control.MaxEvents {
		list = list[:control.MaxEvents]
		a.Sequence = list[len(list)-1].Sequence
	}
	a.Events = append(a.Events, list...)
	if e.came == nil {
		e.came = make(chan struct{})
	}
	return a, e.came
}

// Events waits beside the loop.
func (b backend) Events(ctx context.Context, after uint64) (control.Events, error) {
	type answer struct {
		control.Events
		came <-chan struct{}
	}
	for {
		a, err := look(ctx, b.d, func() (a answer) {
			a.Events, a.came = b.d.history.events.behind(after)
			return a
		})
		if err != nil || a.Missed || len(a.Events.Events) > 0 {
			return a.Events, err
		}
		select {
		case <-a.came:
		case <-ctx.Done():
			return a.Events, nil
		case <-b.d.ended:
			return a.Events, control.ErrUnavailable
		}
	}
}
