// SPDX-License-Identifier: BSD-3-Clause

package config

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"shim6/daemon/cga"
	"shim6/tools/conformance/shows"
)

var prefixCmp = cmp.Options{
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmp.Comparer(func(a, b *rsa.PrivateKey) bool { return a == b }),
}

func pointer[T any](v T) *T { return &v }

func TestParse(t *testing.T) {
	const all = `
state-directory = "/s"
[log]
level = "debug"
format = "json"
[control]
socket = "/c"
group = "g"
[debug-port]
enabled = true
port = 1
[protocol]
send-timeout = "10s"
idle-timeout = "5m"
max-contexts = 1
max-peer-contexts = 2
max-prefix-contexts = 3
debug-errors = true
udp = "always"
udp-port = 6
[kernel]
trigger-packets = 0
trigger-time = "1ms"
icmp-to-ulp = true
watch-streams = false
[peers]
trusted-prefixes = ["2001:db8::/32", "::/0"]
[locators]
unique-local = true
allow = ["2001:db8:1::/48"]
deny = ["2001:db8:2::/48"]
[addresses]
manage = false
source = "system"
priority = 1
table = 256
[[interface]]
name = "eth*"
use = false
[[interface]]
name = "w"
priority = 255
weight = 7
[[set]]
pds = "p"
key = "k"
[[set]]
pds = "q"
`
	want := &Config{
		StateDirectory: "/s",
		Log:            Log{Level: slog.LevelDebug, Format: "json"},
		Control:        Control{Socket: "/c", Group: "g"},
		DebugPort:      DebugPort{Enabled: true, Port: 1},
		Protocol: Protocol{SendTimeout: Duration(10 * time.Second), IdleTimeout: Duration(5 * time.Minute),
			MaxContexts: 1, MaxPeerContexts: 2, MaxPrefixContexts: 3, DebugErrors: true, UDP: UDPAlways, UDPPort: 6},
		Kernel: Kernel{TriggerPackets: pointer(uint32(0)), TriggerTime: pointer(Duration(time.Millisecond)), ICMPToULP: pointer(true), WatchStreams: pointer(false)},
		Peers:  Peers{TrustedPrefixes: []netip.Prefix{netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("::/0")}},
		Locators: Locators{UniqueLocal: true, Allow: []netip.Prefix{netip.MustParsePrefix("2001:db8:1::/48")},
			Deny: []netip.Prefix{netip.MustParsePrefix("2001:db8:2::/48")}},
		Addresses:  Addresses{Manage: pointer(false), Source: SourceSystem, Priority: 1, Table: 256},
		Interfaces: []Interface{{Name: "eth*", Use: pointer(false)}, {Name: "w", Priority: 255, Weight: 7}},
		Sets:       []Set{{PDS: "p", Key: "k"}, {PDS: "q"}},
	}
	got, err := Parse("f", all)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got, prefixCmp); d != "" {
		t.Error(d)
	}
	got, err = Parse("f", "")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(Default(), got, prefixCmp); d != "" {
		t.Error(d)
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		// Unknown keys.
		{"stat-directory = 'x'", "f:1: stat-directory: there is no such key: outside of all tables there is state-directory, log, control, debug-port, protocol, kernel, peers, locators, addresses, interface, set"},
		{"[log]\n\nlevels = 'info'", "f:3: log.levels: there is no such key: in [log] there is level, format"},
		{"[[interface]]\nname='x'\n\n[[interface]]\nname='y'\nprio=3", "f:6: interface.prio: there is no such key: in [interface] there is name, use, priority, weight, policy"},
		{"# x\n[nothing]\na=1", "f:2: nothing: there is no such key: outside of all tables there is state-directory, log, control, debug-port, protocol, kernel, peers, locators, addresses, interface, set"},
		{"[log.more]\nx=1", "f:1: log.more: there is no such key: in [log] there is level, format"},
		{"[peers]\n'trusted prefixes' = []", `f:2: peers."trusted prefixes": there is no such key: in [peers] there is trusted-prefixes`},
		// Not TOML, or of another type.
		{"\nlog = ", "f:2: log: unexpected EOF; expected value: wanted is a table, [log]"},
		{"[log]\nlevel='info'\nlevel='debug'", `f:3: log.level: Key 'log.level' has already been defined.: wanted is one of "debug", "info", "warn", "error"`},
		{"log = 3", "f:1: log: it is of the wrong type: wanted is a table, [log]"},
		{"[interface]\nname='x'", "f:1: interface: it is of the wrong type: wanted is a list of tables, each begun by [[interface]]"},
		{"[debug-port]\nenabled=1", "f:2: debug-port.enabled: it is of the wrong type: wanted is true or false"},
		{"[log]\nformat=3", "f:2: log.format: it is of the wrong type: wanted is text in quotes"},
		{"[log]\nlevel='loud'", `f:2: log.level: slog: level string "loud": unknown name: wanted is one of "debug", "info", "warn", "error"`},
		{"[protocol]\nsend-timeout = 15", `f:2: protocol.send-timeout: time: missing unit in duration "15": wanted is a time such as "15s"`},
		{"[[interface]]\nname='x'\npriority=300", "f:3: interface.priority: 300 is out of range for uint8: wanted is a number from 0 to 255"},
		{"[peers]\n\ntrusted-prefixes = ['2001:db8::/32', 'x']", `f:3: peers.trusted-prefixes: netip.ParsePrefix("x"): no '/': wanted is a list such as ["2001:db8::/32"]`},
		// Values out of range, or without sense.
		{"state-directory = 'x'", `f:1: state-directory: "x" is no absolute path: begin it with /`},
		{"[log]\nformat='xml'", `f:2: log.format: "xml" is no format: take text or json`},
		{"[control]\nsocket='/" + strings.Repeat("x", 107) + "'", "f:2: control.socket: a socket's path has at most 107 octets, not 108: take a shorter one"},
		{"[debug-port]\nport=0", "f:2: debug-port.port: 0 is no port: take 1 to 65535, or set enabled = false"},
		{"[protocol]\nsend-timeout = '1s'", "f:2: protocol.send-timeout: 1s is out of range: take 10s to 1m40s, in whole milliseconds"},
		{"[protocol]\nsend-timeout = '10.0001s'", "f:2: protocol.send-timeout: 10.0001s is out of range: take 10s to 1m40s, in whole milliseconds"},
		{"[protocol]\nidle-timeout = '4m'", "f:2: protocol.idle-timeout: 4m0s is out of range: take 5m0s to 24h0m0s, in whole milliseconds"},
		{"[protocol]\nmax-contexts = 0", "f:2: protocol.max-contexts: 0 is out of range: take 1 to 4194304"},
		{"[protocol]\nudp = 'yes'", `f:2: protocol.udp: "yes" is no choice: take auto, never or always`},
		{"[protocol]\nudp = 'auto'\nudp-port = 0", `f:3: protocol.udp-port: 0 is no port: take 1 to 65535, or set udp = "never"`},
		{"[kernel]\ntrigger-packets=2000000", "f:2: kernel.trigger-packets: 2000000 is out of range: take 0 (never) to 1000000"},
		{"[kernel]\ntrigger-time='2h'", "f:2: kernel.trigger-time: 2h0m0s is out of range: take 0s (never) to 1h0m0s, in whole milliseconds"},
		{"[peers]\ntrusted-prefixes = ['10.0.0.0/8']", "f:2: peers.trusted-prefixes: 10.0.0.0/8 is no IPv6 prefix"},
		{"[locators]\nallow = [\n'2001:db8::1/32']", "f:2: locators.allow: 2001:db8::1/32 has bits after its length: did you mean 2001:db8::/32?"},
		{"[[interface]]\nname='['", `f:2: interface.name: "[" is no name or pattern of an interface, such as eth0 or wlan*`},
		{"[[interface]]\nuse=true", `f:1: interface.name: "" is no name or pattern of an interface, such as eth0 or wlan*`},
		{"[addresses]\nsource = 'private'", `f:2: addresses.source: "private" is no choice: take protected, temporary or system`},
		{"[addresses]\nsource = 'temporary'\nmanage = false", `f:2: addresses.source: temporary addresses are among those that shim6d makes, and it makes none here: add manage = true, or take protected or system`},
		{"[addresses]\npriority = 0", "f:2: addresses.priority: 0 is out of range: take 1 to 4294967294, and less than 32766 to come before the main table"},
		{"[addresses]\ntable = 254", "f:2: addresses.table: 254 is out of range: take 256 to 4026531840"},
		{"[[set]]\nkey='x'", "f:1: set: a set needs pds: the file that 'shim6tool hba generate' made"},
	} {
		_, err := Parse("f", c.text)
		var e *Error
		if !errors.As(err, &e) || e.Error() != c.want {
			t.Errorf("%q:\n got %v\nwant %v", c.text, err, c.want)
		}
	}
}

