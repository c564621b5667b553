// SPDX-License-Identifier: BSD-3-Clause

package sim

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"shim6/tools/conformance/shows"
)

// variable is the number in an environment variable, def if it is not set.
func variable(t *testing.T, name string, def uint64) uint64 {
	s := os.Getenv(name)
	if s == "" {
		return def
	}
	n, err := strconv.ParseUint(s, 0, 64)
	if err != nil {
		t.Fatalf("%s=%q: it must be a number", name, s)
	}
	return n
}

// verbose is where the log goes, nil for nowhere.
func verbose(t *testing.T) io.Writer {
	if variable(t, "SHIM6_SIM_VERBOSE", 0) == 0 {
		return nil
	}
	return os.Stdout
}

// try lives the world of a seed, with few tags or with all, and returns what went wrong.
func try(seed uint64, few bool, log io.Writer) (string, *world) {
	w := newWorld(seed)
	w.few, w.log = few, log
	return w.tried(), w
}

// again says how to live a world once more.
func again(test string, seed uint64) string {
	return fmt.Sprintf("to see it again: SHIM6_SIM_WORLDS=1 SHIM6_SIM_SEED=%d SHIM6_SIM_VERBOSE=1 go test -count=1 -run '^%s$' ./daemon/internal/sim", seed, test)
}

// tried lives a world, and returns what went wrong.
func (w *world) tried() (text string) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case violation:
			text = r.text
		default:
			text = fmt.Sprintf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	w.live()
	return ""
}

// progress reports how far a long run is, and from which seed to continue if it is stopped: no
// seed before that is left out.
func progress(first, worlds uint64, at []atomic.Uint64, done <-chan struct{}) {
	start := time.Now()
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		// A worker is at the seed that it lives, and has finished those before.
		var low []uint64
		for i := range at {
			low = append(low, at[i].Load())
		}
		n := slices.Min(low)
		rate := float64(n) / time.Since(start).Seconds()
		left := time.Duration(float64(worlds-n) / max(rate, 1) * float64(time.Second))
		fmt.Fprintf(os.Stderr, "%d worlds of %d, %.0f a second, %v to go; to go on from here: SHIM6_SOAK_FROM=%d make soak\n",
			n, worlds, rate, left.Round(time.Minute), first+n)
	}
}

// TestWorlds lives SHIM6_SIM_WORLDS worlds, from the seed SHIM6_SIM_SEED on. One
// that fails is lived again by the command that is printed; SHIM6_SIM_VERBOSE=1 then
// tells what happens. SHIM6_SIM_PROGRESS=1 tells how far it is.
func TestWorlds(t *testing.T) {
	worlds := variable(t, "SHIM6_SIM_WORLDS", defaultWorlds(testing.Short()))
	first := variable(t, "SHIM6_SIM_SEED", 1)
	log := verbose(t)
	var next, failed atomic.Uint64
	var wg sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	if log != nil {
		workers = 1
	}
	at := make([]atomic.Uint64, workers)
	if variable(t, "SHIM6_SIM_PROGRESS", 0) != 0 {
		done := make(chan struct{})
		defer close(done)
		go progress(first, worlds, at, done)
	}
	for k := range workers {
		wg.Go(func() {
			for failed.Load() < 10 {
				i := next.Add(1) - 1
				at[k].Store(min(i, worlds))
				if i >= worlds {
					return
				}
				if text, _ := try(first+i, false, log); text != "" {
					failed.Add(1)
					t.Errorf("seed %d: %s\n%s", first+i, text, again("TestWorlds", first+i))
				}
			}
		})
	}
	wg.Wait()
}

func defaultWorlds(short bool) uint64 {
	switch {
	case raceEnabled:
		return 200
	case short:
		return 500
	}
	return 10000
}

// TestFewTags lives worlds in which there are so few tags that peers come to use one
// again, for another context.
func TestFewTags(t *testing.T) {
	shows.IDs(t, "5533-C-04")
	var confusions uint64
	first := variable(t, "SHIM6_SIM_SEED", 0)
	worlds := variable(t, "SHIM6_SIM_WORLDS", 200)
	for seed := first; seed < first+min(worlds, 200); seed++ {
		text, w := try(seed, true, verbose(t))
		if text != "" {
			t.Errorf("seed %d: %s\n%s", seed, text, again("TestFewTags", seed))
		}
		for _, h := range w.hosts {
			if h.e != nil {
				confusions += h.e.Stats().Confusions
			}
		}
	}
	if confusions == 0 && worlds >= 200 {
		t.Error("no contexts were confused")
	}
}

// TestReplay lives worlds twice: exactly the same happens, to the nonce. Different worlds differ.
func TestReplay(t *testing.T) {
	seen := map[[sha256.Size]byte]uint64{}
	for seed := range uint64(20) {
		var logs [2]bytes.Buffer
		for i := range logs {
			if text, _ := try(seed, seed%2 == 0, &logs[i]); text != "" {
				t.Fatalf("seed %d: %s", seed, text)
			}
		}
		if !bytes.Equal(logs[0].Bytes(), logs[1].Bytes()) {
			a, b := strings.Split(logs[0].String(), "\n"), strings.Split(logs[1].String(), "\n")
			for i := range min(len(a), len(b)) {
				if a[i] != b[i] {
					t.Errorf("seed %d: %q once and %q again", seed, a[i], b[i])
					break
				}
			}
			continue
		}
		sum := sha256.Sum256(logs[0].Bytes())
		if other, ok := seen[sum]; ok {
			t.Errorf("seeds %d and %d are the same", other, seed)
		}
		seen[sum] = seed
	}
}
