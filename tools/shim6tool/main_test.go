// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"shim6/netlink"
)

// fake is a kernel with one configuration.
type fake struct {
	config netlink.Config
	update *netlink.ConfigUpdate
	err    error
	netns  string
	closed int
}

func (f *fake) Config() (netlink.Config, error) { return f.config, f.err }
func (f *fake) SetConfig(u netlink.ConfigUpdate) error {
	f.update = &u
	return f.err
}
func (f *fake) Close() error { f.closed++; return nil }

func newFake() *fake {
	return &fake{config: netlink.Config{
		MaxContexts: 131072, MaxFlows: 4096, TriggerPackets: 45,
		TriggerTime: 10 * time.Second, SendTimeout: 15 * time.Second, IdleTimeout: 600500 * time.Millisecond, ICMPToULP: 1,
	}}
}

// call runs the tool on f and returns its status and what it printed.
func call(f *fake, args ...string) (int, string, string) {
	var out, err bytes.Buffer
	t := &tool{out: &out, err: &err, dial: func(netns string) (client, error) {
		f.netns = netns
		return f, nil
	}}
	return t.run(args), out.String(), err.String()
}

const text = `max-contexts    131072
max-flows       4096
trigger-packets 45
trigger-time    10s
send-timeout    15s
idle-timeout    600500ms
icmp-to-ulp     1
`

func TestShow(t *testing.T) {
	const line = `[{"icmp-to-ulp":1,"idle-timeout":600500,"max-contexts":131072,"max-flows":4096,"send-timeout":15000,"trigger-packets":45,"trigger-time":10000}]` + "\n"
	for _, tt := range []struct{ args, want string }{
		{"config show", text},
		{"config", text},
		{"c s", text},
		{"c sh", text},
		{"-n blue config show", text},
		{"-j config show", line},
		{"--json c", line},
		{"-netns blue -j c", line},
		{"-netns=blue -j c", line},
		{"-jn blue c", line},
	} {
		t.Run(tt.args, func(t *testing.T) {
			f := newFake()
			status, out, errs := call(f, strings.Fields(tt.args)...)
			if d := cmp.Diff(tt.want, out); d != "" || status != 0 || errs != "" {
				t.Errorf("status %d, %q:\n%s", status, errs, d)
			}
			if f.closed != 1 {
				t.Errorf("closed %d times", f.closed)
			}
			if want := strings.Contains(tt.args, "blue"); (f.netns == "blue") != want {
				t.Errorf("asked in namespace %q", f.netns)
			}
		})
	}
}

func TestPretty(t *testing.T) {
	_, out, _ := call(newFake(), "-j", "-p", "config")
	if !strings.Contains(out, "\n        \"max-flows\": 4096,\n") {
		t.Errorf("not indented:\n%s", out)
	}
}

// The keys of the JSON are the attributes of the specification, no more and no
// less.
func TestSchema(t *testing.T) {
	b, err := os.ReadFile("../../netlink/shim6.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var spec struct {
		Sets []struct {
			Name       string
			Attributes []struct{ Name string }
		} `yaml:"attribute-sets"`
	}
	if err := yaml.Unmarshal(b, &spec); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, a := range spec.Sets[0].Attributes {
		want = append(want, a.Name)
	}
	_, out, _ := call(newFake(), "-j", "config")
	var got []map[string]json.Number
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	var keys []string
	for k := range got[0] {
		keys = append(keys, k)
	}
	slices.Sort(want)
	slices.Sort(keys)
	if d := cmp.Diff(want, keys); d != "" {
		t.Error(d)
	}
}

func TestSet(t *testing.T) {
	f := newFake()
	status, out, errs := call(f, strings.Fields("config set max-c 7 send 20s trigger-t 0s trigger-p 0 idle 1h max-f 4294967295")...)
	if status != 0 || out != "" || errs != "" {
		t.Fatalf("status %d, %q, %q", status, out, errs)
	}
	num := func(n uint32) *uint32 { return &n }
	dur := func(d time.Duration) *time.Duration { return &d }
	want := &netlink.ConfigUpdate{
		MaxContexts: num(7), MaxFlows: num(4294967295), TriggerPackets: num(0),
		TriggerTime: dur(0), SendTimeout: dur(20 * time.Second), IdleTimeout: dur(time.Hour),
	}
	if d := cmp.Diff(want, f.update); d != "" {
		t.Error(d)
	}
}

func TestUsageErrors(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"", "which object"},
		{"-x", "not defined: -x"},
		{"-n", "needs an argument"},
		{"contexts", `no object "contexts": take one of config, help`},
		{"config drop", `no command of config "drop"`},
		{"config show all", `takes no "all"`},
		{"config set", "needs a key"},
		{"config set max-contexts", "max-contexts needs a value"},
		{"config set m 1", `"m" may be max-contexts or max-flows`},
		{"config set colour red", `no key of config "colour"`},
		{"config set max-c 1 max-contexts 2", "given twice"},
		{"config set max-c -1", `"-1" is not a number`},
		{"config set max-c 4294967296", "not a number from 0"},
		{"config set send-timeout 15", "and its unit"},
		{"config set send-timeout soon", `"soon" is not a time`},
	} {
		t.Run(tt.args, func(t *testing.T) {
			f := newFake()
			status, out, errs := call(f, strings.Fields(tt.args)...)
			if status != exitUsage || out != "" || !strings.Contains(errs, tt.want) {
				t.Errorf("status %d, %q, %q", status, out, errs)
			}
			if f.update != nil {
				t.Error("the kernel was asked")
			}
		})
	}
}

func TestRefused(t *testing.T) {
	f := newFake()
	f.err = &netlink.Error{Err: errors.New("numerical result out of range"), Message: "integer out of range", Attribute: "max-flows"}
	for _, args := range [][]string{{"config"}, {"config", "set", "max-flows", "0"}} {
		status, out, errs := call(f, args...)
		if status != exitRefused || out != "" || errs != "shim6tool: max-flows: integer out of range\n" {
			t.Errorf("%v: status %d, %q, %q", args, status, out, errs)
		}
	}
}

func TestDialErrors(t *testing.T) {
	if _, err := dial("no-such-namespace"); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(fmt.Sprint(err), "ip netns list") {
		t.Errorf("unknown namespace: %v", err)
	}
	var out, errs bytes.Buffer
	tl := &tool{out: &out, err: &errs, dial: func(string) (client, error) {
		return nil, fmt.Errorf("the kernel has no family: %w", fs.ErrNotExist)
	}}
	for _, args := range [][]string{{"config"}, {"config", "set", "max-flows", "1"}} {
		if status := tl.run(args); status != exitRefused {
			t.Errorf("%v: status %d", args, status)
		}
	}
}

func TestHelpAndVersion(t *testing.T) {
	for _, args := range []string{"help", "-h", "--help", "config help", "h"} {
		if status, out, _ := call(newFake(), strings.Fields(args)...); status != 0 || out != usage {
			t.Errorf("%s: status %d, %q", args, status, out)
		}
	}
	if status, out, _ := call(newFake(), "-v"); status != 0 || out != "shim6tool version "+version+"\n" {
		t.Errorf("status %d, %q", status, out)
	}
}