// The example has every key with its default, so that nothing changes if a line is uncommented.
func TestExample(t *testing.T) {
	b, err := os.ReadFile("../shim6d/shim6d.conf")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Parse("shim6d.conf", string(b)); err != nil {
		t.Error(err)
	} else if d := cmp.Diff(Default(), got, prefixCmp); d != "" {
		t.Errorf("as it is: %s", d)
	}
	text := regexp.MustCompile(`(?m)^#([a-z\[])`).ReplaceAllString(string(b), "$1")
	got, err := Parse("shim6d.conf", text)
	if err != nil {
		t.Fatal(err)
	}
	if got.Log != (Log{Format: "text"}) || got.Control != Default().Control || got.DebugPort != Default().DebugPort {
		t.Errorf("other defaults: %+v", got)
	}
	if len(got.Sets) != 1 || len(got.Interfaces) != 1 || got.Protocol.MaxContexts != 131072 {
		t.Errorf("with all keys: %+v", got)
	}
	var keys func(t reflect.Type)
	keys = func(rt reflect.Type) {
		for field := range rt.Fields() {
			key := field.Tag.Get("toml")
			if key != "-" && !regexp.MustCompile(`(?m)^#?\[{0,2}`+regexp.QuoteMeta(key)+`(\]| = )`).Match(b) {
				t.Errorf("the example lacks %q", key)
			}
			ft := field.Type
			if ft.Kind() == reflect.Slice {
				ft = ft.Elem()
			}
			if ft.Kind() == reflect.Struct && ft.PkgPath() == rt.PkgPath() && key != "-" {
				keys(ft)
			}
		}
	}
	keys(reflect.TypeFor[Config]())
}

