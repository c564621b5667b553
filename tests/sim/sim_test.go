// SPDX-License-Identifier: BSD-3-Clause

package sim

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

// variable is a number in the environment.
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

// try lives the world of a seed, and returns what went wrong.
func try(seed uint64, verbose bool) (text string) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case violation:
			text = r.text
		default:
			text = fmt.Sprintf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	w := newWorld(seed)
	w.verbose = verbose
	w.live()
	return ""
}

// TestWorlds lives SHIM6_SIM_WORLDS worlds, from the seed SHIM6_SIM_SEED on. One
// that fails is lived again by the command that is printed; SHIM6_SIM_VERBOSE=1 then
// tells what happens.
func TestWorlds(t *testing.T) {
	worlds := variable(t, "SHIM6_SIM_WORLDS", defaultWorlds(testing.Short()))
	first := variable(t, "SHIM6_SIM_SEED", 1)
	verbose := variable(t, "SHIM6_SIM_VERBOSE", 0) != 0
	var next, failed atomic.Uint64
	var wg sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	if verbose {
		workers = 1
	}
	for range workers {
		wg.Go(func() {
			for failed.Load() < 10 {
				i := next.Add(1) - 1
				if i >= worlds {
					return
				}
				if text := try(first+i, verbose); text != "" {
					failed.Add(1)
					t.Errorf("seed %d: %s\nto see it again: SHIM6_SIM_WORLDS=1 SHIM6_SIM_SEED=%d SHIM6_SIM_VERBOSE=1 go test -count=1 ./tests/sim", first+i, text, first+i)
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
