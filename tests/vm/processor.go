// SPDX-License-Identifier: GPL-2.0

package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// A User Mode kernel and the programs in it are processes that take turns: for each system
// call and page fault one wakes the other and sleeps. On two processors that takes two
// interrupts to an idle processor; on one processor it is a switch, and programs start two to
// three times as fast. So each guest stays on one processor, and its neighbours on others
// where there are enough.

// processors returns the processors that this process may use.
func processors() ([]int, error) {
	var may unix.CPUSet
	if err := unix.SchedGetaffinity(0, &may); err != nil {
		return nil, fmt.Errorf("which processors there are: %w", err)
	}
	var all []int
	for i := range len(may) * 64 {
		if may.IsSet(i) {
			all = append(all, i)
		}
	}
	return all, nil
}

// takeProcessor returns one of the processors that this process may use, and reserves it
// until release is called. With more guests than processors, some share one.
func takeProcessor(c *cache) (cpu int, release func(), err error) {
	all, err := processors()
	if err != nil {
		return 0, nil, err
	}
	for _, cpu := range all {
		f, err := os.OpenFile(c.path("locks", fmt.Sprintf("processor-%d", cpu)), os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return 0, nil, err
		}
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			return cpu, func() { f.Close() }, nil
		}
		f.Close()
	}
	return all[os.Getpid()%len(all)], func() {}, nil
}

// startOn starts a command that stays on a processor, as do its children.
func startOn(cpu int, cmd *exec.Cmd) error {
	var before, one unix.CPUSet
	one.Set(cpu)
	// A child inherits the processors of the thread that starts it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return err
	}
	defer unix.SchedSetaffinity(0, &before)
	return cmd.Start()
}
