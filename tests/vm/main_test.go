// SPDX-License-Identifier: GPL-2.0

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseOptions(t *testing.T) {
	o, err := parseOptions(strings.Fields("-k debug -T 5 -e A=b -e C= -leaks -- sh -c true"))
	if err != nil {
		t.Fatal(err)
	}
	if o.kernel != "debug" || o.time != "virtual" || o.timeout != 5*time.Second || !o.leaks ||
		strings.Join(o.env, " ") != "A=b C=" || strings.Join(o.command, " ") != "sh -c true" {
		t.Errorf("%+v", o)
	}
	if o, err = parseOptions([]string{"true"}); err != nil || o.kernel != "6.12" || o.time != "real" {
		t.Errorf("%+v, %v", o, err)
	}
	if _, err = parseOptions([]string{"-help"}); !errors.Is(err, flag.ErrHelp) {
		t.Error(err)
	}
}

func TestParseOptionsErrors(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"-forward 0 true", "it is no port"},
		{"-k latest -forward 6140 true", "has no card"},
		{"", "no COMMAND"},
		{"-k 7 true", `no kernel "7"`},
		{"-t never true", "virtual, real or counted"},
		{"-k latest -t counted true", "no emulated machine"},
		{"-k smp -t virtual true", "real time only"},
		{"-k 6.1 -t virtual true", "real time only"},
		{"-leaks true", "only -k debug has"},
		{"-where true", "needs -t counted"},
		{"-T -1 true", "positive number"},
		{"-T x true", "invalid value"},
		{"-path nowhere", "source, build or log"},
		{"-e =x true", "NAME=VALUE"},
		{"-e A-B=x true", "NAME=VALUE"},
		{"-m /nowhere true", "no Kbuild"},
		{"-k", "needs an argument"},
	} {
		if _, err := parseOptions(strings.Fields(tt.args)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v", tt.args, err)
		}
	}
}

// The guest's shell runs exactly the command that was asked for.
func TestScript(t *testing.T) {
	o := &options{repo: "/repo", kernel: "6.1", env: list{"X=it's $HOME"}, command: []string{"printf", "%s|", `a "b" 'c'`, "$X", "", "\n"}}
	r := &run{o: o, dir: "/artifacts"}
	out, err := exec.Command("bash", "-c", r.script()).Output()
	if err != nil || string(out) != "a \"b\" 'c'|$X||\n|" {
		t.Errorf("%q, %v", out, err)
	}
	o.command = []string{"sh", "-c", "echo $X $SHIM6_ARTIFACTS $SHIM6_KERNEL"}
	if out, err = exec.Command("bash", "-c", r.script()).Output(); err != nil || string(out) != "it's $HOME /artifacts 6.1\n" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestUntaken(t *testing.T) {
	got := untaken("# CONFIG_Z=y\nCONFIG_A=y\nCONFIG_B=m\n\nCONFIG_C=y\n", "CONFIG_A=y\n# CONFIG_B is not set\n")
	if strings.Join(got, " ") != "CONFIG_B=m CONFIG_C=y" {
		t.Error(got)
	}
}

func TestDepends(t *testing.T) {
	got := depends("linux-base (>= 4.12~), linux-headers-6-common (= 6-1), linux-image-6 (= 6-1) | x, linux-kbuild-6", "linux-headers-")
	if strings.Join(got, " ") != "linux-headers-6-common" {
		t.Error(got)
	}
}

// bzImage is a kernel image around a compressed stream.
func bzImage(stream []byte) []byte {
	b := make([]byte, 1024)
	b[0x1f1] = 1
	copy(b[0x202:], "HdrS")
	binary.LittleEndian.PutUint32(b[0x248:], 0)
	binary.LittleEndian.PutUint32(b[0x24c:], uint32(len(stream)+4))
	return append(append(b, stream...), 0, 0, 0, 0)
}

func TestUnpackImage(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "bzImage"), filepath.Join(dir, "vmlinux")
	cmd := exec.Command("xz", "-c")
	cmd.Stdin = strings.NewReader("the kernel")
	stream, err := cmd.Output()
	if err != nil {
		t.Skip("no xz: ", err)
	}
	good := bzImage(stream)
	long := bytes.Clone(good)
	binary.LittleEndian.PutUint32(long[0x24c:], 1<<31)
	far := bytes.Clone(good)
	binary.LittleEndian.PutUint32(far[0x248:], 0xffffffff)
	for _, tt := range []struct {
		name  string
		image []byte
		ok    bool
	}{
		{"good", good, true},
		{"empty", nil, false},
		{"short", good[:0x24f], false},
		{"no magic", make([]byte, 2000), false},
		{"cut off", good[:len(good)-9], false},
		{"length past the end", long, false},
		{"offset past the end", far, false},
		{"unknown compression", bzImage([]byte("gzip or so")), false},
		{"damaged", bzImage(append(bytes.Clone(stream[:12]), 1, 2, 3, 4, 5, 6, 7, 8)), false},
	} {
		if err := os.WriteFile(in, tt.image, 0o644); err != nil {
			t.Fatal(err)
		}
		err := unpackImage(in, out)
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
		if tt.ok {
			if b, _ := os.ReadFile(out); string(b) != "the kernel" {
				t.Errorf("%s: %q", tt.name, b)
			}
		}
	}
}