func TestDebugPortIsOff(t *testing.T) {
	shows.IDs(t, "boeing-3.2-01")
	if d := Default().DebugPort; d.Enabled || d.Port != 19384 {
		t.Errorf("the default is %+v", d)
	}
}

func TestInterfacePolicy(t *testing.T) {
	for text, want := range map[string]InterfacePolicy{
		"normal": PolicyNormal, "preferred": PolicyPreferred, "backup": PolicyBackup,
		"metered": PolicyMetered, "never": PolicyNever,
	} {
		c, err := Parse("f", "[[interface]]\nname='wwan*'\npolicy='"+text+"'")
		if err != nil || c.Interfaces[0].Policy != want {
			t.Errorf("%s: %+v, %v", text, c, err)
		}
	}
	if _, err := Parse("f", "[[interface]]\nname='a'\npolicy='best'"); err == nil || !strings.Contains(err.Error(), `unknown policy "best"`) {
		t.Errorf("an unknown one: %v", err)
	}
}

// Addresses are made if there is no set, or if the configuration says so.
func TestManagesAddresses(t *testing.T) {
	set := []Set{{PDS: "p"}}
	for _, c := range []struct {
		config Config
		want   bool
	}{
		{Config{}, true},
		{Config{Sets: set}, false},
		{Config{Addresses: Addresses{Manage: pointer(false)}}, false},
		{Config{Sets: set, Addresses: Addresses{Manage: pointer(true)}}, true},
	} {
		if got := c.config.ManagesAddresses(); got != c.want {
			t.Errorf("%+v: %v", c.config, got)
		}
	}
}

