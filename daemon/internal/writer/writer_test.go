// SPDX-License-Identifier: BSD-3-Clause

package writer

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// disk is written to. Its lock is released while a write stalls.
type disk struct {
	sync.Mutex
	// err is what a write returns. A write waits for stalled, unless that is nil.
	err     error
	stalled chan struct{}
	// wanted is to be written, and written was.
	wanted, written int
	attempts        []time.Duration
	began           time.Time
	told            []error
}

func (d *disk) writer() *Writer {
	d.began = time.Now()
	return New(func() error {
		d.Lock()
		defer d.Unlock()
		d.attempts = append(d.attempts, time.Since(d.began))
		v := d.wanted
		if d.stalled != nil {
			d.Unlock()
			<-d.stalled
			d.Lock()
		}
		if d.err == nil {
			d.written = v
		}
		return d.err
	}, func(err error) {
		d.Lock()
		defer d.Unlock()
		d.told = append(d.told, err)
	})
}

// want has the next number written.
func (d *disk) want(w *Writer) {
	d.Lock()
	d.wanted++
	d.Unlock()
	w.Want()
}

// fails makes writes fail, or succeed.
func (d *disk) fails(err error) {
	d.Lock()
	d.err = err
	d.Unlock()
}

// is returns a copy of d once nothing happens any more.
func (d *disk) is() *disk {
	synctest.Wait()
	d.Lock()
	defer d.Unlock()
	return &disk{wanted: d.wanted, written: d.written, attempts: slices.Clone(d.attempts), told: slices.Clone(d.told)}
}

// took is how long f takes.
func took(f func()) time.Duration {
	began := time.Now()
	f()
	return time.Since(began)
}

// Everything that is wanted is written, and Wait knows when.
func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{}
		w := d.writer()
		for n := range 3 {
			d.want(w)
			if gone := took(func() { w.Wait(time.Hour) }); gone != 0 || d.is().written != n+1 {
				t.Errorf("waited %v, written is %d", gone, d.is().written)
			}
		}
		if err := w.Close(time.Hour); err != nil || len(d.is().told) != 0 {
			t.Error(err, d.is().told)
		}
	})
}

// A caller waits once for a disk that does not answer. When the disk answers, what was wanted
// last is written.
func TestStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{stalled: make(chan struct{})}
		w := d.writer()
		for i := range 100 {
			d.want(w)
			want := time.Duration(0)
			if i == 0 {
				want = time.Second
			}
			if gone := took(func() { w.Wait(time.Second) }); gone != want {
				t.Errorf("waited %v for write %d", gone, i)
			}
		}
		if w.Err() != nil {
			t.Error("it is told too soon:", w.Err())
		}
		time.Sleep(time.Hour)
		if d := d.is(); len(d.told) != 1 || !errors.Is(d.told[0], ErrLate) || !errors.Is(w.Err(), ErrLate) || len(d.attempts) != 1 {
			t.Errorf("told %v after %d attempts", d.told, len(d.attempts))
		}
		close(d.stalled)
		if d := d.is(); d.written != 100 || len(d.attempts) != 2 || len(d.told) != 2 || d.told[1] != nil || w.Err() != nil {
			t.Errorf("written is %d after %d attempts, told %v", d.written, len(d.attempts), d.told)
		}
		// Now Wait waits again.
		d.want(w)
		w.Wait(time.Second)
		if n := d.is().written; n != 101 {
			t.Errorf("written is %d", n)
		}
		w.Close(time.Second)
	})
}

// A failure is told once. Attempts go on with growing pauses, however much is wanted meanwhile.
func TestFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{err: errors.New("full")}
		w := d.writer()
		for range 60 * 60 {
			d.want(w)
			if gone := took(func() { w.Wait(time.Second) }); gone != 0 {
				t.Fatalf("waited %v", gone)
			}
			time.Sleep(time.Second)
		}
		now := d.is()
		if n := len(now.attempts); len(now.told) != 1 || n < 60 || n > 70 {
			t.Errorf("told %v, tried %d times", now.told, n)
		}
		for i := 2; i < len(now.attempts); i++ {
			if p := now.attempts[i] - now.attempts[i-1]; p > lastPause {
				t.Errorf("a pause of %v", p)
			}
		}
		d.fails(nil)
		time.Sleep(lastPause)
		if d := d.is(); d.written != d.wanted || len(d.told) != 2 || d.told[1] != nil {
			t.Errorf("written is %d of %d, told %v", d.written, d.wanted, d.told)
		}
		// The next failure begins with the short pause.
		d.fails(errors.New("full again"))
		w.Want()
		n := len(d.is().attempts)
		time.Sleep(firstPause)
		if more := len(d.is().attempts) - n; more != 1 {
			t.Errorf("%d attempts", more)
		}
		w.Close(time.Second)
	})
}

// The rest is written at the end, or Close returns why not.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("full")
		d := &disk{err: full}
		w := d.writer()
		d.want(w)
		time.Sleep(10 * time.Minute)
		d.fails(nil)
		if gone := took(func() {
			if err := w.Close(time.Hour); err != nil {
				t.Error(err)
			}
		}); gone != 0 || d.is().written != 1 {
			t.Errorf("waited %v, written is %d", gone, d.is().written)
		}
		d = &disk{err: full}
		w = d.writer()
		w.Want()
		if err := w.Close(time.Hour); !errors.Is(err, full) {
			t.Error(err)
		}
		d = &disk{stalled: make(chan struct{})}
		w = d.writer()
		w.Want()
		if gone := took(func() {
			if err := w.Close(time.Second); !errors.Is(err, ErrLate) {
				t.Error(err)
			}
		}); gone != time.Second {
			t.Errorf("waited %v", gone)
		}
		close(d.stalled)
		synctest.Wait()
	})
}
