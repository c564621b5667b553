// SPDX-License-Identifier: GPL-2.0

package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const events = `1,begin,
1,pair,provider 1 to 3
3,failure,"cut, off"
3.2,pair,provider 2 to 3
5,repair,<back> & up
7,failure,hole
10,end,
`

// arrivals are of a flow every 10 ms, except when it is silent.
func arrivals(name string, from, to float64, silences ...[2]float64) string {
	var b strings.Builder
next:
	for i := int(from * 100); i < int(to*100); i++ {
		at := float64(i) / 100
		for _, s := range silences {
			if at > s[0] && at < s[1] {
				continue next
			}
		}
		fmt.Fprintf(&b, "%.4f,%s,1000\n", at, name)
	}
	return b.String()
}

func newRecord(t *testing.T, lines string, names ...string) *record {
	t.Helper()
	r := &record{title: "a title"}
	for _, n := range names {
		r.flows = append(r.flows, &flow{name: n, label: n + " with Shim6"})
	}
	if err := errors.Join(r.readArrivals(strings.NewReader(lines)), r.readEvents(strings.NewReader(events))); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestOutages(t *testing.T) {
	for _, c := range []struct {
		name string
		// lines are what arrived, and the outages are of both failures.
		lines        string
		cut, hole    float64
		cutOK, holOK bool
	}{
		{"none", arrivals("f", 1, 10), 0.01, 0.01, true, true},
		{"one each", arrivals("f", 1, 10, [2]float64{3, 3.5}, [2]float64{7.1, 8}), 0.5, 0.9, true, true},
		{"one that spans both is the first one's", arrivals("f", 1, 10, [2]float64{3, 8}), 5, 0.01, true, true},
		{"it does not come back", arrivals("f", 1, 7), 0.01, 3, true, false},
		{"the longest counts", arrivals("f", 1, 10, [2]float64{3, 3.2}, [2]float64{4, 4.6}), 0.6, 0.01, true, true},
		{"before all failures nothing counts", arrivals("f", 1, 10, [2]float64{1.5, 2.5}), 0.01, 0.01, true, true},
		{"nothing at all", "", 9, 0, false, true},
		{"what came before and after the picture", arrivals("f", 0, 12, [2]float64{0.1, 0.9}), 0.01, 0.01, true, true},
	} {
		got := newRecord(t, c.lines, "f").outages()
		if len(got) != 2 {
			t.Fatalf("%s: %d outages", c.name, len(got))
		}
		for i, want := range []struct {
			seconds float64
			back    bool
		}{{c.cut, c.cutOK}, {c.hole, c.holOK}} {
			if d := got[i].seconds - want.seconds; d < -0.025 || d > 0.025 || got[i].back != want.back {
				t.Errorf("%s: failure %d: %.3f s, back %v; want %.3f s, %v", c.name, i, got[i].seconds, got[i].back, want.seconds, want.back)
			}
		}
	}
}

func TestBins(t *testing.T) {
	r := newRecord(t, "1.05,f,12500\n1.15,f,25000\n0.5,f,9999\n10,f,9999\n", "f")
	b := r.bins(r.flows[0], 0.1)
	if len(b) != 90 || b[0] != 1 || b[1] < 1.99 || b[1] > 2.01 || b[89] != 0 {
		t.Errorf("%d bins: %v", len(b), b)
	}
}

func TestFaults(t *testing.T) {
	for _, c := range []struct{ name, lines, want string }{
		{"no time", "x,failure,y\n", "line 1"},
		{"two columns", "1,failure\n", "fields"},
		{"no such kind", "1,begin,\n2,other,y\n", `line 2: there are no events of kind "other"`},
	} {
		err := (&record{}).readEvents(strings.NewReader(c.lines))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if err := (&record{}).readArrivals(strings.NewReader("1,f,many\n")); err == nil {
		t.Error("octets that are no number are taken")
	}
}

// The command, from files to files.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"arrivals": arrivals("tcp:1", 1, 10, [2]float64{3, 3.3}) + arrivals("udp:2", 1, 7),
		"events":   events,
		"empty":    "",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := func(name string) string { return filepath.Join(dir, name) }
	args := func(events string) []string {
		return []string{"-title", "a < b", "-arrivals", file("arrivals"), "-events", file(events), "-out", file("x"),
			"tcp:1=TCP with Shim6", "udp:2=UDP with Shim6"}
	}
	var out bytes.Buffer
	if err := run(args("events"), &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"cut, off", "300 ms", "more than 3010 ms"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
	testSVG(t, file("x.svg"))
	text, err := os.ReadFile(file("x.outages.csv"))
	if err != nil || !strings.Contains(string(text), "tcp:1,\"cut, off\",300,true\n") || !strings.Contains(string(text), "udp:2,\"hole\",3010,false\n") {
		t.Errorf("%v\n%s", err, text)
	}

	if err := run(args("empty"), io.Discard); err == nil {
		t.Error("a picture of no time is drawn")
	}
	if err := run(args("missing"), io.Discard); err == nil {
		t.Error("a file that is missing is not missed")
	}
	if err := run(append(args("events"), "tcp"), io.Discard); err == nil {
		t.Error("a flow without a label is taken")
	}
}

// testSVG: it is XML that has all labels, and its bars are where they should be.
func testSVG(t *testing.T, name string) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var picture struct {
		Text []string `xml:"text"`
		Rect []struct {
			X    float64 `xml:"x,attr"`
			Fill string  `xml:"fill,attr"`
		} `xml:"rect"`
	}
	if err := xml.NewDecoder(f).Decode(&picture); err != nil {
		t.Fatal(err)
	}
	all := strings.Join(picture.Text, "|") + "|"
	for _, want := range []string{"a < b", "<back> & up", "provider 2 to 3", "Mbit/s", "TCP with Shim6"} {
		if !strings.Contains(all, want+"|") {
			t.Errorf("%q is not in %s", want, all)
		}
	}
	r := &record{begin: 1, end: 10}
	for at, want := range map[float64]bool{2: true, 3.1: false, 4: true} {
		got := false
		for _, b := range picture.Rect {
			got = got || b.Fill == "#0072b2" && math.Abs(b.X-r.x(at)) < 0.01
		}
		if got != want {
			t.Errorf("a bar at %g s: %v, not %v", at, got, want)
		}
	}
}