func TestAllowed(t *testing.T) {
	c, err := Parse("f", `
[locators]
allow = ["2001:db8::/32", "fd00::/8"]
deny = ["2001:db8:2::/48"]
[[interface]]
name = "wlan*"
use = false
`)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []struct {
		name, addr, why string
	}{
		{"eth0", "2001:db8:1::1", ""},
		{"eth0", "2001:db8:2::1", "denied by locators.deny"},
		{"eth0", "2001:db9::1", "not in locators.allow"},
		{"wlan0", "2001:db8:1::1", "the configuration does not use interface wlan0"},
		{"eth0", "fd00::1", "unique local addresses are not used (locators.unique-local)"},
	} {
		why, ok := c.Allowed(a.name, netip.MustParseAddr(a.addr))
		if why != a.why || ok != (a.why == "") {
			t.Errorf("%s on %s: %q, %v, wanted %q", a.addr, a.name, why, ok, a.why)
		}
	}
	c.Locators.UniqueLocal = true
	if why, ok := c.Allowed("eth0", netip.MustParseAddr("fd00::1")); !ok {
		t.Error("unique local, though wanted:", why)
	}
}

// sets writes the files of an HBA set with a key and of one without, and another key.
func sets(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, b []byte, err error) {
		t.Helper()
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	prefixes := []cga.SubnetPrefix{cga.PrefixOf(netip.MustParseAddr("2001:db8:1::")), cga.PrefixOf(netip.MustParseAddr("2001:db8:2::"))}
	var first *rsa.PrivateKey
	for _, name := range []string{"hba.key", "other.key"} {
		key, err := rsa.GenerateKey(rand.Reader, 1024)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = key
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		write(name, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err)
	}
	write("pkcs1.key", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(first)}), nil)
	for name, o := range map[string]cga.Options{"hba.pem": {PublicKey: &first.PublicKey}, "pure.pem": {}} {
		set, err := cga.GenerateHBA(t.Context(), rand.Reader, prefixes, o)
		if err != nil {
			t.Fatal(err)
		}
		b, err := cga.EncodePEM(set)
		write(name, b, err)
	}
	write("text", []byte("nothing"), nil)
	return dir
}

func TestReadSets(t *testing.T) {
	dir := sets(t)
	read := func(text string) (*Config, error) {
		name := filepath.Join(dir, "shim6d.conf")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Read(name)
		var e *Error
		if errors.As(err, &e) {
			e.File = "f"
			return c, errors.New(strings.ReplaceAll(err.Error(), dir+"/", ""))
		}
		return c, err
	}
	for _, key := range []string{"hba.key", "pkcs1.key", filepath.Join(dir, "hba.key")} {
		c, err := read("[[set]]\npds='hba.pem'\nkey='" + key + "'\n[[set]]\npds='pure.pem'")
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Sets[0].Addresses) != 2 || c.Sets[0].PrivateKey == nil || len(c.Sets[1].Addresses) != 2 {
			t.Errorf("read %+v", c.Sets)
		}
	}
	for _, e := range []struct{ text, want string }{
		{"[[set]]\npds='none.pem'", "f:1: set: open none.pem: no such file or directory"},
		{"[[set]]\npds='text'", "f:1: set: text: malformed CGA Parameters data structure: "},
		{"[[set]]\npds='hba.pem'\nkey='none.key'", "f:1: set: open none.key: no such file or directory"},
		{"[[set]]\npds='hba.pem'\nkey='text'", "f:1: set: text: is no PEM file: name the file that new-key made"},
		{"[[set]]\npds='hba.pem'\nkey='hba.pem'", "f:1: set: hba.pem: has a "},
		{"[[set]]\npds='hba.pem'\nkey='other.key'", "f:1: set: hba.pem and other.key: the key is not that of the addresses: name the one that they were made with"},
		{"[[set]]\npds='pure.pem'\nkey='hba.key'", "f:1: set: pure.pem has no key that can sign"},
	} {
		if _, err := read(e.text); err == nil || !strings.HasPrefix(err.Error(), e.want) {
			t.Errorf("%q:\n got %v\nwant %v", e.text, err, e.want)
		}
	}
	if _, err := Read("/none"); err == nil || err.Error() != "/none: can't be read: no such file or directory" {
		t.Error(err)
	}
}
