// SPDX-License-Identifier: BSD-3-Clause

// Package writer writes files beside the loop of the daemon.
//
// A disk may be full, read-only, slow, or frozen for a backup, and then a write fails or does not
// return. The loop must not wait for that, since it moves sessions to other locator pairs. So a
// goroutine writes whatever is wanted last, tries again after a failure, and tells a failure
// once.
package writer

import (
	"errors"
	"sync"
	"time"
)

const (
	// firstPause and lastPause are the pauses between attempts. Each pause is twice as long
	// as the one before.
	firstPause = time.Second
	lastPause  = time.Minute
	// late is how long a write may take before it counts as a failure.
	late = 5 * time.Second
)

// ErrLate is the failure of a write that has neither succeeded nor failed yet.
var ErrLate = errors.New("the file system does not answer")

// Writer has a goroutine write. Any goroutine may call its methods.
type Writer struct {
	write  func() error
	report func(error)

	// wake says that more is wanted. closing is closed when nothing more will be wanted,
	// and ended when the goroutine has ended.
	wake, closing, ended chan struct{}
	closeOnce            sync.Once

	// mu guards all below.
	mu sync.Mutex
	// wanted counts calls of Want, and written is how many of them have been met.
	wanted, written uint64
	// behind: a write has failed or takes long, and Wait does not wait for it.
	behind bool
	// settled is closed, and replaced, after each attempt.
	settled chan struct{}
	// attempts counts attempts, so that a timer knows its own.
	attempts uint64
	err      error
}

// New returns a Writer. write writes what is wanted when it is called. If it returns an error it
// is called again. report, unless it is nil, is called with the error when a failure begins, and
// with nil when it is over. write is called on the Writer's goroutine, and report there or on a
// timer's.
func New(write func() error, report func(error)) *Writer {
	w := &Writer{
		write: write, report: report,
		wake: make(chan struct{}, 1), closing: make(chan struct{}), ended: make(chan struct{}),
		settled: make(chan struct{}),
	}
	go w.run()
	return w
}

// Want says that there is something new to write. It does not wait.
func (w *Writer) Want() {
	w.mu.Lock()
	w.wanted++
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Wait returns once everything that is wanted is written, or after patience. After patience was
// too short, or a write has failed, it returns at once until everything is written again.
func (w *Writer) Wait(patience time.Duration) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		w.mu.Lock()
		if w.written == w.wanted || w.behind {
			w.mu.Unlock()
			return
		}
		settled := w.settled
		w.mu.Unlock()
		select {
		case <-settled:
		case <-timer.C:
			w.mu.Lock()
			w.behind = w.written != w.wanted
			w.mu.Unlock()
			return
		}
	}
}

// Err is why not everything is written, nil if it is or is about to be.
func (w *Writer) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// Close has the rest written, waits for that no longer than patience, and returns Err. Do not call
// Want after it.
func (w *Writer) Close(patience time.Duration) error {
	w.closeOnce.Do(func() { close(w.closing) })
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-w.ended:
		return w.Err()
	case <-timer.C:
		return ErrLate
	}
}

func (w *Writer) run() {
	defer close(w.ended)
	pause := firstPause
	for {
		select {
		case <-w.wake:
		case <-w.closing:
			if w.open() {
				w.attempt()
			}
			return
		}
		for !w.attempt() {
			select {
			case <-time.After(pause):
			case <-w.closing:
				w.attempt()
				return
			}
			pause = min(2*pause, lastPause)
		}
		pause = firstPause
	}
}

// open reports whether something is wanted that is not written.
func (w *Writer) open() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.written != w.wanted
}

// attempt writes once, and reports whether that was good.
func (w *Writer) attempt() bool {
	w.mu.Lock()
	w.attempts++
	wanted, number := w.wanted, w.attempts
	w.mu.Unlock()
	timer := time.AfterFunc(late, func() { w.settle(number, wanted, ErrLate) })
	err := w.write()
	timer.Stop()
	w.settle(number, wanted, err)
	return err == nil
}

// settle takes over the outcome of an attempt. That an attempt is late does not matter once it
// has ended.
func (w *Writer) settle(number, wanted uint64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if number != w.attempts {
		return
	}
	if err == nil {
		w.written = wanted
		w.behind = w.behind && w.written != w.wanted
	} else {
		w.behind = true
	}
	if !errors.Is(err, ErrLate) {
		w.attempts++
	}
	// report is called under the lock, so that failures and recoveries are in order.
	if (err == nil) != (w.err == nil) && w.report != nil {
		w.report(err)
	}
	w.err = err
	close(w.settled)
	w.settled = make(chan struct{})
}
