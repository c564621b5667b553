// SPDX-License-Identifier: BSD-3-Clause

package nlread

import (
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// step is what a fake socket does when it is read.
type step struct {
	list []int
	err  error
}

// Everything that is queued comes before the loss is reported, also after a second overflow.
func TestQueue(t *testing.T) {
	full := &netlink.OpError{Op: "receive", Err: os.NewSyscallError("recvmsg", unix.ENOBUFS)}
	type result struct {
		List []int
		Lost bool
	}
	dead := errors.New("dead")
	for _, c := range []struct {
		name  string
		steps []step
		want  []result
		err   error
	}{
		{"no overflow", []step{{[]int{1}, nil}, {[]int{2}, nil}}, []result{{[]int{1}, false}, {[]int{2}, false}}, nil},
		{"overflow", []step{{nil, full}, {[]int{1, 2}, nil}, {nil, nil}, {[]int{3}, nil}},
			[]result{{[]int{1, 2}, false}, {nil, false}, {[]int{3}, false}, {nil, true}}, nil},
		{"nothing is queued", []step{{nil, full}}, []result{{nil, true}}, nil},
		{"overflow again", []step{{nil, full}, {[]int{1}, nil}, {nil, full}, {[]int{2}, nil}},
			[]result{{[]int{1}, false}, {nil, true}, {[]int{2}, false}, {nil, true}}, nil},
		{"the socket fails before the loss is reported", []step{{nil, full}, {[]int{1}, nil}, {nil, dead}}, []result{{[]int{1}, false}, {nil, false}}, dead},
	} {
		t.Run(c.name, func(t *testing.T) {
			var q Queue[int]
			steps := c.steps
			next := func() ([]int, error) {
				s := steps[0]
				steps = steps[1:]
				return s.list, s.err
			}
			var got []result
			var err error
			for err == nil && (len(steps) > 0 || q.overflown) {
				var r result
				r.List, r.Lost, err = q.receive(func() bool { return len(steps) > 0 }, next)
				got = append(got, r)
			}
			if d := cmp.Diff(c.want, got); d != "" || !errors.Is(err, c.err) {
				t.Error(err, d)
			}
		})
	}
}

// A flood that comes as fast as it is read does not put off the report for ever.
func TestQueueFlood(t *testing.T) {
	var q Queue[int]
	flood := []step{{nil, unix.ENOBUFS}, {[]int{1}, nil}}
	next := func() ([]int, error) {
		s := flood[0]
		flood = flood[min(1, len(flood)-1):]
		return s.list, s.err
	}
	for n := 0; ; n++ {
		_, lost, err := q.receive(func() bool { return true }, next)
		if err != nil || n > queueLimit {
			t.Fatalf("after %d: %v", n, err)
		}
		if lost {
			break
		}
	}
	if list, lost, err := q.receive(func() bool { return true }, next); len(list) != 1 || lost || err != nil {
		t.Errorf("after the loss: %v, %v, %v", list, lost, err)
	}
}
