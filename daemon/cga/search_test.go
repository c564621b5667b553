// SPDX-License-Identifier: BSD-3-Clause

package cga

import (
	"context"
	"encoding/binary"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestModifierAdd(t *testing.T) {
	max := Modifier{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	for _, tt := range []struct {
		m    Modifier
		n    uint64
		want Modifier
	}{
		{Modifier{}, 0, Modifier{}},
		{Modifier{}, 0x102, Modifier{14: 1, 15: 2}},
		{Modifier{15: 0xff}, 1, Modifier{14: 1}},
		{Modifier{7: 1, 8: 0xff, 9: 0xff, 10: 0xff, 11: 0xff, 12: 0xff, 13: 0xff, 14: 0xff, 15: 0xff}, 1, Modifier{7: 2}},
		{max, 1, Modifier{}},
		{max, math.MaxUint64, Modifier{8: 0xff, 9: 0xff, 10: 0xff, 11: 0xff, 12: 0xff, 13: 0xff, 14: 0xff, 15: 0xfe}},
	} {
		if got := tt.m.add(tt.n); got != tt.want {
			t.Errorf("%x + %d is %x", tt.m, tt.n, got)
		}
	}
}

// Any number of workers finds the same modifier: the first.
func TestSearchWorkers(t *testing.T) {
	for seed := range byte(8) {
		var first []Address
		for _, workers := range []int{1, 2, 3, 16, 0} {
			last := uint64(0)
			set := mustHBA(t, seed, eight(t)[:2], Options{Sec: 1, Workers: workers, Progress: func(n uint64) {
				if n <= last {
					t.Errorf("progress from %d to %d", last, n)
				}
				last = n
			}})
			if last == 0 {
				t.Error("no progress")
			}
			if first == nil {
				first = set
			}
			if set[0].Addr != first[0].Addr || set[1].Addr != first[1].Addr {
				t.Errorf("%d workers find %v, %v", workers, set[0].Addr, set[1].Addr)
			}
		}
	}
}

// The result is the first modifier that fits, at each place in a chunk.
func TestSearchFirst(t *testing.T) {
	p := mustHBA(t, 1, eight(t)[:2], Options{Sec: 1})[0].PDS
	found := p.Modifier
	for _, back := range []uint64{0, 1, searchChunk - 1, searchChunk, searchChunk + 1, 2 * searchChunk} {
		q := *p
		q.SubnetPrefix, q.Modifier = SubnetPrefix{}, before(found, back)
		if err := (Options{Sec: 1, Workers: 4}).search(t.Context(), &q); err != nil {
			t.Fatal(err)
		}
		// There may be an earlier one, but not at the nearest places.
		if q.Modifier != found && back <= 1 {
			t.Errorf("from %d before it: %x, want %x", back, q.Modifier, found)
		}
		if h, err := q.Hash2(); err != nil || !zeroBits(h[:], 1) {
			t.Errorf("from %d before it: Hash2 is %x, %v", back, h, err)
		}
	}
}

// The modifier is one number of 128 bits, also in the middle of a chunk: here the first that fits
// is 2^64 or a little more, and the search begins below it.
func TestSearchCarry(t *testing.T) {
	for _, above := range []byte{0, 1, 5} {
		for _, back := range []uint64{1, 10, searchChunk - 1, searchChunk, searchChunk + 1} {
			searchCarry(t, above, back+uint64(above))
		}
	}
}

func searchCarry(t *testing.T, above byte, back uint64) {
	t.Helper()
	data := make([]byte, 8)
	p := &PDS{Modifier: Modifier{7: 1, 15: above}, PublicKey: appendixA().PublicKey, Extensions: []Extension{{0xfffd, data}}}
	want := p.Modifier
	for fits := false; !fits; {
		binary.BigEndian.PutUint64(data, binary.BigEndian.Uint64(data)+1)
		hash2, err := p.Hash2()
		if err != nil {
			t.Fatal(err)
		}
		fits = zeroBits(hash2[:], 1)
	}
	p.Modifier = before(want, back)
	err := (Options{Sec: 1, Workers: 2}).search(t.Context(), p)
	// Far before it there may be another one, which the search must not skip.
	if binary.BigEndian.Uint64(p.Modifier[:8]) == 0 && back > 100 {
		hash2, _ := p.Hash2()
		if !zeroBits(hash2[:], 1) {
			t.Errorf("from %d before it: Hash2 of %x is %x", back, p.Modifier, hash2)
		}
		return
	}
	if err != nil || p.Modifier != want {
		t.Errorf("from %d before it: %x, %v, want %x", back, p.Modifier, err, want)
	}
}

// A search that would take hours ends at once when its context does, and leaves no goroutine.
func TestSearchCancel(t *testing.T) {
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := GenerateHBA(ctx, seeded(9), eight(t), Options{Sec: 2, Workers: 4, Progress: func(n uint64) {
		if n >= 2*searchChunk {
			cancel()
		}
	}})
	wantError(t, err, context.Canceled)
	ctx, cancel = context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err = GenerateCGA(ctx, seeded(9), eight(t)[0], Options{Sec: 2, PublicKey: &testKey(t, 2048).PublicKey})
	wantError(t, err, context.DeadlineExceeded)
	for range 1000 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines, before it %d", runtime.NumGoroutine(), before)
}

func TestStoreMin(t *testing.T) {
	var v atomic.Uint64
	v.Store(math.MaxUint64)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for n := range uint64(1000) {
				storeMin(&v, 5000-n+uint64(i))
			}
		})
	}
	group.Wait()
	if v.Load() != 4001 {
		t.Errorf("%d", v.Load())
	}
}