// Two runners that want the same part of the cache take turns.
func TestLock(t *testing.T) {
	t.Setenv("SHIM6_CACHE", t.TempDir())
	c, err := openCache()
	if err != nil {
		t.Fatal(err)
	}
	p := newProgress(os.Stderr, "test")
	unlock, err := c.lock("x", p)
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan bool)
	go func() {
		if unlock, err := c.lock("x", p); err == nil {
			unlock()
		}
		close(second)
	}()
	select {
	case <-second:
		t.Error("both have it")
	case <-time.After(50 * time.Millisecond):
	}
	unlock()
	<-second
}

func TestLoad(t *testing.T) {
	t.Setenv("SHIM6_CACHE", t.TempDir())
	c, err := openCache()
	if err != nil {
		t.Fatal(err)
	}
	made := func(version, key string) *kernel {
		k := &kernel{Name: "6.1", Version: version, Key: key}
		k.Image = filepath.Join(c.kernelDir(k.Name, version, key), "vmlinux")
		if err := os.MkdirAll(filepath.Dir(k.Image), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := c.store(k); err != nil {
			t.Fatal(err)
		}
		return k
	}
	k := made("1", "a")
	if got, _ := c.load("6.1", "a"); got != nil {
		t.Error("a kernel whose image is gone was taken")
	}
	if err := os.WriteFile(k.Image, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if got, _ := c.load("6.1", "a"); got == nil || *got != *k {
		t.Errorf("%+v, wanted %+v", got, k)
	}
	if got, _ := c.load("6.1", "b"); got != nil {
		t.Error("a kernel of another configuration was taken")
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(k.Image), "kernel.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, _ := c.load("6.1", "a"); got != nil {
		t.Error("a kernel was read from nonsense")
	}
}

// Kernels of other configurations stay; those whose last use is longest ago are removed.
func TestKernelsAreKept(t *testing.T) {
	t.Setenv("SHIM6_CACHE", t.TempDir())
	c, err := openCache()
	if err != nil {
		t.Fatal(err)
	}
	for i := range keepKernels + 2 {
		k := &kernel{Name: "6.1", Version: "1", Key: fmt.Sprint("key", i)}
		k.Image = filepath.Join(c.kernelDir("6.1", "1", k.Key), "vmlinux")
		if err := os.MkdirAll(filepath.Dir(k.Image), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(k.Image, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := c.store(k); err != nil {
			t.Fatal(err)
		}
		old := time.Now().Add(time.Duration(i-100) * time.Hour)
		if i == 0 {
			old = time.Now()
		}
		if err := os.Chtimes(filepath.Join(filepath.Dir(k.Image), "used"), old, old); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []bool{true, false, false, true, true} {
		if got, _ := c.load("6.1", fmt.Sprint("key", i)); (got != nil) != want {
			t.Errorf("key%d is there: %v, wanted %v", i, got != nil, want)
		}
	}
}

func TestProgressKeepsTheLogAndItsEnd(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	var b bytes.Buffer
	p := &progress{w: &b, prefix: "vm: x: ", every: time.Hour}
	err := p.run("working", log, exec.Command("sh", "-c", "echo one; echo two >&2; exit 7"))
	if err == nil || !strings.Contains(err.Error(), "working failed (exit status 7)") || !strings.Contains(err.Error(), "    two") {
		t.Error(err)
	}
	if text, _ := os.ReadFile(log); string(text) != "one\ntwo\n" {
		t.Errorf("%q", text)
	}
	if err := p.run("working", log, exec.Command("/no/such/program")); err == nil {
		t.Error("a missing program ran")
	}
}

// Two guests do not share a processor while another one is free.
func TestTakeProcessor(t *testing.T) {
	c := &cache{t.TempDir()}
	if err := os.Mkdir(c.path("locks"), 0o755); err != nil {
		t.Fatal(err)
	}
	n := runtime.NumCPU()
	taken := map[int]func(){}
	for range n {
		cpu, release, err := takeProcessor(c)
		if err != nil {
			t.Fatal(err)
		}
		if taken[cpu] != nil {
			t.Fatalf("processor %d of %d is taken twice", cpu, n)
		}
		taken[cpu] = release
	}
	shared, _, err := takeProcessor(c)
	if err != nil || taken[shared] == nil {
		t.Fatalf("processor %d, %v; want one of those there are", shared, err)
	}
	taken[shared]()
	if cpu, _, _ := takeProcessor(c); cpu != shared {
		t.Errorf("processor %d, want %d, which is free again", cpu, shared)
	}
}

// Processes that a command starts stay on its processor as well.
func TestStartOn(t *testing.T) {
	before, err := processors()
	if err != nil {
		t.Fatal(err)
	}
	last := before[len(before)-1]
	cmd := exec.Command("sh", "-c", "grep Cpus_allowed_list /proc/self/status")
	var out strings.Builder
	cmd.Stdout = &out
	if err := startOn(last, cmd); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("Cpus_allowed_list:\t%d\n", last); out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
	if after, err := processors(); err != nil || !slices.Equal(after, before) {
		t.Errorf("the caller has %v, had %v (%v)", after, before, err)
	}
}
