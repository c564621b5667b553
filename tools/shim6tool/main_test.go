// SPDX-License-Identifier: BSD-3-Clause

package main

import (
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

// fake is a kernel that has these objects, and remembers the last request.
type fake struct {
	config   netlink.Config
	contexts []netlink.Context
	filter   netlink.ContextFilter
	flows    []netlink.Flow
	flowsErr error
	policies []netlink.Policy
	stats    []netlink.Stat
	update   *netlink.ConfigUpdate
	asked    []any
	err      error
	netns    string
	closed   int
}

func (f *fake) ask(what ...any) error {
	f.asked = what
	return f.err
}
func (f *fake) Contexts() ([]netlink.Context, error) { return f.contexts, f.err }
func (f *fake) ContextsWith(filter netlink.ContextFilter) ([]netlink.Context, error) {
	f.filter = filter
	return f.contexts, f.err
}
func (f *fake) EachContext(_ netlink.ContextFilter, do func(*netlink.Context) error) error {
	for i := range f.contexts {
		if err := do(&f.contexts[i]); err != nil {
			return err
		}
	}
	return f.err
}
func (f *fake) Context(u netlink.ULIDs) (netlink.Context, error) {
	return f.contexts[0], f.ask("get", u)
}
func (f *fake) NewContext(u netlink.ULIDs, tag uint64, c netlink.ContextUpdate) error {
	return f.ask("new", u, tag, c)
}
func (f *fake) SetContext(u netlink.ULIDs, c netlink.ContextUpdate) error { return f.ask("set", u, c) }
func (f *fake) DeleteContext(u netlink.ULIDs) error                       { return f.ask("del", u) }
func (f *fake) FlushContexts() error                                      { return f.ask("flush") }
func (f *fake) Flows() ([]netlink.Flow, error)                            { return f.flows, errors.Join(f.err, f.flowsErr) }
func (f *fake) Policies() ([]netlink.Policy, error)                       { return f.policies, f.err }
func (f *fake) NewPolicy(p netlink.Policy) error                          { return f.ask("new", p) }
func (f *fake) DeletePolicy(n uint32) error                               { return f.ask("del", n) }
func (f *fake) FlushPolicies() error                                      { return f.ask("flush") }
func (f *fake) Stats() ([]netlink.Stat, error)                            { return f.stats, f.err }

func (f *fake) Config() (netlink.Config, error) { return f.config, f.err }
func (f *fake) SetConfig(u netlink.ConfigUpdate) error {
	f.update = &u
	return f.err
}
func (f *fake) Close() error { f.closed++; return nil }

func newFake() *fake {
	return &fake{config: netlink.Config{
		MaxContexts: 131072, MaxFlows: 4096, TriggerPackets: 45,
		TriggerTime: 10 * time.Second, SendTimeout: 15 * time.Second, IdleTimeout: 600500 * time.Millisecond, ICMPToULP: 1, UDPPort: 61140, WatchStreams: 1,
	}}
}

// call runs the tool on f and returns its status and what it printed.
func call(f *fake, args ...string) (int, string, string) {
	return callWorld(&world{kernel: f}, args...)
}

const text = `max-contexts    131072
max-flows       4096
trigger-packets 45
trigger-time    10s
send-timeout    15s
idle-timeout    600500ms
icmp-to-ulp     1
udp-port        61140
watch-streams   1
`

func TestShow(t *testing.T) {
	const line = `[{"max-contexts":131072,"max-flows":4096,"trigger-packets":45,"trigger-time":10000,"send-timeout":15000,"idle-timeout":600500,"icmp-to-ulp":1,"udp-port":61140,"watch-streams":1}]` + "\n"
	for _, tt := range []struct{ args, want string }{
		{"config show", text},
		{"config", text},
		{"conf s", text},
		{"conf sh", text},
		{"-n blue config show", text},
		{"-j config show", line},
		{"--json conf", line},
		{"-netns blue -j conf", line},
		{"-netns=blue -j conf", line},
		{"-jn blue conf", line},
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

// specSet returns the names of the attributes of a set, in order.
func specSet(t *testing.T, set string) []string {
	t.Helper()
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
	var names []string
	for _, s := range spec.Sets {
		for _, a := range s.Attributes {
			// An attribute that can only be set, or asked for, is not shown.
			if s.Name == set && !slices.Contains([]string{"pad", "reap-timer", "active-within"}, a.Name) {
				names = append(names, a.Name)
			}
		}
	}
	return names
}

// The keys of the JSON are the attributes of the specification, exactly and in its order.
func TestSchema(t *testing.T) {
	f := newFake()
	f.contexts = []netlink.Context{fullContext()}
	f.policies = []netlink.Policy{fullPolicy()}
	f.flows = []netlink.Flow{fullFlow()}
	for _, name := range specSet(t, "stats") {
		f.stats = append(f.stats, netlink.Stat{Name: name, Value: 1})
	}
	for _, object := range []string{"config", "context", "flow", "policy", "stats"} {
		_, out, _ := call(f, "-j", object)
		d := json.NewDecoder(strings.NewReader(out))
		var keys []string
		for {
			tok, err := d.Token()
			if err != nil {
				break
			}
			name, ok := tok.(string)
			if !ok {
				continue
			}
			keys = append(keys, name)
			var value any
			if err := d.Decode(&value); err != nil {
				t.Fatal(err)
			}
		}
		if d := cmp.Diff(specSet(t, object), keys); d != "" {
			t.Errorf("%s:\n%s", object, d)
		}
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
		{"-x", "not defined: -x"},
		{"-n", "needs an argument"},
		{"contexts", `no object "contexts": take one of context, flow, policy, config, stats, cga, hba, path, locator, monitor, hook, top, daemon, doctor, completion, help`},
		{"config drop", `no command of config "drop"`},
		{"config show all", `takes no "all"`},
		{"config set", "needs a key"},
		{"config set max-contexts", "max-contexts needs a value"},
		{"config set m 1", `"m" may be max-contexts or max-flows`},
		{"config set colour red", `no key of config set "colour"`},
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
	for _, args := range [][]string{{"config"}, {"config", "set", "max-flows", "1"}, {"monitor", "config"}} {
		if status, _, errs := callWorld(&world{}, args...); status != exitRefused || !strings.Contains(errs, "modprobe shim6") {
			t.Errorf("%v: status %d, %s", args, status, errs)
		}
	}
}

func TestHelpAndVersion(t *testing.T) {
	for _, tt := range []struct{ args, first, last string }{
		{"help", "usage: shim6tool [OPTIONS] [OBJECT [COMMAND [ARGUMENTS]]]\n", "answered or fails.\n"},
		{"h", "usage: shim6tool [OPTIONS] [OBJECT", "answered or fails.\n"},
		{"-h", "usage: shim6tool [OPTIONS] [OBJECT", "answered or fails.\n"},
		{"--help", "usage: shim6tool [OPTIONS] [OBJECT", "answered or fails.\n"},
		{"config help", "usage: shim6tool [OPTIONS] config [COMMAND [ARGUMENTS]]\n", "ask\n                            the path\n"},
		{"conf -h", "usage: shim6tool [OPTIONS] config [", "ask\n                            the path\n"},
		{"help config", "usage: shim6tool [OPTIONS] config [", "ask\n                            the path\n"},
		{"help hba", "usage: shim6tool [OPTIONS] cga|hba [", "cannot sign\n"},
		{"h pol", "usage: shim6tool [OPTIONS] policy [", "connection of MPTCP\n"},
		{"help -h", "usage: shim6tool [OPTIONS] [OBJECT", "answered or fails.\n"},
		{"path help use", "usage: shim6tool [OPTIONS] path use CONTEXT", "CONTEXT is LOCAL-ULID PEER-ULID [fii N].\n"},
		{"path probe -h", "usage: shim6tool [OPTIONS] path probe PEER [from LOCAL]\n", "the path allows\n"},
		{"c a --help", "usage: shim6tool [OPTIONS] context add CONTEXT [tag-local TAG] [KEY VALUE ...]\n", "on the inbound pair\n"},
	} {
		status, out, errs := call(newFake(), strings.Fields(tt.args)...)
		if status != 0 || errs != "" || !strings.HasPrefix(out, tt.first) || !strings.HasSuffix(out, tt.last) {
			t.Errorf("%s: status %d, %q, want output from %q to %q:\n%s", tt.args, status, errs, tt.first, tt.last, out)
		}
	}
	// Words behind -h are read by cli, which makes the error.
	if status, _, errs := call(newFake(), "-h", "weather"); status != exitUsage || errs == "" {
		t.Errorf("status %d, %q", status, errs)
	}
	if status, _, errs := call(newFake(), "help", "weather"); status != exitUsage || !strings.Contains(errs, `no object "weather"`) {
		t.Errorf("status %d, %q", status, errs)
	}
	if status, out, _ := call(newFake(), "-v"); status != 0 || out != "shim6tool version "+version+"\n" {
		t.Errorf("status %d, %q", status, out)
	}
}
