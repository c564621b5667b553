// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"shim6/daemon/control"
	"shim6/netlink"
)

// host is what shim6web reads; tests have their own.
type host struct {
	overview func(context.Context) (*control.Overview, error)
	events   func(ctx context.Context, after uint64) (control.Events, error)
	sessions func(context.Context, control.SessionsRequest) (*control.Sessions, error)
	// traffic are the octets that each interface has carried since it came up.
	traffic func() (map[string]octets, error)
	// active calls its argument with each context that has carried something in so long a time, and
	// context is a single one.
	active  func(time.Duration, func(*carried)) error
	context func(control.Name) (*carried, error)
	// counters are those of the module; none if it is not loaded.
	counters func() ([]netlink.Stat, error)
	// examine is what doctor says.
	examine func(context.Context) ([]finding, error)
}

// octets are what came in and what went out.
type octets struct{ in, out uint64 }

// finding is a line of doctor.
type finding struct {
	Check  string `json:"check"`
	Result string `json:"result"`
	Text   string `json:"text"`
	Advice string `json:"advice,omitempty"`
}

// newHost is this host, with the shim6d that listens at a socket.
func newHost(socket, tool string) host {
	// Counters do not wait for a list of contexts.
	c, lists, counters := control.NewClient(socket), &module{}, &module{}
	return host{
		overview: c.Overview, events: c.Events, sessions: c.Sessions, traffic: traffic, active: lists.active, context: lists.context, counters: counters.counters,
		examine: func(ctx context.Context) ([]finding, error) { return examine(ctx, tool, socket) },
	}
}

// traffic reads /proc/net/dev of this process's network namespace.
func traffic() (map[string]octets, error) {
	b, err := os.ReadFile("/proc/self/net/dev")
	if err != nil {
		return nil, err
	}
	return parseTraffic(string(b)), nil
}

// parseTraffic takes the lines that have a name, a colon, and at least nine numbers. A name may
// have colons itself.
func parseTraffic(text string) map[string]octets {
	all := map[string]octets{}
	for line := range strings.Lines(text) {
		at := strings.LastIndexByte(line, ':')
		if at < 0 {
			continue
		}
		numbers := strings.Fields(line[at+1:])
		if len(numbers) < 9 {
			continue
		}
		in, err1 := strconv.ParseUint(numbers[0], 10, 64)
		out, err2 := strconv.ParseUint(numbers[8], 10, 64)
		if err1 == nil && err2 == nil {
			all[strings.TrimSpace(line[:at])] = octets{in, out}
		}
	}
	return all
}

// maxExamined is the most octets of doctor's answer.
const maxExamined = 1 << 20

// examine runs doctor, which has exit status 2 if it finds a fault.
func examine(ctx context.Context, tool, socket string) ([]finding, error) {
	var out, said bytes.Buffer
	cmd := exec.CommandContext(ctx, tool, "-j", "-socket", socket, "doctor")
	// A child of it may hold the pipe.
	cmd.WaitDelay = 2 * time.Second
	cmd.Stdout = &limited{&out, maxExamined}
	cmd.Stderr = &limited{&said, 4096}
	err := cmd.Run()
	var list []finding
	if jerr := json.Unmarshal(out.Bytes(), &list); jerr != nil {
		if err == nil {
			err = jerr
		}
		return nil, fmt.Errorf("%s doctor: %w: %s", tool, err, strings.TrimSpace(said.String()))
	}
	return list, nil
}

// limited is a writer that fails after so many octets.
type limited struct {
	to   io.Writer
	left int
}

func (l *limited) Write(b []byte) (int, error) {
	if l.left -= len(b); l.left < 0 {
		return 0, errors.New("the output is too long")
	}
	return l.to.Write(b)
}
