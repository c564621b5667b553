// SPDX-License-Identifier: BSD-3-Clause

package cga

import (
	"context"
	"crypto/sha1"
	"encoding/binary"
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
)

// searchChunk is how many modifiers a worker tries before it checks whether to go on: one or two
// milliseconds of work.
const searchChunk = 1 << 12

// add returns m + n, modulo 2^128.
func (m Modifier) add(n uint64) Modifier {
	low, carry := bits.Add64(binary.BigEndian.Uint64(m[8:]), n, 0)
	binary.BigEndian.PutUint64(m[8:], low)
	binary.BigEndian.PutUint64(m[:], binary.BigEndian.Uint64(m[:])+carry)
	return m
}

// search does steps 2 and 3 of RFC 3972 section 4. input is a Modifier, 9 zero octets, a public key
// and extension fields. Counting up from the modifier of input, search returns the first modifier
// for which Hash2 begins with 16*sec zero bits. The number of workers does not change the result.
//
// progress, which may be nil, is called in the caller's goroutine.
func search(ctx context.Context, input []byte, sec uint8, workers int, progress func(tried uint64)) (Modifier, error) {
	base := Modifier(input[:len(Modifier{})])
	if sec == 0 {
		return base, ctx.Err()
	}
	var chunks, first atomic.Uint64
	first.Store(math.MaxUint64)
	tried := make(chan uint64, workers)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			buffer := append([]byte(nil), input...)
			// Chunks are handed out in order. If a worker does not begin a chunk because an earlier
			// one has a result, all chunks below are done, or other workers are doing them.
			for ctx.Err() == nil {
				start := (chunks.Add(1) - 1) * searchChunk
				if start >= first.Load() {
					return
				}
				n, found := searchFrom(buffer, base.add(start), sec)
				if found {
					storeMin(&first, start+n-1)
				}
				tried <- n
			}
		})
	}
	go func() {
		group.Wait()
		close(tried)
	}()
	total := uint64(0)
	for n := range tried {
		if total += n; progress != nil {
			progress(total)
		}
	}
	// A result that was found when time ran out may not be the first.
	if err := ctx.Err(); err != nil {
		return Modifier{}, err
	}
	return base.add(first.Load()), nil
}

// searchFrom tries the modifiers of a chunk, from m upwards, in buffer. It returns how many it
// tried, and whether the last one fits.
func searchFrom(buffer []byte, m Modifier, sec uint8) (tried uint64, found bool) {
	high, low := binary.BigEndian.Uint64(m[:]), binary.BigEndian.Uint64(m[8:])
	for n := range uint64(searchChunk) {
		binary.BigEndian.PutUint64(buffer, high)
		binary.BigEndian.PutUint64(buffer[8:], low)
		sum := sha1.Sum(buffer)
		if zeroBits(sum[:], sec) {
			return n + 1, true
		}
		if low++; low == 0 {
			high++
		}
	}
	return searchChunk, false
}

// storeMin stores n in v if n is less.
func storeMin(v *atomic.Uint64, n uint64) {
	for old := v.Load(); n < old; old = v.Load() {
		if v.CompareAndSwap(old, n) {
			return
		}
	}
}
